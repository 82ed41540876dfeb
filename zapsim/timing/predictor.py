"""The predictor in hardware: its actions, and what it takes of each resource (stage Z).

ZAP, per channel, on the post-ReLU outputs of the pattern: depthwise 3×3, ReLU, depthwise 3×3, compare with the
threshold (Shomron et al., ECCV 2020; batch normalisation folds into weights and biases). The first convolution is
needed at every position, because the second one sees it through a 3×3 window; the second only outside the pattern. Its
inputs are zero outside the pattern, so the first convolution multiplies only the taps that lie on the pattern. With a
share s of the outputs in the pattern, an output thus takes 9 · s + 9 · (1 − s) = 9 MACs, whatever the pattern.

Other methods do other work (:class:`~zapsim.tracefile.predictor_work.PredictorWork`, which the trace holds). The unit
is the architecture's: it does a MAC or an addition in a lane and cycle, and an addition takes the energy of a compare,
which subtracts. What its MACs take is settled by ``predictor.arithmetic``, not by the method of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from zapsim.arch.predictor_section import PredictorUnit
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, Engine, Mapping
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.predictor_work import ZAP_WORK, Kernel, PredictorWork
from zapsim.workload import ConvShape

KERNEL_MACS = 9
"""MACs of one depthwise 3×3 kernel, without any zero tap."""


SCORE_BITS = 8
"""Bits of a score that is kept until its lane's quota is known."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the predictor takes of the timeline and of DRAM.

    Attributes
    ----------
    unit_cycles
        Cycles of a dedicated unit between the stages, without its latency.
    array_cycles
        Cycles of the predictor on the array.
    concurrent_cycles
        Cycles of a dedicated unit that works alongside the only stage of gated outputs: nothing waits for a mask bit
        that is used at once, but the layer lasts at least as long.
    weight_words
        Words of its weights that DRAM brings; of a mask that was made elsewhere, the mask's.
    weights_hidden
        Whether they come while the channel has nothing else to do.
    spilled_words
        Words of mask bits that do not fit on chip and that DRAM keeps until stage B.
    reread_words
        Words of the pattern's outputs that DRAM gives back to the array for the predictor.
    by_tile
        Whether the stages alternate block by block.
    """

    unit_cycles: int = 0
    array_cycles: int = 0
    concurrent_cycles: int = 0
    weight_words: int = 0
    weights_hidden: bool = False
    spilled_words: int = 0
    reread_words: int = 0
    by_tile: bool = False

    @property
    def dram_reads(self) -> int:
        """Words that DRAM brings for the predictor."""
        return self.weight_words + self.spilled_words + self.reread_words


@dataclass(frozen=True, slots=True)
class PredictorResult:
    """What stage Z costs: its actions (without DRAM), its busy cycles (latency included), its part of the timeline."""

    counts: Counts = field(default_factory=Counts)
    busy_cycles: int = 0
    prediction: Prediction = field(default_factory=Prediction)


NO_PREDICTION: Final = PredictorResult()
"""Nothing is predicted, or it is free."""


def predictor_counts(
    shape: ConvShape,
    pattern_outputs: int,
    *,
    work: PredictorWork = ZAP_WORK,
    weights_per_word: int = 1,
    read_once: bool = True,
    unit: DecisionUnit | None = None,
) -> Counts:
    """Count the predictor's actions for one layer; ``predictor_compares`` holds additions that belong to no MAC, too.

    Parameters
    ----------
    shape
        The predicted layer.
    pattern_outputs
        How many of its outputs the pattern computes first; each is read from the GLB once.
    work
        What the predictor does.
    weights_per_word
        Weights of the predictor that share a word.
    read_once
        Whether the array reads every bit of the mask once; else it counts what it reads itself.
    unit
        What is decided on together; None: single outputs. Each output of a unit takes one more addition, which costs
        what a compare does; a unit takes one compare and one bit of the mask. For a quota, the scores of all outputs
        are kept in the place of bits.
    """
    outside = shape.outputs - pattern_outputs
    decisions, bits, additions = outside, 1, 0
    if unit is not None:
        decisions, additions = unit.decisions(shape, pattern_outputs), outside
        bits = 1 if unit.quota is None else SCORE_BITS
    return Counts(
        predictor_macs=work.macs(pattern_outputs, outside),
        predictor_compares=work.additions(pattern_outputs, outside) + additions + (decisions if work.compares else 0),
        predictor_weight_reads=-(-work.weights_per_channel // weights_per_word) * shape.K * shape.N,
        glb_reads=pattern_outputs,
        mask_bits_written=decisions * bits,
        mask_bits_read=decisions * bits if read_once else 0,
    )


@dataclass(frozen=True, slots=True)
class UnitWork:
    """What a layer's predictor has to do, whatever the array does meanwhile.

    Attributes
    ----------
    pattern_outputs
        Outputs that the pattern computes first.
    counts
        The predictor's actions.
    terms
        MACs and additions of a dedicated unit, of which each lane does one in a cycle.
    mask_words, weight_words
        Words of mask bits, and of weights if they are read once.
    kernels
        What it computes; empty: the mask was made elsewhere.
    """

    pattern_outputs: int
    counts: Counts
    terms: int
    mask_words: int
    weight_words: int
    kernels: tuple[Kernel, ...]


def unit_work(
    arch: ArchSpec,
    shape: ConvShape,
    pattern_outputs: int,
    *,
    work: PredictorWork = ZAP_WORK,
    decision: DecisionUnit | None = None,
) -> UnitWork:
    """Work out what the predictor of a layer has to do on an architecture; parameters as for :func:`run_predictor`."""
    unit = arch.predictor
    counts = predictor_counts(
        shape,
        pattern_outputs,
        work=work,
        weights_per_word=unit.weights_per_word,
        read_once=not arch.array.reads_masks_by_pass,
        unit=decision,
    )
    terms = counts.predictor_macs + work.additions(pattern_outputs, shape.outputs - pattern_outputs)
    return UnitWork(
        pattern_outputs,
        counts,
        terms,
        -(-counts.mask_bits_written // arch.word),
        -(-work.weights_per_channel // unit.weights_per_word) * shape.K,
        work.kernels,
    )


def run_predictor(  # noqa: PLR0913 (options, by name)
    engine: Engine[Mapping],
    arch: ArchSpec,
    shape: ConvShape,
    pattern: PackedMap,
    first: Tiles,
    free_words: int,
    *,
    work: PredictorWork = ZAP_WORK,
    gated: bool = False,
    decision: DecisionUnit | None = None,
) -> PredictorResult:
    """Determine what stage Z of one layer costs.

    Parameters
    ----------
    engine
        The array, for ``unit: array``.
    arch
        Holds the predictor unit.
    shape
        The predicted layer.
    pattern
        Outputs computed in stage A (N, P, Q, K).
    first
        Tiles of stage A.
    free_words
        Words of the GLB that both stages leave free: for mask bits, and, if the predictor runs on the array, for the
        pattern's outputs. What does not fit goes to DRAM and comes back.
    work
        What the layer's predictor does.
    gated
        Whether outputs are only gated: then there is one stage, and a mask bit is used as soon as it is known.
    decision
        What is decided on together; None: single outputs.
    """
    if arch.predictor.unit == "ideal":
        return NO_PREDICTION
    known = unit_work(arch, shape, pattern.count(), work=work, decision=decision)
    return predictor_result(engine, arch, shape, lambda: pattern, first, free_words, known, gated=gated)


def predictor_result(
    engine: Engine[Mapping],
    arch: ArchSpec,
    shape: ConvShape,
    pattern: Callable[[], PackedMap],
    first: Tiles,
    free_words: int,
    known: UnitWork,
    *,
    gated: bool,
) -> PredictorResult:
    """Determine what stage Z costs, beside what is `known` of it; `pattern` is called if the array predicts."""
    unit, counts = arch.predictor, known.counts
    if not known.kernels:  # the mask was made elsewhere: DRAM brings it before the layer's only stage
        return PredictorResult(counts, 0, Prediction(weight_words=known.mask_words))
    by_tile = unit.granularity == "tile"
    on_chip = blocks_on_chip(arch, first) / max(first.blocks, 1) if by_tile else 1.0
    spilled = known.mask_words if known.mask_words * on_chip > free_words else 0
    weights = known.weight_words
    if unit.weights is not None and unit.weights < weights:
        weights *= first.visits
    time, reread, array_cycles = unit_time(unit, known, gated), 0, 0
    if unit.unit != "dedicated":
        on_array, array_cycles = _on_array(engine, arch, shape, pattern(), known.kernels)
        left = free_words - (0 if spilled else known.mask_words * on_chip)
        reread = known.pattern_outputs if known.pattern_outputs * on_chip > left else 0
        # The array reads the pattern's outputs as its ifmap: they are not read a second time.
        counts = counts.but(glb_reads=0) + on_array
    prediction = Prediction(
        time.between,
        array_cycles,
        time.beside,
        weights,
        gated,
        0 if gated else spilled,
        reread,
        by_tile and not gated,
    )
    return PredictorResult(counts, time.busy + array_cycles, prediction)


class UnitTime(NamedTuple):
    """Cycles of a unit of its own: between the stages, beside the only stage, and all, latency included."""

    between: int = 0
    beside: int = 0
    busy: int = 0


def unit_time(unit: PredictorUnit, known: UnitWork | None, gated: bool) -> UnitTime:
    """Return how long a predictor of its own works on a layer: all that its lanes and its latency decide."""
    if known is None or not known.kernels or unit.unit != "dedicated":
        return UnitTime()
    cycles = -(-known.terms // unit.lanes)
    busy = cycles + unit.latency
    return UnitTime(beside=busy, busy=busy) if gated else UnitTime(between=cycles, busy=busy)


def blocks_on_chip(arch: ArchSpec, first: Tiles) -> int:
    """Count the blocks of which something is on chip at a time, if the stages alternate block by block."""
    if not first.blocks:
        return 0
    more = 1 if arch.predictor.unit == "dedicated" else 0
    return min(int((first.reach - np.arange(first.blocks)).max()) + 1 + more, first.blocks)


def _on_array(
    engine: Engine[Mapping], arch: ArchSpec, shape: ConvShape, pattern: PackedMap, kernels: Sequence[Kernel]
) -> tuple[Counts, int]:
    """Return storage actions and cycles of the depthwise layers on the PE array, which reads them from the GLB.

    A kernel that only sums runs like one whose weights are 1.
    """
    outside = PackedMap.full(*pattern.shape).without(pattern)
    counts, cycles = Counts(), 0
    for kernel in kernels:
        reach = kernel.side // 2
        depthwise = ConvShape(
            f"{shape.name}.predictor", N=shape.N, C=shape.K, H=shape.P, W=shape.Q, K=shape.K, R=kernel.side,
            S=kernel.side, padding=(reach, reach, reach, reach), groups=shape.K,
        )  # fmt: skip
        demand = Demand(None if kernel.outputs == "all" else outside)
        stage = engine.time_stage(depthwise, arch, engine.map_stages(depthwise, arch)[0], demand)
        counts, cycles = counts + stage.counts, cycles + stage.cycles.total
    # Its MACs are counted as the predictor's, and the PEs' clock for the layer as a whole.
    return counts.but(macs_executed=0, macs_gated=0, macs_lost=0, pe_active_cycles=0), cycles
