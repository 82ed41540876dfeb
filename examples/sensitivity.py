"""How far "ZAP saves X" moves when uncertain parameters and design choices move, one by one and in pairs.

    python examples/sensitivity.py
    python examples/sensitivity.py --out docs/results
    python examples/sensitivity.py --trace traces/digits_cnn.safetensors --quick

Prints Markdown; with --out, writes sensitivity.md, sensitivity.csv, sensitivity-pairs.csv and a tornado plot,
sensitivity.svg, to a folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensitivity_study.page import markdown, pair_table, table, tornado
from sensitivity_study.study import CASES, study

import zapsim
from zapsim.files import write_atomically
from zapsim.report.style import check_plot

TRACES = Path(__file__).parents[1] / "traces"


def main() -> None:
    """Run the study, and print or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "vgg16_hed_chelsea_1_3.safetensors")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write page, tables and plot there")
    parser.add_argument("--quick", action="store_true", help="the first accelerator and three parameters only")
    args = parser.parse_args()
    trace = zapsim.Trace(args.trace)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        check_plot(args.out / "sensitivity.svg")
    accelerators, limit = (CASES[:1], 3) if args.quick else (CASES, None)
    cases = [study(trace, name, mapping, changes, limit) for name, mapping, changes in accelerators]
    if args.out is None:
        sys.stdout.write(markdown(cases, trace, plot=False))
        return
    write_atomically(args.out / "sensitivity.md", markdown(cases, trace, plot=True))
    write_atomically(args.out / "sensitivity.csv", table(cases))
    write_atomically(args.out / "sensitivity-pairs.csv", pair_table(cases))
    tornado(cases, args.out / "sensitivity.svg")


if __name__ == "__main__":
    main()
