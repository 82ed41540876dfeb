"""``zapsim demo``: the whole chain on a small network, from pictures to a table of cycles and energy."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from zapsim.cli import evaluate, explain, run, trace, train, tune
from zapsim.cli._arguments import Subparsers, add_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPILOG = """\
examples:
  zapsim demo
  zapsim demo --out somewhere --quick

Each step prints the command that it runs, as you would type it in the folder. The network is examples/mynet.py, with
random weights; the pictures are drawn at random, so the figures say nothing about prediction, only how it is measured.
"""

_PICTURES = {"train": 4, "calibrate": 6, "test": 6}
"""Pictures in each folder; quality is measured on six photographs at least."""

_FILES = ("mynet.py", "mynet.zap.safetensors", "points.json", "picture.png", "mynet.safetensors", "result.json",
          "savings.png", "report.html")  # fmt: skip

_NEXT = """\
Everything is in {folder}. What you can do next, there:
  report.html                                                   open it in a browser, or send it
  zapsim run --arch lanes_zap --trace mynet.safetensors         an array made for prediction (all: zapsim archs)
  zapsim inspect mynet:make_model                               put your own layers into mynet.py, and look at them
  zapsim train --network mynet:make_model --weights FILE ...    the same commands with your weights and pictures
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "demo",
        "train, tune, evaluate, trace and simulate a small network, step by step",
        "Go the whole way with a small network: train predictors, choose thresholds, measure what they do, trace, "
        "simulate, and make a page of it.",
        _EPILOG,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("zapsim-demo"), metavar="FOLDER",
        help="folder for all files, which is made (default: zapsim-demo)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="train less, so that the masks are worse")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Make the pictures, then run one command after the other in the folder."""
    from zapsim.errors import check_extra
    from zapsim.shipped import shipped_folder

    check_extra("the demonstration needs", "all", "torch", "PIL", "matplotlib", "jinja2", "plotly")
    _check_folder(args.out)
    start = perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(shipped_folder("examples") / "mynet.py", args.out / "mynet.py")
    _make_pictures(args.out)
    print(f"$ cd {shlex.quote(str(args.out))}    # with mynet.py, and pictures to train, calibrate and test with")
    parser = argparse.ArgumentParser(prog="zapsim")
    commands = parser.add_subparsers()
    for command in (train, tune, evaluate, trace, run, explain):
        command.add_parser(commands)
    steps = list(_steps(args.quick))
    with _inside(args.out):
        for number, (what, command_line) in enumerate(steps, start=1):
            print(f"\n# {number} of {len(steps)}, after {perf_counter() - start:.0f} s: {what}", flush=True)
            print(f"$ zapsim {shlex.join(command_line)}", flush=True)
            parsed = parser.parse_args(command_line)
            parsed.execute(parsed)
    print(f"\nDone in {perf_counter() - start:.0f} s. {_NEXT.format(folder=args.out)}", end="")
    return 0


def _steps(quick: bool) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what each step is for, and its command without ``zapsim``."""
    network = ("--network", "mynet:make_model")
    masks = (*network, "--predictors", "mynet.zap.safetensors")
    effort = ("16", "1") if quick else ("64", "3")
    yield (
        "train a predictor for each layer that can have one; no labels are needed",
        ("train", *network, "--images", "train", "--crops", effort[0], "--epochs", effort[1], "--out", masks[-1]),
    )
    yield (
        "choose a threshold per layer, so that a tenth of the activation may be lost in all",
        ("tune", *masks, "--images", "calibrate", "--error", "0.1", "--out", "points.json"),
    )
    yield (
        "measure on other pictures what is skipped and what that does, beside a predictor that is never wrong",
        ("eval", *masks, "--points", "points.json", "--images", "test"),
    )
    yield (
        "write down for one picture which outputs are computed",
        ("trace", *masks, "--points", "points.json", "--images", "picture.png", "--eval-images", "test", "--out",
         "mynet.safetensors"),
    )  # fmt: skip
    simulate = ("run", "--arch", "eyeriss", "--trace", "mynet.safetensors")
    yield "simulate it on Eyeriss, and draw what is saved", (*simulate, "--plot", "savings.png")
    yield "keep the result for a script", (*simulate, "--out", "result.json")
    yield "make a page to send, with tables, plots and where the savings go", (
        "explain", *simulate[1:], "--report", "report.html",
    )  # fmt: skip


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds other things than an earlier demonstration's."""
    from zapsim.errors import ZapsimError

    if folder.exists() and not folder.is_dir():
        raise ZapsimError(f"{folder}: is a file, expected a folder for the demonstration; choose another with --out")
    ours = {*_FILES, *_PICTURES, "__pycache__"}
    others = sorted(path.name for path in folder.iterdir() if path.name not in ours) if folder.exists() else []
    if others:
        raise ZapsimError(
            f"{folder}: holds other things ({', '.join(others[:3])}{', …' if len(others) > 3 else ''}), which the "
            "demonstration might replace; name a folder that is empty or not there with --out"
        )
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not os.access(place, os.W_OK):
        raise ZapsimError(f"{folder}: cannot be made, {place} may not be written to; name another folder with --out")


def _make_pictures(folder: Path) -> None:
    """Draw all pictures, each from its own seed."""
    import numpy as np
    from PIL import Image

    paths = [folder / "picture.png"]
    for name, count in _PICTURES.items():
        (folder / name).mkdir(exist_ok=True)
        paths += [folder / name / f"{name}{number}.png" for number in range(1, count + 1)]
    for seed, path in enumerate(paths):
        Image.fromarray(_picture(np.random.default_rng(seed))).save(path)


def _picture(random: Any, size: int = 144) -> NDArray[Any]:
    """Draw blotches of all sizes and a dozen discs: uint8 (size, size, 3)."""
    import numpy as np

    rows, columns = np.mgrid[0:size, 0:size] / size
    colours = np.zeros((size, size, 3))
    for cells in (4, 8, 16, 32):  # as in photographs, coarse structure is stronger than fine
        blotches = random.standard_normal((cells, cells, 3)) * 4 / cells
        colours += blotches[(rows * cells).astype(int), (columns * cells).astype(int)]
    for row, column, radius in random.random((12, 3)):
        disc = (rows - row) ** 2 + (columns - column) ** 2 < (0.05 + 0.15 * radius) ** 2
        colours[disc] = random.standard_normal(3) + 0.3 * colours[disc]
    return np.clip(120 + 55 * colours, 0, 255).astype(np.uint8)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
