"""``python -m tests.kills --rounds N [--seed S]``: kill commands at random moments, run them again, compare the bytes.

Each round forks a command from a process that has loaded everything, sends it SIGKILL, SIGTERM or SIGINT after a random
time, and runs the same command to its end. The results must be those of a run that was left alone, with nothing half
written beside them. Explorations are also killed while a second one wants the same folder (the other must finish, or be
refused in a line), while they use a Dask cluster, and by the end of that cluster's scheduler.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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


DASK = "explore, Dask"
SCHEDULER = "explore, Dask's scheduler"
WRITERS = "explore, two writers"

LIMIT_S = 240
"""A command that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round works: its command, the log of what runs, and the address of a Dask scheduler."""

    arguments: list[str]
    log: Path
    address: str


def prepare(folder: Path, address: str) -> dict[str, list[str]]:
    """Write the inputs into `folder`; return the arguments of each command."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    (folder / "smallnet.py").write_text(NETWORK)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 16, 16), dtype=np.uint8)
    np.savez(folder / "pictures.npz", images=pixels)
    (folder / "space.yaml").write_text(json.dumps(space_of(folder)))
    predicted = [*WEIGHTED, "--predictors", "p.safetensors"]
    report = ["run", "--arch", "eyeriss", "--trace", "tiny.safetensors", "--policy", "zap", "--report", "page.html"]
    explore = ["explore", "space.yaml", "--out"]
    return {
        "train": ["train", *WEIGHTED, "--crops", "24", "--epochs", "2", "--out", "p.safetensors"],
        "trace": ["trace", *predicted, "--threshold", "0.0", "--out", "t.safetensors"],
        "tune": ["tune", *predicted, "--uniform", "0.05", "--crops", "24", "--allow-overlap", "--out", "points.json"],
        "report": [*report, "--format", "json", "--out", "run.json"],
        "explore": [*explore, "alone", "--workers", "1"],
        "explore, two workers": [*explore, "two", "--workers", "2"],
        WRITERS: [*explore, "shared", "--workers", "1"],
        DASK: [*explore, "dask", "--scheduler", address],
        SCHEDULER: [*explore, "lost", "--scheduler", address],
    }


def fork(work: Callable[[], int | None], log: Path) -> int:
    """Fork a process that does some work; what it prints goes to `log`."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    code: int | None = 1
    try:
        code = work()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code or 0)


def child(arguments: list[str], log: Path) -> int:
    """Fork a process that runs a command."""
    sys.argv = ["zapsim", *arguments]
    return fork(zapsim, log)


def cluster(address: str) -> int:
    """Fork a Dask scheduler with a worker, and wait until it answers; return its process."""
    host, port = address.removeprefix("tcp://").split(":")

    def serve() -> None:
        import distributed

        from zapsim.exploration.cluster import WITHOUT_DASHBOARD

        with distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            **WITHOUT_DASHBOARD,
            host=host,
            scheduler_port=int(port),
        ):
            time.sleep(1e6)

    pid = fork(serve, Path("cluster.log"))
    for _ in range(300):
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return pid
        time.sleep(0.1)
    raise RuntimeError(Path("cluster.log").read_text())


def end(pid: int) -> None:
    """Kill a process that this one started."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def ended(pid: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that killed it (SIGALRM: it hung)."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    end(pid)
    return -signal.SIGALRM


def result(arguments: list[str]) -> object:
    """Return what a command wrote, as values that can be compared."""
    paths = [Path(arguments[arguments.index(name) + 1]) for name in ("--out", "--report") if name in arguments]
    if paths[0].is_dir():
        table = read_table(paths[0], DESIGNS, None)
        table = table.drop_columns([name for name in VOLATILE if name in table.column_names])
        return table.sort_by("design").to_pydict()
    return [path.read_bytes() for path in paths]


def remove(arguments: list[str]) -> None:
    """Remove what a command writes."""
    path = Path(arguments[arguments.index("--out") + 1])
    if path.is_dir():
        shutil.rmtree(path)
    for other in (path, path.with_name(f"{path.name}.checkpoint"), Path("page.html")):
        other.unlink(missing_ok=True)


def killed(place: Place, number: int, after: float) -> str | None:
    """Kill a command after some seconds; return what is wrong with its end, or None."""
    pid = child(place.arguments, place.log)
    time.sleep(after)
    os.kill(pid, number)
    code = ended(pid)
    if code not in {0, -signal.SIGKILL, 130, 143, -signal.SIGTERM, -signal.SIGINT}:
        return f"exit code {code}: {place.log.read_text()[-300:]}"
    if number != signal.SIGKILL and "Traceback" in place.log.read_text():
        return f"a traceback: {place.log.read_text()[-300:]}"
    return None


