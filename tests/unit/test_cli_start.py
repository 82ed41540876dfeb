"""What the command line loads before it has anything to do, and what Numba does without."""

import subprocess
import sys

import pytest
from numba.core import config

START = """
import contextlib, io, sys
from zapsim.cli import _COMMANDS, build_parser, main
for arguments in (["--version"], ["--help"], *([name, "--help"] for name in sys.argv[1:])):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(arguments)
heavy = {"numpy", "numba", "torch", "scipy", "pandas", "matplotlib", "pydantic", "simpy", "rich", "yaml", "onnx"}
print(sorted(heavy & set(sys.modules)))
"""

RUN = """
import contextlib, io, sys
from zapsim.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    status = main(["run", "--arch", "eyeriss", "--trace", "digits_cnn"])
print(status, "numba" in sys.modules, sorted({"scipy", "torch", "pandas", "matplotlib"} & set(sys.modules)))
import scipy.linalg  # it is hidden no longer
"""

RUN_TWICE = """
import subprocess, sys
libraries = {"numba", "rich", "simpy", "email", "importlib.metadata"}
script = "import sys; from zapsim.cli import main; status = main(); "
script += f"sys.exit(status or 3 * len({libraries} & set(sys.modules)))"
command = [sys.executable, "-c", script, "run", "--arch", "eyeriss", "--trace", "digits_cnn"]
first, second = (subprocess.run(command, capture_output=True) for _ in range(2))
print(first.returncode % 3, second.returncode, first.stdout == second.stdout, first.stderr, second.stderr)
"""

WITHOUT_TORCH = """
import contextlib, io, sys
from pathlib import Path
from zapsim.cli import main
Path("net.csv").write_text("Layer, M, N, K,\\nproduct, 4, 4, 4,\\n")
Path("net.yaml").write_text("layers: [{C: 4, K: 4}]")
statuses = []
for source in ("resnet50", "net.csv", "net.yaml"):
    with contextlib.redirect_stdout(io.StringIO()):
        statuses.append(main(["inspect", source]))
print(statuses, sorted({"torch", "numba", "scipy", "onnx"} & set(sys.modules)))
"""


def run(script: str, *arguments: str, cwd=None) -> str:
    """Run a script in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True, cwd=cwd
    )
    return done.stdout.strip()


def test_version_and_help_load_no_library():
    commands = ("run", "explore", "train", "tune", "eval", "trace", "inspect", "workloads", "synthesise", "doctor")
    assert run(START, *commands) == "[]"


def test_a_run_loads_numba_without_scipy():
    assert run(RUN) == "0 True []"


@pytest.mark.skipif(bool(config.DISABLE_JIT) or sys.platform != "linux", reason="nothing is compiled, or kept")
def test_a_later_run_does_without_numba_and_what_else_it_has_no_use_for():
    assert run(RUN_TWICE) == "0 0 True b'' b''"


def test_shapes_are_inspected_without_torch(tmp_path):
    assert run(WITHOUT_TORCH, cwd=tmp_path) == "[0, 0, 0] []"


def test_the_names_of_patterns_are_those_of_the_patterns():
    from zapsim.cli._arguments import PATTERN_NAMES
    from zapsim.patterns import PATTERNS

    assert PATTERN_NAMES == PATTERNS
