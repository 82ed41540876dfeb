r"""Cut-out photographs on parts of other photographs: pictures of many things, from few pictures, to learn from.

    dpkg -x tuxpaint-stamps-default_*.deb stamps
    python examples/experiments/collages.py --cut-outs stamps/usr/share/tuxpaint/stamps --backgrounds photos/ \
        --out collages/

Predictors of a channel learn only where the channel is active. In the last layers of an ImageNet classifier most
channels wait for a kind of thing, and a dozen landscapes hold few kinds. The same seed gives the same pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

SIDE = 512
SMALLEST = 100
"""Pixels of a cut-out's shorter side."""
DRAWN = ("cartoon", "symbols")
"""Folders of drawings."""


def main(arguments: list[str] | None = None) -> None:
    """Write the collages."""
    args = _arguments(arguments)
    cut_outs = [path for path in sorted(args.cut_outs.rglob("*.png")) if _usable(path)]
    backgrounds = [Image.open(path).convert("RGB") for path in sorted(args.backgrounds.iterdir())]
    if not cut_outs or not backgrounds:
        raise SystemExit(f"no cut-outs in {args.cut_outs}, or no pictures in {args.backgrounds}")
    random = np.random.default_rng(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.count):
        picture = _part(backgrounds[random.integers(len(backgrounds))], random)
        for index in random.choice(len(cut_outs), size=5):
            _paste(picture, Image.open(cut_outs[index]), random)
        picture.save(args.out / f"{number:03}.png")
    print(f"{args.count} collages of {len(cut_outs)} cut-outs on {len(backgrounds)} backgrounds in {args.out}")


def _usable(path: Path) -> bool:
    if any(folder in path.parts for folder in DRAWN):
        return False
    with Image.open(path) as picture:
        return picture.mode == "RGBA" and min(picture.size) >= SMALLEST


def _part(picture: Image.Image, random: Generator) -> Image.Image:
    """Return a random square of a picture, at least 300 pixels wide if it has them."""
    most = min(picture.size)
    side = int(random.integers(min(most, 300), most + 1))
    left, top = (int(random.integers(0, size - side + 1)) for size in picture.size)
    return picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))


def _paste(picture: Image.Image, cut_out: Image.Image, random: Generator) -> None:
    """Put a cut-out, 150 to 400 pixels long, somewhere on the picture, at most 60 pixels of it outside."""
    scale = random.uniform(150, 400) / max(cut_out.size)
    width, height = (max(1, round(size * scale)) for size in cut_out.size)
    place = tuple(int(random.integers(-60, SIDE - length + 61)) for length in (width, height))
    scaled = cut_out.resize((width, height))
    picture.paste(scaled, (place[0], place[1]), scaled)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cut-outs", type=Path, required=True, metavar="DIR", help="PNG files with transparency")
    parser.add_argument("--backgrounds", type=Path, required=True, metavar="DIR", help="photographs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=150, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
