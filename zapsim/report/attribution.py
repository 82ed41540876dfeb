"""Attribution of what is lost between zero outputs and savings to its causes.

Three runs of one trace are compared: an oracle, a predictor that is never wrong, and the real one. If everything fell
with the demanded MACs, a layer of T cycles whose mask demands a share a of its MACs would take a · T. A part X of the
cycles (or a component of the energy) that becomes X' with the predictor loses X' − a · X. Summed over all parts, these
losses are exactly what is missing from (1 − a) · T; so the causes sum to the saving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from zapsim.comparison import Outcome
from zapsim.errors import ZapsimError
from zapsim.results import LayerResult, RunResult

Parts = Mapping[str, float]

CYCLE_CAUSES: dict[str, tuple[str, ...]] = {
    "rigid array": ("compute",),
    "imbalance": ("imbalance",),
    "buses": ("ifmap_bus", "psum_bus"),
    "second loads": ("filter_load", "ramp"),
    "predictor": ("predictor",),
    "DRAM": ("dram_read", "dram_write", "buffer"),
}
"""Causes of lost cycles, and the parts of :class:`zapsim.counts.Cycles` that each comprises.

``rigid array``: MACs that the array cannot skip, also because it is mapped for two stages. ``second loads``: filters
are loaded, and the array filled and drained, for two stages."""


@dataclass(frozen=True, slots=True)
class Step:
    """A cause, and what it adds to the saving as a share of the baseline (negative: a loss)."""

    cause: str
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What zero outputs of a network save on one accelerator, step by step.

    `cycles` and `energy` lead from all zero outputs to the saving, which is their sum.
    """

    run: RunResult
    cycles: tuple[Step, ...]
    energy: tuple[Step, ...]


def explain(oracle: RunResult, perfect: RunResult, predicted: RunResult) -> Explanation:
    """Attribute the difference between zero outputs and the savings of `predicted` to its causes.

    Raises
    ------
    ZapsimError
        If the runs are not of one trace, architecture and baseline.
    """
    runs = oracle, perfect, predicted
    if len({(run.provenance["arch_sha256"], run.provenance["trace_sha256"], run.operating_point) for run in runs}) > 1:
        raise ZapsimError("runs of different architectures, traces or operating points cannot be compared")

    return Explanation(predicted, tuple(_steps(*runs, _in_cycles)), tuple(_steps(*runs, _in_energy)))


def cycle_losses(run: RunResult) -> tuple[Step, ...]:
    """Attribute what is lost between the MACs that the masks leave out and the cycles saved, from the run alone.

    The steps sum to the cycles saved, less what would be saved if every layer's cycles fell as its demanded MACs.
    """
    return tuple(_losses(run, _in_cycles))


def energy_losses(run: RunResult) -> tuple[Step, ...]:
    """Attribute what is lost between the MACs that the masks leave out and the energy saved, by component."""
    return tuple(_losses(run, _in_energy))


def _in_cycles(outcome: Outcome) -> Parts:
    parts = outcome.cycles.as_dict()
    return {cause: sum(parts[part] for part in members) for cause, members in CYCLE_CAUSES.items()}


def _in_energy(outcome: Outcome) -> Parts:
    return outcome.energy_pj


def _steps(
    oracle: RunResult, perfect: RunResult, predicted: RunResult, parts: Callable[[Outcome], Parts]
) -> Iterator[Step]:
    """Yield what the masks leave out, then what each part of the cycles or the energy loses of it."""
    layers = list(zip(oracle.layers, perfect.layers, predicted.layers, strict=True))
    before = {one.shape.name: parts(one.comparison.baseline) for one in predicted.layers}
    whole = math.fsum(math.fsum(layer_parts.values()) for layer_parts in before.values())

    def weighted(share: Callable[[LayerResult, LayerResult, LayerResult], float]) -> float:
        """Average a share over the layers, weighted by what each takes in the baseline."""
        return math.fsum(share(*layer) * math.fsum(before[layer[2].shape.name].values()) for layer in layers) / whole

    def unpredicted(layer: LayerResult) -> bool:
        return not layer.is_predicted

    yield Step("zero outputs", weighted(lambda best, _, __: 1 - _demanded(best)))
    yield Step("no predictor", -weighted(lambda best, _, real: (1 - _demanded(best)) if unpredicted(real) else 0.0))
    yield Step(
        "pattern", -weighted(lambda best, ideal, real: 0.0 if unpredicted(real) else _demanded(ideal) - _demanded(best))
    )
    yield Step(
        "errors", -weighted(lambda _, ideal, real: 0.0 if unpredicted(real) else _demanded(real) - _demanded(ideal))
    )
    yield from _losses(predicted, parts)


def _losses(run: RunResult, parts: Callable[[Outcome], Parts]) -> Iterator[Step]:
    """Yield what each part of the cycles or the energy loses of what the masks leave out."""
    layers = [
        (_demanded(layer), parts(layer.comparison.baseline), parts(layer.comparison.policy)) for layer in run.layers
    ]
    whole = math.fsum(math.fsum(before.values()) for _, before, _ in layers)
    for part in layers[0][1]:
        lost = math.fsum(after[part] - demanded * before[part] for demanded, before, after in layers)
        yield Step(part, -lost / whole if whole else 0.0)


def _demanded(layer: LayerResult) -> float:
    """Return the share of a layer's MACs that the mask demands."""
    policy = layer.comparison.policy
    return policy.demanded_macs / policy.counts.macs_dense
