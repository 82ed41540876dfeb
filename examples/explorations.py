"""Explore the two example spaces, and show the best designs: which array, and what accuracy buys.

    python examples/explorations.py
    python examples/explorations.py --work build --out docs/results
    python examples/explorations.py --quick

Prints Markdown; with --out, writes exploration-tables.md, and the front of each space as CSV and as a plot.
Explorations lie in --work, and continue there if they were stopped.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from zapsim.exploration.driver import RunOptions, run_space
from zapsim.exploration.load import load_space
from zapsim.exploration.pareto import Front, Row, load_front
from zapsim.exploration.progress import ProgressBar
from zapsim.exploration.space import Space
from zapsim.exploration.space_file import Budget
from zapsim.files import write_atomically
from zapsim.plotting import drawn_front
from zapsim.report.figures.pareto import draw_pareto
from zapsim.report.pareto import cell, front_csv
from zapsim.report.style import Layout, save_figure

HERE = Path(__file__).parent
VGG16, FASHION = HERE / "eyeriss_vgg16.yaml", HERE / "codesign_fashion.yaml"
QUICK_POINTS = 40
DROPS = (0.0, 0.1, 0.3, 0.5, 1.0)
"""Percentage points of accuracy that may be lost at most."""

SMALL, AREAS = 10, (2.5, 5, 10, 20, 40)
"""mm² that designs may take at most."""

SHOWN = ("latency_ms", "energy_mj", "edp_mj_ms", "area_mm2")


def main() -> None:
    """Explore, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder of the explorations (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="folder for tables and plots")
    parser.add_argument("--workers", type=int, help="processes (default: as many as there are cores)")
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK_POINTS} random designs of each space")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        arrays = explored(VGG16, work, args.workers, args.quick)
        codesign = explored(FASHION, work, args.workers, args.quick)
    text = "\n".join([*array_tables(arrays), *codesign_tables(codesign)])
    if args.out is None:
        print(text)
        return
    write_atomically(args.out / "exploration-tables.md", text + "\n", parents=True)
    for path, front in ((VGG16, arrays), (FASHION, codesign)):
        write_atomically(args.out / f"exploration-{path.stem}.csv", front_csv(front.best, front.notes))
        figure = draw_pareto([drawn_front(front)], Layout("page"))
        save_figure(figure, args.out / f"exploration-{path.stem}.png")


def explored(path: Path, work: Path, workers: int | None, quick: bool) -> Front:
    """Explore a space file, or continue, and return its front."""
    space = load_space(path)
    if quick:
        space = fewer(space)
    folder = work / (path.stem + ("_quick" if quick else ""))
    with ProgressBar(space) as watcher:
        run_space(space, folder, RunOptions(workers=workers), watcher)
    return load_front(folder)


def fewer(space: Space) -> Space:
    """Return the space with a small budget of random designs."""
    section = space.strategy.model_copy(update={"name": "random"})
    identity = {**space.identity, "strategy": section.model_dump()}
    return replace(space, strategy=section, identity=identity, budget=Budget(points=QUICK_POINTS))


def array_tables(front: Front) -> Iterator[str]:
    """Yield the tables of the best designs of each kind of array, with and without prediction."""
    yield from heading(front)
    yield f"Within {SMALL} mm², what each policy reaches with the best design for it:\n"
    bests = [
        (arch, policy, [least(front.rows, name, partial(fits, arch, SMALL, policy)) for name in SHOWN[:3]])
        for arch in kinds(front)
        for policy in sorted({row["policy"] for row in front.rows})
    ]
    yield from table(
        ["array", "policy", "least latency_ms", "least energy_mj", "least edp_mj_ms"],
        [
            [arch, policy, *(cell(row[name]) for rows, name in zip(best, SHOWN, strict=False) for row in rows)]
            for arch, policy, best in bests
            if best[0]
        ],
    )
    yield "Least EDP of each kind of array, by the area that it may take:\n"
    yield from table(
        ["array", "area at most", "design", "policy", *SHOWN],
        unlike_the_last(
            [arch, f"{area} mm²", choices(row, front), row["policy"], *(cell(row[name]) for name in SHOWN)]
            for arch in kinds(front)
            for area in AREAS
            for row in least(front.rows, "edp_mj_ms", partial(fits, arch, area, None))
        ),
    )


def codesign_tables(front: Front) -> Iterator[str]:
    """Yield the tables of what accuracy buys."""
    yield from heading(front)
    for column, what in (("energy_mj", "Least energy"), ("edp_mj_ms", "Least EDP")):
        yield f"{what} without a predictor, and for at most so many percentage points of top-1 accuracy lost:\n"
        wanted = [("no predictor", 0.0, "gate-input"), *((f"{drop} points", drop, None) for drop in DROPS)]
        yield from table(
            ["array", "accuracy lost at most", "pattern, thresholds", "policy", "design", "accuracy lost", *SHOWN],
            unlike_the_last(
                [
                    arch, words, operating_point(row), row["policy"], choices(row, front),
                    cell(row["accuracy_drop"]), *(cell(row[name]) for name in SHOWN),
                ]
                for arch in kinds(front)
                for words, drop, policy in wanted
                for row in least(front.rows, column, partial(keeps, arch, drop, policy))
            ),
        )  # fmt: skip


def heading(front: Front) -> Iterator[str]:
    """Yield the heading of a part."""
    yield f"## {front.name}\n"
    yield f"{len(front.rows):,} designs within the constraints, {len(front.best):,} of them on the front.\n"


def unlike_the_last(rows: Iterable[list[str]]) -> list[list[str]]:
    """Drop rows that repeat the row before for a larger limit."""
    kept: list[list[str]] = []
    for row in rows:
        if not kept or (row[0], row[2:]) != (kept[-1][0], kept[-1][2:]):
            kept.append(row)
    return kept


def kinds(front: Front) -> list[str]:
    """Return the architectures of a front."""
    return sorted({row["arch"] for row in front.rows})


def fits(arch: str, area: float, policy: str | None, row: Row) -> bool:
    """Tell whether a design is of this architecture (and policy) and not larger."""
    return row["arch"] == arch and row["area_mm2"] <= area and policy in {None, row["policy"]}


def keeps(arch: str, drop: float, policy: str | None, row: Row) -> bool:
    """Tell whether a design is of this architecture (and policy) and loses no more."""
    return row["arch"] == arch and row["accuracy_drop"] <= drop and policy in {None, row["policy"]}


def least(rows: Sequence[Row], column: str, eligible: Callable[[Row], bool]) -> list[Row]:
    """Return the eligible design with the least value in a column, if there is any."""
    return sorted((row for row in rows if eligible(row)), key=lambda row: row[column])[:1]


def operating_point(row: Row) -> str:
    """Return pattern and thresholds; a dash if there is no predictor."""
    if not row["policy"].startswith("zap"):
        return "–"
    return f"{row['trace'].removeprefix('vgg8_fashion_').replace('_', '/')}, {row['point']}"


def choices(row: Row, front: Front) -> str:
    """Return the parameters of a design in a few words."""
    words = {
        "array.dataflow": str, "array.rows": "{} rows".format, "array.cols": "{} columns".format,
        "array.pes": "{} PEs".format, "array.lanes": "{} lanes".format,
        "buffers.glb.size": lambda size: f"{size // 1024} KiB", "dram.preset": str,
        "predictor.lanes": "predictor {}".format, "predictor.granularity": "by {}".format,
    }  # fmt: skip
    return ", ".join(words[name](row[name]) for name in words if name in front.choices and row[name] is not None)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


if __name__ == "__main__":
    main()
