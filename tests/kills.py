"""``python -m tests.kills --rounds N [--seed S]``: kill commands at random moments, run them again, compare the bytes.

Each round forks a command (train, trace, tune, explore alone, explore with two workers) from a process that has loaded
everything, sends it SIGKILL, SIGTERM or SIGINT after a random time, and runs the same command to its end. The results
must be those of a run that was left alone, with nothing half written beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import torch

from tests.explore_support import VOLATILE, space_of
from zapsim.cli import main as zapsim
from zapsim.exploration.store import DESIGNS, read_table
from zapsim.files import is_leftover

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

NETWORK = """
import torch
from torch import nn
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network.network import Network


def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
                              nn.Flatten(), nn.Linear(2048, 4)).requires_grad_(False).eval()
    return Network(model, "small", "drawn", Preprocessing(16, 16, (128.0,), (64.0,), "L"))
"""

WEIGHTED = ["--network", "smallnet:net", "--images", "pictures.npz", "--threads", "1"]


def prepare(folder: Path) -> dict[str, list[str]]:
    """Write the inputs into `folder`; return the arguments of each command."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    (folder / "smallnet.py").write_text(NETWORK)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16), dtype=np.uint8)
    np.savez(folder / "pictures.npz", images=pixels)
    (folder / "space.yaml").write_text(json.dumps(space_of(folder)))
    predicted = [*WEIGHTED, "--predictors", "p.safetensors"]
    return {
        "train": ["train", *WEIGHTED, "--crops", "24", "--epochs", "2", "--out", "p.safetensors"],
        "trace": ["trace", *predicted, "--threshold", "0.0", "--out", "t.safetensors"],
        "tune": ["tune", *predicted, "--uniform", "0.05", "--crops", "24", "--allow-overlap", "--out", "points.json"],
        "explore": ["explore", "space.yaml", "--out", "alone", "--workers", "1"],
        "explore, two workers": ["explore", "space.yaml", "--out", "two", "--workers", "2"],
    }


def child(arguments: list[str], log: Path) -> int:
    """Fork a process that runs a command."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    sys.argv = ["zapsim", *arguments]
    code = 1
    try:
        code = zapsim()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def result(arguments: list[str]) -> object:
    """Return what a command wrote, as values that can be compared."""
    path = Path(arguments[arguments.index("--out") + 1])
    if path.is_dir():
        table = read_table(path, DESIGNS, None)
        table = table.drop_columns([name for name in VOLATILE if name in table.column_names])
        return table.sort_by("design").to_pydict()
    return path.read_bytes()


def remove(arguments: list[str]) -> None:
    """Remove what a command writes."""
    path = Path(arguments[arguments.index("--out") + 1])
    if path.is_dir():
        shutil.rmtree(path)
    for other in (path, path.with_name(f"{path.name}.checkpoint")):
        other.unlink(missing_ok=True)


def kill_once(arguments: list[str], number: int, after: float, log: Path, expected: object) -> str | None:
    """Kill a command, run it again; return what is wrong, or None."""
    pid = child(arguments, log)
    time.sleep(after)
    os.kill(pid, number)
    code = ended(pid)
    if code not in {0, -signal.SIGKILL, 130, 143, -signal.SIGTERM, -signal.SIGINT}:
        return f"exit code {code}: {log.read_text()[-300:]}"
    if number != signal.SIGKILL and "Traceback" in log.read_text():
        return f"a traceback: {log.read_text()[-300:]}"
    for _ in range(100):  # the workers of a killed exploration end by themselves
        code = ended(child(arguments, log))
        if code != 2 or "is writing to it" not in log.read_text():
            break
        time.sleep(0.2)
    if code:
        return f"the second run ended with {code}: {log.read_text()[-300:]}"
    left = [path.name for path in Path().rglob("*") if is_leftover(path.name)]
    if left:
        return f"left over: {left}"
    return None if result(arguments) == expected else "another result than without a kill"


def main() -> int:
    """Kill N times, print what became of each command; return 1 if anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    random, faults, rounds = Random(args.seed), Counter[str](), Counter[tuple[str, str]]()
    end = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as name:
        commands = prepare(Path(name))
        log, expected, takes = Path(name) / "log", {}, {}
        for command, arguments in commands.items():
            start = time.monotonic()
            code = ended(child(arguments, log))
            assert code == 0, (command, log.read_text())
            takes[command], expected[command] = time.monotonic() - start, result(arguments)
        print({command: round(seconds, 1) for command, seconds in takes.items()}, flush=True)
        for index in range(args.rounds):
            if time.monotonic() > end:
                break
            command, number = list(commands)[index % len(commands)], random.choice(SIGNALS)
            remove(commands[command])
            fault = kill_once(
                commands[command], number, random.uniform(0, 1.1 * takes[command]), log, expected[command]
            )
            rounds[command, number.name] += 1
            if fault is not None:
                faults[f"{command}, {number.name}: {fault}"] += 1
                print(f"{command}, {number.name}: {fault}", flush=True)
    for (command, kind), count in sorted(rounds.items()):
        print(f"{command}, {kind}: {count}")
    print(f"{rounds.total()} kills, {faults.total()} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
