"""Whether time is proportional to the work: images, layers, designs, tiles; a straight line through medians.

Each size asserts numbers that are proportional by themselves: MACs, outcomes of repeated layers, designs, tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Expected, Row, Task, equal_to, medians, straight_line
from benchmarks.points import layers
from tests.builders import conv, random_layer
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.arrays.engines import ENGINES
from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.evaluated import EvaluatedDesign
from zapsim.exploration.load import load_space
from zapsim.exploration.space import Space
from zapsim.simulation import run_layer, simulate
from zapsim.timing.layer import time_layer
from zapsim.tracefile.reader import Trace

ROOT = Path(__file__).parents[1]
FACTORS = (1, 2, 4, 8)


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Fit a line for each kind of size."""
    rounds = 3 if quick else 9
    makers: dict[str, Callable[[Expected], dict[int, Task]]] = {
        "image": images,
        "layer": repeated_layers,
        "design": designs,
        "tile": tiles,
    }
    measured = []
    for what, make in makers.items():
        tasks = make(expected)
        taken = medians(list(tasks.values()), rounds)
        line = straight_line({size: taken[task.name] for size, task in tasks.items()})
        sizes = ", ".join(f"{size:,}" for size in tasks)
        unit, scale = ("µs", 1000) if what == "tile" else ("ms", 1)
        beside = f"{sizes} of them: {line.text}"
        measured.append(Row("time by size", f"each {what}", line.slope * scale, unit, beside, rounds))
    return measured


def images(expected: Expected) -> dict[int, Task]:
    """Simulate more and more pictures of digits on Eyeriss, both policies, from a trace that each run reads again."""
    path, spec = ROOT / "traces" / "digits_cnn.safetensors", load_arch("eyeriss")
    tasks = {}
    for size in (8, 16, 32, 64):
        chosen = [index % 4 for index in range(size)]
        result = simulate(spec, path, "zap", images=chosen)
        macs = sum(layer.comparison.policy.counts.macs_dense for layer in result.layers)
        assert macs == size * sum(layer.shape.macs for layer in result.layers)
        outcomes = [layer.comparison.policy for layer in result.layers]
        expected.check(f"{size} digits on eyeriss", [[outcome.cycles.total for outcome in outcomes], macs])
        tasks[size] = Task(f"{size} images", partial(_simulate, spec, path, chosen), equal_to(outcomes))
    return tasks


def _simulate(spec: Any, path: Path, chosen: Sequence[int], _prepared: None) -> list[Any]:
    return [layer.comparison.policy for layer in simulate(spec, Trace(path), "zap", images=chosen).layers]


def repeated_layers(_expected: Expected) -> dict[int, Task]:
    """Run the layers of VGG-16 once, twice, four and eight times on the TPU."""
    spec = load_arch("tpu_128x128")
    policy = preset("zap", spec.inputs)
    once = [run_layer(spec, layer, policy) for layer in layers()]

    def run(factor: int, _prepared: None) -> list[Any]:
        return [run_layer(spec, layer, policy) for _ in range(factor) for layer in layers()]

    return {
        factor * len(once): Task(f"{factor * len(once)} layers", partial(run, factor), equal_to(once * factor))
        for factor in FACTORS
    }


def designs(expected: Expected) -> dict[int, Task]:
    """Evaluate designs of digits in the grid's order, by an evaluator that remembers nothing yet."""
    space = load_space(ROOT / "benchmarks" / "spaces" / "codesign_digits.yaml")
    space = replace(space, images=(0,))
    numbers = [space.lattice.number(design) for design in islice(space.lattice.walk(), 96)]
    costs = _evaluate(space, numbers, None)
    expected.check("96 designs of digits", costs)
    return {
        size: Task(f"{size} designs", partial(_evaluate, space, numbers[:size]), equal_to(costs[:size]))
        for size in (12, 24, 48, 96)
    }


def _evaluate(space: Space, numbers: Sequence[int], _prepared: None) -> list[tuple[float, ...]]:
    evaluator, costs = Evaluator(space), []
    for start in range(0, len(numbers), 12):
        costs += [one.costs for one in evaluator(numbers[start : start + 12]) if isinstance(one, EvaluatedDesign)]
    assert len(costs) == len(numbers)
    return costs


def tiles(expected: Expected) -> dict[int, Task]:
    """Time one layer of more and more filters on a 16×16 array, which splits it in proportionally many folds."""
    spec = load_arch("systolic_16x16", ["array.blocking=none"])
    policy = preset("zap", spec.inputs)
    engine = ENGINES[spec.array.dataflow]
    tasks = {}
    for factor in (3, 6, 12, 24):
        layer = random_layer(np.random.default_rng(0), conv(C=64, K=64 * factor, H=14, W=14), correlated=True)
        timing = time_layer(engine, spec, layer, policy)
        size = len(timing.timeline.schedule.cycles)
        expected.check(f"a layer of {64 * factor} filters", [timing.cycles.total, size, timing.demanded_macs])
        tasks[size] = Task(f"{size} tiles", partial(_time, engine, spec, layer, policy), equal_to(timing))
    return tasks


def _time(engine: Any, spec: Any, layer: Any, policy: Any, _prepared: None) -> Any:
    return time_layer(engine, spec, layer, policy)
