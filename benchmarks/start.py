"""From the prompt to the result: processor time of whole commands, warm and with kernels that must be compiled."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Expected, Row

ROOT = Path(__file__).parents[1]
ZAPSIM = [sys.executable, "-m", "zapsim"]
RUN = "run_sim.py --arch eyeriss.yaml"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "zapsim --version": [*ZAPSIM, "--version"],
    "zapsim --help": [*ZAPSIM, "--help"],
    RUN: [sys.executable, "run_sim.py", "--arch", "eyeriss.yaml"],
}


def processor_seconds(command: list[str], **settings: str) -> tuple[float, str]:
    """Run a command and return the processor time of it and of the processes that it starts, and what it printed."""
    environment = os.environ | settings
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Time each command; one that compiles only in the full table."""
    group, measured = "start, whole commands", []
    for name, command in COMMANDS.items():
        _, printed = processor_seconds(command)  # warms up
        seconds = []
        for _ in range(rounds := 3 if quick else 7):
            taken, again = processor_seconds(command)
            assert again == printed, f"{name} printed something else the second time"
            seconds.append(taken)
        measured.append(Row(group, name, median(seconds), "s", "warm", rounds))
    expected.check("what run_sim.py prints for eyeriss", [_figures(printed)])
    # As soon as any of Numba's settings is made, nothing that comes with zapsim is used; this one is the default.
    colds: list[tuple[str, str, dict[str, str]]] = [("cold", "nothing kept", {})]
    colds += [] if quick else [("compiling", "nothing kept, nothing that comes with zapsim", {"NUMBA_OPT": "3"})]
    for kind, beside, settings in colds:
        with tempfile.TemporaryDirectory() as cache:
            taken, again = processor_seconds(COMMANDS[RUN], NUMBA_CACHE_DIR=cache, **settings)
        assert again == printed, "a cold start printed something else"
        measured.append(Row(group, f"{RUN}, {kind}", taken, "s", beside))
    return measured


def _figures(printed: str) -> list[str]:
    """Return the lines of the layers and of the total."""
    lines = [line.split() for line in printed.splitlines() if line.startswith((" conv", " total"))]
    assert lines, "no table of layers was printed"
    return [" ".join(words) for words in lines]
