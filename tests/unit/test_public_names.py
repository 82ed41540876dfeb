"""``import zapsim``: what it offers, and what it says of what is not installed."""

import inspect
import re
import sys
from pathlib import Path

import pytest

import zapsim
from zapsim.errors import MissingExtraError, ZapsimError

ROOT = Path(__file__).parents[2]
PUBLIC = [
    "Trace",
    "__version__",
    "compare",
    "evaluate",
    "explore",
    "load_arch",
    "plot",
    "simulate",
    "trace",
    "train",
    "tune",
]


def test_the_public_names_are_these():
    assert zapsim.__all__ == PUBLIC == dir(zapsim)
    assert set(zapsim._MODULE_OF) == set(PUBLIC) - {"__version__"}


@pytest.mark.parametrize("name", zapsim._MODULE_OF)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(zapsim, name)
    assert value.__module__.startswith("zapsim.")
    assert value.__name__ == name
    assert inspect.getdoc(value)


@pytest.mark.parametrize("name", PUBLIC)
def test_no_module_has_the_name_of_something_public(name):
    """Importing the module would put it in the place of the function."""
    package = Path(zapsim.__file__).parent
    assert not (package / f"{name}.py").exists()
    assert not (package / name / "__init__.py").exists()


def test_an_unknown_name_is_an_ordinary_attribute_error():
    with pytest.raises(AttributeError, match="module 'zapsim' has no attribute 'simulat'"):
        _ = zapsim.simulat
    assert not hasattr(zapsim, "no_such_name")


@pytest.mark.parametrize("name", ["train", "trace", "tune", "evaluate"])
@pytest.mark.parametrize("module", ["torch", "PIL"])
def test_the_frontend_names_its_extra(monkeypatch, name, module):
    monkeypatch.delitem(vars(zapsim), name, raising=False)  # as if it was never used
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("zapsim.frontend")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr("zapsim.errors.find_spec", lambda wanted: None if wanted == module else object())
    with pytest.raises(MissingExtraError) as caught:
        getattr(zapsim, name)
    assert str(caught.value) == f"training and tracing need {module}: pip install 'zapsim[frontend]'"
    assert isinstance(caught.value, ZapsimError)
    assert isinstance(caught.value, ImportError)


def test_the_python_example_of_the_readme_runs():
    """On a smaller trace; everything else as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [sum(map(bool, block.splitlines())) for block in blocks] == [5]
    names: dict[str, object] = {}
    exec(blocks[0].replace("vgg16_hed_chelsea_1_3", "digits_cnn"), names)
    assert len(names["table"]) == len(names["result"].rows)
    assert names["figure"].axes


def test_exploring_names_its_extra_when_it_is_called(monkeypatch):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda wanted: None if wanted == "pandas" else object())
    with pytest.raises(MissingExtraError) as caught:
        zapsim.explore({})
    assert str(caught.value) == "exploring needs pandas: pip install 'zapsim[explore]'"
