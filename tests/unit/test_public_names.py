"""``import zapsim``: what it offers, and what it says of what is not installed."""

import inspect
import re
from pathlib import Path

import pytest

import zapsim
from zapsim.errors import MissingExtraError, ZapsimError

ROOT = Path(__file__).parents[2]
PUBLIC = ["Trace", "__version__", "compare", "evaluate", "explore", "load_arch", "simulate", "trace", "train", "tune"]
TO_COME = {"compare", "evaluate", "trace", "train", "tune"}


def test_the_public_names_are_these():
    assert zapsim.__all__ == PUBLIC == dir(zapsim)
    assert set(zapsim._MODULE_OF) == set(PUBLIC) - {"__version__"}


@pytest.mark.parametrize("name", [name for name in zapsim._MODULE_OF if name not in TO_COME])
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


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        *((name, "torch", f"zapsim.{name} needs torch: pip install 'zapsim[frontend]'")
          for name in ("train", "trace", "tune", "evaluate")),
        ("train", "PIL", "zapsim.train needs PIL: pip install 'zapsim[frontend]'"),
        ("explore", "pandas", "zapsim.explore needs pandas: pip install 'zapsim[explore]'"),
        ("compare", "pyarrow", "zapsim.compare needs pyarrow: pip install 'zapsim[explore]'"),
    ],
)  # fmt: skip
def test_what_needs_an_extra_names_it(monkeypatch, name, module, message):
    monkeypatch.delitem(vars(zapsim), name, raising=False)  # else the name is loaded already
    monkeypatch.setattr("zapsim.errors.find_spec", lambda wanted: None if wanted == module else object())
    with pytest.raises(MissingExtraError) as caught:
        getattr(zapsim, name)
    assert str(caught.value) == message
    assert isinstance(caught.value, ZapsimError)
    assert isinstance(caught.value, ImportError)


def test_the_python_example_of_the_readme_runs():
    """On a smaller trace; everything else as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [sum(map(bool, block.splitlines())) for block in blocks] == [5]
    names: dict[str, object] = {}
    exec(blocks[0].replace("vgg16_hed_chelsea", "digits_cnn"), names)
    assert len(names["table"]) == len(names["result"].rows)
    assert names["figure"].axes
