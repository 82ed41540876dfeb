"""The two figures of README: what prediction saves layer by layer on two arrays, and where the rest is lost.

python examples/figures.py --out docs/images
python examples/figures.py --quick
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import zapsim
from zapsim.report.attribution import explain

ARRAYS = ("eyeriss", "lanes_256")


def main(arguments: list[str] | None = None) -> None:
    """Run a trace on the arrays, and draw both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where they go (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="digits instead of VGG-16: shows that it runs")
    args = parser.parse_args(arguments)
    folder = args.out or Path(tempfile.mkdtemp(prefix="zapsim-"))
    folder.mkdir(parents=True, exist_ok=True)
    trace = "digits_cnn" if args.quick else "vgg16_hed_chelsea_1_3"
    runs = {
        arch: [zapsim.simulate(arch, trace, policy) for policy in ("oracle", "zap-perfect", "zap")] for arch in ARRAYS
    }
    zapsim.plot("savings", *(predicted for *_, predicted in runs.values()), out=folder / "savings.png", width="page")
    explanations = [explain(*three) for three in runs.values()]
    zapsim.plot("waterfall", *explanations, out=folder / "waterfall.png", width="page")
    print(f"wrote {folder / 'savings.png'} and {folder / 'waterfall.png'}")


if __name__ == "__main__":
    main()
