"""Where the savings go: from zero outputs to cycles and joules saved, on several arrays, by cause.

    python examples/where_the_savings_go.py --out docs/results
    python examples/where_the_savings_go.py --traces traces/digits_cnn.safetensors --quick
    python examples/where_the_savings_go.py --redraw docs/results/where-the-savings-go.csv --out docs/results

Writes tables (Markdown), a CSV with all steps, and one waterfall per trace. The arrays are the shipped ones, with the
changes that their names say.
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import zapsim
from zapsim.files import write_atomically
from zapsim.report.attribution import Explanation, Step, explain
from zapsim.report.explanation import MEANINGS
from zapsim.report.figures.waterfall import Waterfall, draw_waterfall
from zapsim.report.style import Layout, save_figure

TRACES = Path(__file__).parents[1] / "traces"
BUNDLED = ("vgg16_hed_chelsea_1_3", "efficientnet_lite0_chelsea")
ARRAYS = (  # what it is called here, name of the file, changes to it
    ("eyeriss", "eyeriss", ()),
    ("eyeriss, by tile", "eyeriss", ("predictor.granularity=tile",)),
    ("eyeriss, filters sorted", "eyeriss", ("array.balance=filter-sort",)),
    ("16×16 weight-stationary", "systolic_16x16", ()),
    ("16×16 output-stationary", "systolic_16x16", ("array.dataflow=output-stationary",)),
    ("16×16 input-stationary", "systolic_16x16", ("array.dataflow=input-stationary",)),
    ("128×128 weight-stationary", "tpu_128x128", ()),
    ("128×128 output-stationary", "tpu_128x128", ("array.dataflow=output-stationary",)),
    ("128×128 input-stationary", "tpu_128x128", ("array.dataflow=input-stationary",)),
    ("256 lanes", "lanes_256", ()),
    ("256 lanes, 32 predictor lanes", "lanes_256", ("predictor.lanes=32",)),
)
DRAWN = ("eyeriss", "16×16 input-stationary", "128×128 weight-stationary", "256 lanes")


def main(arguments: list[str] | None = None) -> None:
    """Explain every array on every trace, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, nargs="+", help="default: the bundled photographs")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: a temporary folder)")
    parser.add_argument("--redraw", type=Path, metavar="CSV", help="draw the figures again from the steps of a CSV")
    parser.add_argument("--quick", action="store_true", help="two arrays and the digits: shows that it runs")
    args = parser.parse_args(arguments)
    bundled = [path for name in BUNDLED if (path := TRACES / f"{name}.safetensors").exists()]
    paths = args.traces or ([TRACES / "digits_cnn.safetensors"] if args.quick else bundled)
    folder = args.out or Path(tempfile.mkdtemp(prefix="zapsim-"))
    folder.mkdir(parents=True, exist_ok=True)
    if args.redraw is not None:
        redraw(args.redraw, folder)
        return
    parts, rows = [], []
    for path in paths:
        explanations = {
            name: explained(zapsim.Trace(path), arch, changes)
            for name, arch, changes in ARRAYS[:: 9 if args.quick else 1]
        }
        parts.append(section(explanations, f"where-the-savings-go-{path.stem}.png"))
        rows += [
            (path.stem, array, what, step.cause, step.share)
            for array, explanation in explanations.items()
            for what, steps in (("cycles", explanation.cycles), ("energy", explanation.energy))
            for step in steps
        ]
        drawn = [replace(Waterfall.of(explanations[name]), arch=name) for name in DRAWN if name in explanations]
        save_figure(draw_waterfall(drawn, Layout("page")), folder / f"where-the-savings-go-{path.stem}.png")
    write_atomically(folder / "where-the-savings-go.csv", csv_text(rows))
    tables = "\n".join(parts)
    write_atomically(folder / "where-the-savings-go-tables.md", tables)
    print(tables)
    print(f"wrote {folder}")


def redraw(path: Path, folder: Path) -> None:
    """Draw the waterfalls of a CSV that this script wrote; nothing is simulated."""
    steps: dict[str, dict[str, dict[str, list[Step]]]] = {}
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    for row in csv.DictReader(lines):
        arrays = steps.setdefault(row["trace"], {})
        both = arrays.setdefault(row["array"], {"cycles": [], "energy": []})
        both[row["of"]].append(Step(row["cause"], float(row["share"])))
    for trace, arrays in steps.items():
        drawn = [
            Waterfall(name, "", tuple(arrays[name]["cycles"]), tuple(arrays[name]["energy"]))
            for name in DRAWN
            if name in arrays
        ]
        save_figure(draw_waterfall(drawn, Layout("page")), folder / f"where-the-savings-go-{trace}.png")
        print(f"wrote {folder / f'where-the-savings-go-{trace}.png'}")


def explained(trace: zapsim.Trace, name: str, changes: tuple[str, ...]) -> Explanation:
    """Explain what becomes of the trace's zeros on one array."""
    arch = zapsim.load_arch(name, changes)
    return explain(*(zapsim.simulate(arch, trace, policy) for policy in ("oracle", "zap-perfect", "zap")))


def section(explanations: dict[str, Explanation], plot: str) -> str:
    """Write the tables of one trace."""
    run = next(iter(explanations.values())).run
    text = [f"## {run.network}, {', '.join(run.images)}", "", run.headline.split(f" · {run.arch}")[0] + ".", ""]
    text += ["### Cycles", "", table(explanations, lambda explanation: explanation.cycles)]
    text += [
        "### Energy",
        "",
        table(explanations, lambda explanation: explanation.energy),
        f"![waterfalls]({plot})",
        "",
    ]
    return "\n".join(text)


def table(explanations: dict[str, Explanation], steps: Callable[[Explanation], tuple[Step, ...]]) -> str:
    """Write one row per array and one column per step, in percentage points of the array's own baseline."""
    causes = list(dict.fromkeys(step.cause for explanation in explanations.values() for step in steps(explanation)))
    lines = ["| array | " + " | ".join(causes) + " | **saved** |", "|---|" + "---:|" * (len(causes) + 1)]
    for array, explanation in explanations.items():
        shares = {step.cause: step.share for step in steps(explanation)}
        cells = [f"{100 * shares[cause]:+.1f}" for cause in causes]
        lines.append(f"| {array} | " + " | ".join(cells) + f" | **{100 * sum(shares.values()):+.1f}** |")
    return "\n".join(lines) + "\n"


def csv_text(rows: list[tuple[str, str, str, str, float]]) -> str:
    """Write all steps as CSV."""
    text = io.StringIO()
    for cause, meaning in MEANINGS.items():
        text.write(f"# {cause}: {meaning}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trace", "array", "of", "cause", "share"])
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    main()
