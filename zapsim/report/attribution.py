"""From zero outputs to cycles and joules saved: what is lost on the way, by cause.

Three runs of one trace are compared: an oracle, a predictor that is never wrong, the real one. If everything fell as
the MACs do that nobody asks for, a layer of T cycles with a share a of its MACs asked for would take a · T. A part X of
the cycles (or a component of the energy) that takes X before and X' with the predictor loses X' − a · X. Over all parts
these losses sum to what is missing from (1 − a) · T, exactly; so the causes sum to the saving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from zapsim.errors import ZapsimError
from zapsim.results import LayerResult, Outcome, RunResult

Parts = Mapping[str, float]

CYCLE_CAUSES: dict[str, tuple[str, ...]] = {
    "rigid array": ("compute",),
    "imbalance": ("imbalance",),
    "buses": ("ifmap_bus", "psum_bus"),
    "second loads": ("filter_load", "ramp"),
    "predictor": ("predictor",),
    "DRAM": ("dram_read", "dram_write", "buffer"),
}
"""Causes in cycles, and the parts of :class:`zapsim.counts.Cycles` that each stands for.

``rigid array``: MACs that the array cannot leave out, also since it is mapped for two stages. ``second loads``: filters
loaded, arrays filled and drained for two stages."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a cause, and what it adds to the saving, as a share of the baseline (negative: it takes away)."""

    cause: str
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a network's zero outputs on one accelerator.

    `cycles` and `energy` are the steps from all zero outputs to the saving, which is their sum.
    """

    run: RunResult
    cycles: tuple[Step, ...]
    energy: tuple[Step, ...]


def explain(oracle: RunResult, perfect: RunResult, predicted: RunResult) -> Explanation:
    """Return the steps from the zero outputs to the savings of `predicted`.

    Raises
    ------
    ZapsimError
        If the runs are not of one trace, architecture and baseline.
    """
    runs = oracle, perfect, predicted
    if len({(run.provenance["arch_sha256"], run.provenance["trace_sha256"], run.operating_point) for run in runs}) > 1:
        raise ZapsimError("runs of different architectures, traces or operating points cannot be explained together")

    def in_cycles(outcome: Outcome) -> Parts:
        parts = outcome.cycles.as_dict()
        return {cause: sum(parts[part] for part in of) for cause, of in CYCLE_CAUSES.items()}

    def in_energy(outcome: Outcome) -> Parts:
        return outcome.energy_pj

    return Explanation(predicted, tuple(_steps(*runs, in_cycles)), tuple(_steps(*runs, in_energy)))


def _steps(
    oracle: RunResult, perfect: RunResult, predicted: RunResult, parts: Callable[[Outcome], Parts]
) -> Iterator[Step]:
    """Yield the steps: what the masks leave out, then what each part loses of it."""
    layers = list(zip(oracle.layers, perfect.layers, predicted.layers, strict=True))
    before = {one.shape.name: parts(one.comparison.baseline) for one in predicted.layers}
    whole = sum(sum(of_layer.values()) for of_layer in before.values())

    def of_all(share: Callable[[LayerResult, LayerResult, LayerResult], float]) -> float:
        """Return a share of every layer, weighed by what the layer takes before."""
        return sum(share(*layer) * sum(before[layer[2].shape.name].values()) for layer in layers) / whole

    def without(layer: LayerResult) -> bool:
        return layer.setting.startswith("not")

    yield Step("zero outputs", of_all(lambda best, _, __: 1 - _asked(best)))
    yield Step("no predictor", -of_all(lambda best, _, real: (1 - _asked(best)) if without(real) else 0.0))
    yield Step("pattern", -of_all(lambda best, ideal, real: 0.0 if without(real) else _asked(ideal) - _asked(best)))
    yield Step("errors", -of_all(lambda _, ideal, real: 0.0 if without(real) else _asked(real) - _asked(ideal)))
    for part in next(iter(before.values())):
        lost = sum(
            parts(real.comparison.policy)[part] - _asked(real) * before[real.shape.name][part] for *_, real in layers
        )
        yield Step(part, -lost / whole)


def _asked(layer: LayerResult) -> float:
    """Return the share of a layer's MACs that the policy asks for."""
    policy = layer.comparison.policy
    return policy.demanded_macs / policy.counts.macs_dense
