"""``python -m tests.weather FOLDER``: the command line under every condition of its process, and what became of each.

One process loads zapsim and forks for each condition, since a start costs more than all conditions together.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import zapsim.cli
import zapsim.kernels._jit  # loaded once for all
from zapsim.arch.load import load_arch
from zapsim.cli import archs
from zapsim.files import write_atomically

SEED = ["synthesise", "vgg16", "--out", "x.safetensors", "--seed", "-1"]
TRAIN = ["train", "--network", "m:f", "--images", "i", "--out", "o", "--lr", "1e300"]
EXPLORE = ["explore", "digits", "--out", "designs", "--workers", "99999"]
TABLE = ["archs"]


def condition(
    arguments: list[str],
    *,
    out: str | int | None = None,
    err: str | int | None = None,
    encoding: str = "utf-8",
    prepare: Callable[[], object] = lambda: None,
    signal_number: int | None = None,
) -> dict[str, object]:
    """Run one command in a child; `out` and `err` are ``closed``, ``gone`` (no reader), a path, or None (a pipe)."""
    ends = {1: os.pipe(), 2: os.pipe()}
    pid = os.fork()
    if pid == 0:
        _become(arguments, {1: out, 2: err}, ends, encoding, prepare, signal_number is not None)
    texts = {}
    for number, (read, write) in ends.items():
        os.close(write)
        if signal_number is not None and number == 1:
            os.read(read, 7)  # "working"
            os.kill(pid, signal_number)
    for number, (read, _) in ends.items():
        with os.fdopen(read, "rb") as file:
            texts[number] = file.read().decode(encoding, "backslashreplace")
    _, status = os.waitpid(pid, 0)
    return {"code": os.waitstatus_to_exitcode(status), "out": texts[1], "err": texts[2]}


def _become(
    arguments: list[str],
    streams: dict[int, str | int | None],
    ends: dict[int, tuple[int, int]],
    encoding: str,
    prepare: Callable[[], object],
    works: bool,
) -> None:
    """Be the process of a command, to its end."""
    code = 99
    try:
        for number, (read, write) in ends.items():
            os.dup2(write, number)
            os.close(write)
            os.close(read)
        python_streams = {}
        for number, kind in streams.items():
            if kind == "closed":
                os.close(number)
            elif kind == "gone":
                read, write = os.pipe()
                os.close(read)
                os.dup2(write, number)
                os.close(write)
            elif kind is not None:
                os.dup2(os.open(str(kind), os.O_WRONLY), number)
            # What Python does when it starts: no stream for a descriptor that is closed.
            python_streams[number] = None if kind == "closed" else open(number, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stdout, sys.stderr = python_streams[1], python_streams[2]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
        sys.argv = ["zapsim", *arguments]
        prepare()
        if works:
            archs.execute = _write_until_ended
        code = zapsim.cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):
                code = 120  # as Python ends then
        os._exit(code)


def _write_until_ended(_args: object) -> int:
    """Write files, as a command does that is stopped under work."""
    os.write(1, b"working")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        write_atomically(Path("result.json"), b"x" * 200_000)
    return 0


def _lose_folder() -> None:
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir(Path.cwd())


def main(folder: str) -> None:
    """Try all conditions in a folder; print their outcomes by name as JSON."""
    os.chdir(folder)
    load_arch("eyeriss")
    wrong = ["area", "--arch", "nope"]
    odd = b"caf\xe9.yaml".decode("utf-8", "surrogateescape")
    outcomes = {
        "as ever": condition(TABLE),
        "stdout closed": condition(TABLE, out="closed"),
        "stdout full": condition(TABLE, out="/dev/full"),
        "stdout not read": condition(TABLE, out="gone"),
        "help not read": condition(["--help"], out="gone"),
        "help full": condition(["run", "--help"], out="/dev/full"),
        "stderr closed": condition(TABLE, err="closed"),
        "stderr full": condition(wrong, err="/dev/full"),
        "stderr not read": condition(wrong, err="gone"),
        "both closed": condition(TABLE, out="closed", err="closed"),
        "no folder": condition(TABLE, prepare=_lose_folder),
        "narrow": condition(TABLE, prepare=lambda: os.environ.update(COLUMNS="20")),
        "not UTF-8": condition(["area", "--arch", odd]),
        "not UTF-8, written": condition(["doctor", "--bundle", odd]),
        "long name": condition(["area", "--arch", "x" * 5000]),
        "long name, written": condition(["doctor", "--bundle", "x" * 300]),
        "control characters": condition(["area", "--arch", "a\nb"]),
        "seed": condition(SEED),
        "rate": condition(TRAIN),
        "workers": condition(EXPLORE),
        "channel": condition(["plot", "masks", "digits_cnn", "--channel", "-1", "--out", "m.png"]),
        "cycles": condition(["plot", "timeline", "digits_cnn", "--cycles", "-5", "1e99", "--out", "m.png"]),
        "interrupted": condition(TABLE, signal_number=signal.SIGINT),
        "terminated": condition(TABLE, signal_number=signal.SIGTERM),
    }
    for encoding in ("ascii", "latin-1", "cp1252"):
        outcomes[encoding] = condition(["area", "--arch", "eyeriss"], encoding=encoding)
    outcomes["files"] = sorted(os.listdir(os.fsencode(folder)), key=str)  # type: ignore[assignment]
    outcomes["files"] = [os.fsdecode(name).encode("ascii", "backslashreplace").decode() for name in outcomes["files"]]  # type: ignore[assignment]
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1])