def one_of_two_killed(place: Place, number: int, after: float, random: Random) -> str | None:
    """Start a command twice, kill one of both; the other must finish, or have been refused in a line."""
    logs = (place.log, place.log.with_name("other"))
    pids = [child(place.arguments, log) for log in logs]
    time.sleep(after)
    victim = random.randrange(2)
    os.kill(pids[victim], number)
    codes = [ended(pid) for pid in pids]
    text = logs[1 - victim].read_text()
    other = codes[1 - victim]
    if other != 0 and not (other == 2 and "is writing to it" in text and len(text.strip().splitlines()) == 1):
        return f"the other writer ended with {other}: {text[-300:]}"
    return None


def scheduler_killed(place: Place, after: float) -> str | None:
    """Kill the scheduler of a command; the command must end with its results, or in a line. Start another scheduler."""
    pid = cluster(place.address)
    command = child(place.arguments, place.log)
    time.sleep(after)
    end(pid)
    code = ended(command)
    text = place.log.read_text()
    if code not in {0, 2} or "Traceback" in text:
        return f"without a scheduler it ended with {code}: {text[-300:]}"
    return None


def second_run(place: Place, expected: object) -> str | None:
    """Run a command again, to its end; return what is wrong, or None."""
    for _ in range(100):  # the workers of a killed exploration end by themselves
        code = ended(child(place.arguments, place.log))
        if code != 2 or "is writing to it" not in place.log.read_text():
            break
        time.sleep(0.2)
    if code:
        return f"the second run ended with {code}: {place.log.read_text()[-300:]}"
    left = [path.name for path in Path().rglob("*") if is_leftover(path.name)]
    if left:
        return f"left over: {left}"
    return None if result(place.arguments) == expected else "another result than without a kill"


def round_of(command: str, place: Place, number: int, after: float, random: Random, expected: object) -> str | None:
    """Kill a command once, and run it again; return what is wrong, or None."""
    remove(place.arguments)
    match command:
        case str() if command == WRITERS:
            fault = one_of_two_killed(place, number, after, random)
        case str() if command == SCHEDULER:
            fault = scheduler_killed(place, after)
        case _:
            fault = killed(place, number, after)
    beside = cluster(place.address) if command == SCHEDULER else None
    fault = fault or second_run(place, expected)
    if beside is not None:
        end(beside)
    return fault


def undisturbed(commands: dict[str, list[str]], log: Path, address: str) -> tuple[dict[str, float], dict[str, object]]:
    """Run each command twice; return what the second run took, and the results, which must be equal."""
    takes, expected = {}, {}
    for command, arguments in commands.items():
        beside = cluster(address) if command in (DASK, SCHEDULER) else None
        results = []
        for _ in range(2):  # the first compiles kernels, and later commands read what the earlier ones wrote
            remove(arguments)
            start = time.monotonic()
            code = ended(child(arguments, log))
            assert code == 0, (command, log.read_text())
            takes[command] = time.monotonic() - start
            results.append(result(arguments))
        assert results[0] == results[1], f"{command}: two runs, two results"
        expected[command] = results[1]
        if beside is not None:
            end(beside)
    return takes, expected


def main() -> int:
    """Kill N times, print what became of each command; return 1 if anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--only", nargs="+", help="kinds of commands (default: all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    random, faults, rounds = Random(args.seed), Counter[str](), Counter[tuple[str, str]]()
    until = time.monotonic() + args.seconds
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as name:
        commands = prepare(Path(name), address)
        kinds = args.only or list(commands)
        log = Path(name) / "log"
        needed = {command: arguments for command, arguments in commands.items() if command in (*kinds, "train")}
        takes, expected = undisturbed(needed, log, address)
        print({command: round(seconds, 1) for command, seconds in takes.items()}, flush=True)
        beside = cluster(address) if DASK in kinds else None
        for index in range(args.rounds):
            if time.monotonic() > until:
                break
            command, number = kinds[index % len(kinds)], random.choice(SIGNALS)
            if command == SCHEDULER and beside is not None:
                end(beside)
            place = Place(commands[command], log, address)
            after = random.uniform(0, 1.1 * takes[command])
            fault = round_of(command, place, number, after, random, expected[command])
            if command == SCHEDULER:
                number = signal.SIGKILL
                beside = cluster(address) if beside is not None else None
            rounds[command, number.name] += 1
            if fault is not None:
                faults[f"{command}, {number.name}: {fault}"] += 1
                print(f"{command}, {number.name}: {fault}", flush=True)
        if beside is not None:
            end(beside)
    for (command, kind), count in sorted(rounds.items()):
        print(f"{command}, {kind}: {count}")
    print(f"{rounds.total()} kills, {faults.total()} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
