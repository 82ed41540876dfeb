"""All benchmarks as one table in processor time: ``make bench``, or ``make bench QUICK=1`` in a minute or two.

python -m benchmarks [--quick] [--only points masks …] [--json FILE] [--page docs/performance.md]

Every benchmark checks what it times; one whose results differ from those on file (benchmarks/expected.json) fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Expected, Row
from benchmarks.page import update

GROUPS = (
    "points",
    "masks",
    "mappings",
    "scaling",
    "start",
    "explore_vgg16",
    "search_against_grid",
    "cluster",
    "scalesim",
)
"""The modules, each with a function ``rows``."""


def machine() -> dict[str, str]:
    """Say what the figures were measured on."""
    names = [line.split(":")[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return {
        "processor": f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores",
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "zapsim": version("zapsim"),
    }


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmarks, print the table, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller inputs")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="replace table and plot of a page")
    parser.add_argument("--overwrite", action="store_true", help="put the digests of the results on file")
    args = parser.parse_args(arguments)
    expected, on = Expected(args.overwrite), machine()
    print(", ".join(f"{name} {text}" for name, text in on.items()), flush=True)
    measured: list[Row] = []
    for group in args.only:
        rows: Callable[[Expected, bool], list[Row]] = import_module(f"benchmarks.{group}").rows
        start = time.process_time()
        of_group = rows(expected, args.quick)
        measured += of_group
        _show(of_group, time.process_time() - start)
        if args.json:  # after every group: the next ones may take long
            _write(args.json, {"machine": on, "quick": args.quick, "rows": [asdict(row) for row in measured]})
        if args.page:
            update(args.page, measured, on)


def _write(file: Path, record: object) -> None:
    """Write a record as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _show(rows: list[Row], seconds: float) -> None:
    """Print the rows of a group."""
    for number, row in enumerate(rows):
        if not number or row.group != rows[number - 1].group:
            print(f"\n{row.group}")
        print(f"  {row.name:42} {row.text:>16}  {row.beside}")
    print(f"  ({seconds:.0f} s of processor time in this process)", flush=True)


if __name__ == "__main__":
    main()
