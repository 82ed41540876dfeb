"""Files that come with zapsim: where they lie, what names mean, and that wheel and sdist hold them all."""

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.optional import require
from zapsim import shipped
from zapsim.arch.load import known_archs, load_arch
from zapsim.cli import main
from zapsim.errors import ConfigError, TraceError, ZapsimError
from zapsim.exploration.load import find_space, load_space
from zapsim.shipped import FOLDERS, find_file, shipped_folder, shipped_names
from zapsim.tracefile.reader import Trace, find_trace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """Pretend that zapsim is installed in an otherwise empty folder; return the place of its files."""
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "zapsim" / "shipped.py"))
    return tmp_path / "zapsim" / "_shipped"


def test_a_clone_uses_the_folders_at_its_top():
    assert [shipped_folder(folder) for folder in FOLDERS] == [ROOT / folder for folder in FOLDERS]


def test_an_installed_package_uses_its_own_copies(installed):
    shutil.copytree(ROOT / "arch_configs" / "dram", installed / "arch_configs" / "dram")
    shutil.copy(ROOT / "arch_configs" / "eyeriss.yaml", installed / "arch_configs" / "mine.yaml")
    assert known_archs() == ["mine"]
    assert load_arch("mine").name == "eyeriss"


@pytest.mark.parametrize("command", ["archs", "area", "validate", "run --arch nothing --trace digits_cnn"])
def test_an_installation_without_files_is_a_fault(installed, capsys, command):
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"zapsim: \S+: holds no \.\w+ file, so this installation of zapsim is not whole; "
        r"reinstall it: pip install --force-reinstall --no-deps zapsim\n",
        err,
    )


@pytest.mark.parametrize("name", ["digits_cnn", "digits_cnn.safetensors", "traces/digits_cnn.safetensors"])
def test_a_shipped_trace_is_found_by_its_name_and_its_path_in_the_clone(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_trace(name) == Trace(name).path == ROOT / "traces" / "digits_cnn.safetensors"


def test_a_file_wins_over_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_cnn").write_text("mine")
    assert find_trace("digits_cnn") == Path("digits_cnn")
    assert find_trace("digits_cnn", tmp_path) == tmp_path / "digits_cnn"
    with pytest.raises(TraceError, match="not a whole safetensors file"):
        Trace("digits_cnn")


def test_a_folder_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_cnn").mkdir()
    assert find_trace("digits_cnn") == ROOT / "traces" / "digits_cnn.safetensors"


@pytest.mark.parametrize("name", ["", ".", "..", "../traces/digits_cnn", "a\0b", "x" * 5000])
def test_other_texts_are_no_names(name):
    assert find_file(name, "traces", ".safetensors") is None


def test_a_trace_that_is_not_there_names_the_shipped_ones():
    known = ", ".join(name for name in shipped_names("traces", ".safetensors") if not name.endswith(".zap"))
    with pytest.raises(TraceError) as caught:
        Trace("digit_cnn")
    assert str(caught.value) == f"digit_cnn: no such trace file (did you mean 'digits_cnn'?); shipped: {known}"


def test_a_space_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_space("digits").lattice.size == 18
    assert find_space("examples/digits.yaml") == ROOT / "examples" / "digits.yaml"
    with pytest.raises(ConfigError, match=r"digit: no such space file \(did you mean 'digits'\?\); shipped: codesign_"):
        load_space("digit")
    with pytest.raises(ConfigError, match=r"here/digits.yaml: no such space file$"):
        load_space("here/digits.yaml")


def test_a_space_may_name_shipped_traces():
    space = {"arch": "eyeriss", "trace": "digits_cnn", "parameters": {"array.rows": [8]}, "objectives": ["latency"]}
    assert {workload.trace for workload in load_space(space).workloads} == {"digits_cnn"}


def test_no_file_of_a_kind_names_the_folder():
    with pytest.raises(ZapsimError, match=r"holds no \.txt file"):
        shipped_names("traces", ".txt")


# --- the built package ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patterns() -> tuple[str, ...]:
    """Return what setup.py says of the shipped files."""
    require("setuptools", "pip install setuptools")
    value: tuple[str, ...] = runpy.run_path(str(ROOT / "setup.py"))["SHIPPED"]
    return value


def test_shipped_traces_are_those_that_git_keeps(patterns):
    kept = re.findall(r"^!(traces/\S+safetensors)$", (ROOT / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(kept) == sorted(pattern for pattern in patterns if pattern.startswith("traces/"))


BUILD = """\
import sys
from setuptools import build_meta
out = sys.argv[1]  # building replaces the arguments
build_meta.build_sdist(out)
build_meta.build_wheel(out)
"""


def test_wheel_and_sdist_hold_every_shipped_file(patterns, tmp_path):
    """They are built in a copy with small traces, and with one that a user made."""
    clone, built = tmp_path / "clone", tmp_path / "built"
    for folder in ("zapsim/arch", *FOLDERS):
        leave_out = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(ROOT / folder, clone / folder, ignore=leave_out)
    for file in ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CITATION.cff"):
        shutil.copy(ROOT / file, clone)
    shutil.copy(ROOT / "zapsim" / "__init__.py", clone / "zapsim")
    expected = {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern)}
    assert len(expected) > 30
    for path in (*expected, Path("traces/mine.safetensors")):
        if path.suffix == ".safetensors":
            (clone / path).write_text(path.name)
    subprocess.run([sys.executable, "-c", BUILD, str(built)], cwd=clone, check=True, capture_output=True)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        place = "zapsim/_shipped"
        held = {Path(name).relative_to(place): name for name in wheel.namelist() if name.startswith(f"{place}/")}
        assert held.keys() == expected
        assert all(wheel.read(name) == (clone / path).read_bytes() for path, name in held.items())
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {Path(*Path(name).parts[1:]) for name in sdist.getnames()}
    assert expected | {Path("setup.py"), Path("CITATION.cff"), Path("zapsim/__init__.py")} <= names
    assert Path("traces/mine.safetensors") not in names
