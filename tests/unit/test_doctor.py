"""``zapsim doctor`` and ``python -m zapsim``: what is installed, what is missing and how to get it."""

import importlib.metadata
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import zapsim
from zapsim import shipped
from zapsim.cli import main
from zapsim.cli.doctor import libraries

REQUIREMENTS = [
    "numpy>=2.0",
    "rich>=13.7",
    'pillow>=10.0; extra == "frontend"',
    'torch>=2.4; extra == "frontend"',
    'zapsim[frontend]; extra == "demo"',
    'h5py>=3.11; extra == "demo"',
]


@pytest.fixture
def versions(monkeypatch) -> dict[str, str]:
    """Let exactly these libraries be installed; a test changes them."""
    held = {"numpy": "2.4.6", "rich": "15.0.0", "pillow": "13.0.0", "torch": "2.13.0+cpu", "h5py": "3.16.0"}

    def version(name: str) -> str:
        if name not in held:
            raise importlib.metadata.PackageNotFoundError(name)
        return held[name]

    message = importlib.metadata.metadata("pytest")
    for key in ("Provides-Extra",):
        del message[key]
    message["Provides-Extra"] = "frontend"
    message["Provides-Extra"] = "demo"
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda _name: REQUIREMENTS)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _name: message)
    return held


def test_everything_is_installed(versions, capsys):
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"zapsim     {zapsim.__version__} in " in out
    assert "libraries  numpy 2.4.6, rich 15.0.0\n" in out
    assert (
        "extra      frontend (training predictors, tracing networks (train, trace, tune, adapt, eval)): installed"
        in out
    )
    assert "13 traces and predictors" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("extra")] == ["frontend", "demo"]


def test_a_missing_library_of_an_extra_is_no_fault(versions, capsys):
    del versions["h5py"], versions["torch"]
    versions["pillow"] = "9.5"
    assert main(["doctor"]) == 0
    out, _ = capsys.readouterr()
    assert "): lacks pillow 9.5 (needs >=10.0), torch (missing); pip install 'zapsim[frontend]'\n" in out
    assert "): lacks h5py (missing), pillow 9.5 (needs >=10.0), torch (missing); pip install 'zapsim[demo]'\n" in out


def test_a_core_library_that_is_too_old_is_a_fault(versions, capsys):
    versions["numpy"] = "1.26.4"
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == "zapsim: numpy 1.26.4 (needs >=2.0): pip install 'numpy>=2.0'\n"


def test_a_package_that_is_only_on_the_path_is_a_fault(versions, monkeypatch, capsys):
    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == "zapsim: zapsim itself is not installed, only on the path: pip install zapsim\n"


def test_missing_files_are_a_fault(versions, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "zapsim" / "shipped.py"))
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert f"shipped    nothing in {tmp_path}\n" in out
    assert err.count("this installation of zapsim is not whole") == 4


def test_the_libraries_are_those_of_the_metadata():
    """Of the real installation: the core needs numba, the frontend torch."""
    assert "numba" in {library.name for library in libraries(None)}
    assert "torch" not in {library.name for library in libraries(None)}
    assert "torch" in {library.name for library in libraries("frontend")}


def test_python_m_zapsim_is_zapsim():
    found = subprocess.run([sys.executable, "-m", "zapsim", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"zapsim {zapsim.__version__}\n"


def test_a_bundle_names_versions_and_nothing_of_the_user(versions, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "secret")
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    path = tmp_path / "report.json"
    assert main(["doctor", "--bundle", str(path)]) == 0
    text, (out, _) = path.read_text(), capsys.readouterr()
    record = json.loads(text)
    assert record["zapsim"] == zapsim.__version__
    assert record["libraries"] == {"numpy": "2.4.6", "rich": "15.0.0"}
    assert record["extras"]["frontend"]["torch"] == "2.13.0+cpu"
    assert "MKL_NUM_THREADS=2" in record["threads"]
    for private in ("secret", str(Path.home()), str(tmp_path), platform.node(), sys.executable, "/"):
        assert private not in text, private
    assert sys.executable in out  # people see it on their own terminal
    assert main(["doctor", "--bundle", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err
