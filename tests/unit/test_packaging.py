"""What users are promised about installing zapsim."""

import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import zapsim
from tests.optional import require

ROOT = Path(__file__).parents[2]
README_COMMANDS = [
    'pip install -c constraints.txt -e ".[all]" && python run_sim.py --arch eyeriss.yaml',
    'pip install -c constraints.txt -e ".[test]" && pytest',
]


def read_setup_cfg() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def direct_dependencies() -> list[Requirement]:
    config = read_setup_cfg()
    blocks = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = (line for block in blocks for line in block.splitlines())
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [requirement for requirement in requirements if requirement.name != "zapsim"]


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_version_is_the_one_in_the_metadata() -> None:
    assert zapsim.__version__ == metadata.version("zapsim") == read_setup_cfg()["metadata"]["version"]


def test_import_is_light() -> None:
    code = (
        "import sys, time; start = time.process_time(); import zapsim; took = time.process_time() - start;"
        "print(took, *({'torch', 'numba', 'pandas', 'matplotlib', 'numpy', 'simpy', 'pydantic'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    seconds, *heavy = found.stdout.split()
    assert heavy == []
    assert float(seconds) < 0.15


@pytest.mark.parametrize("command", README_COMMANDS)
def test_readme_and_ci_have_the_command(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_torch_is_pinned_without_a_build() -> None:
    assert str(pins()["torch"]) == "2.13.0"


def test_core_needs_no_torch() -> None:
    core = read_setup_cfg()["options"]["install_requires"]
    assert not re.search(r"^torch", core, flags=re.MULTILINE)


@pytest.mark.parametrize("requirement", direct_dependencies(), ids=str)
def test_constraints_pin_a_version_that_is_allowed(requirement: Requirement) -> None:
    assert pins()[canonicalize_name(requirement.name)] in requirement.specifier


def test_constraints_are_plain_pins() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), line


def test_package_is_typed() -> None:
    assert (ROOT / "zapsim" / "py.typed").exists()


def test_missing_input_says_how_to_get_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs the module no_such_module: pip install it"):
        require("no_such_module", "pip install it")
    with pytest.raises(pytest.skip.Exception, match=r"needs no/such\.file: make it"):
        require(Path("no/such.file"), "make it")


def test_present_input_is_returned() -> None:
    assert require("json", "part of Python").loads("1") == 1
    assert require(ROOT, "clone it") == ROOT


@pytest.mark.parametrize(("ci", "outcome"), [("true", 1), ("", 0)])
def test_skip_fails_under_ci_only(ci: str, outcome: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", ci)
    test = tmp_path / "test_skipped.py"
    test.write_text("import pytest\ndef test_it():\n    pytest.skip('because')\n", encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "setup.cfg"), *options, str(test)]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == outcome, result.stdout
