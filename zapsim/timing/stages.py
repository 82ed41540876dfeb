"""What a policy makes of a layer's maps: which outputs are computed, and what each stage asks of the array."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, StageShare
from zapsim.arrays.gating import window_nonzero
from zapsim.errors import PolicyError
from zapsim.patterns import pattern_map
from zapsim.timing.dram import coded_words
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

SHARES = 32
"""Expected shares of computed outputs are multiples of 1/32, as in the search for mappings."""

_PIXEL_STEP, _FILTER_STEP = 5, 11
"""Steps per pixel and per filter of :func:`even_mask`: odd, so that 32 steps visit all 32 places."""

_NAMES: Final[tuple[Literal["A", "B"], ...]] = ("A", "B")


@dataclass(frozen=True, eq=False)
class LayerDemands:
    """What a policy makes of a layer, before anything is known of the array but its coding of maps.

    Attributes
    ----------
    mask
        Outputs that are computed (N, P, Q, K); None: all.
    demands, shares
        What each stage demands of the array, and what is known of it beforehand.
    coded_share
        Size of the ifmap in DRAM as a share of its plain size.
    ofmap_words
        Words that the ofmap takes in DRAM.
    demanded_macs
        MACs of the outputs that `mask` marks.
    """

    mask: PackedMap | None
    demands: tuple[Demand, ...]
    shares: tuple[StageShare, ...]
    coded_share: float
    ofmap_words: int
    demanded_macs: int

    @classmethod
    def of(cls, arch: ArchSpec, layer: LayerTrace, mask: PackedMap | None, demands: Sequence[Demand]) -> LayerDemands:
        """Gather what follows from the demands of the stages."""
        shape, coded = layer.shape, demands[0].ifmap_coded_words
        return cls(
            mask,
            tuple(demands),
            tuple(stage_shares(shape, demands)),
            1.0 if coded is None else coded / shape.ifmap_words,
            ofmap_dram_words(arch, layer, mask),
            (shape.outputs if mask is None else mask.count()) * shape.macs_per_output,
        )

    @cached_property
    def settled(self) -> OrderedDict[object, Any]:
        """What was settled for it on architectures (:func:`zapsim.timing.layer.settled_on`)."""
        return OrderedDict()

    @cached_property
    def idle(self) -> OrderedDict[object, int]:
        """Which of :func:`zapsim.timing.idle_parts.with_idle_parts` is the fastest for it, by what that depends on."""
        return OrderedDict()


def layer_demands(arch: ArchSpec, layer: LayerTrace, policy: Policy, predicted: bool = True) -> LayerDemands:
    """Return what `policy` makes of a layer; made once per layer, policy and coding of maps.

    `predicted`: whether the layer's predictor is used; else all outputs are computed.
    """
    key = layer_demands, policy, arch.dram.compression, arch.word, predicted
    made: LayerDemands | None = layer.summaries.get(key)
    if made is None:
        mask = layer_mask(layer, policy) if predicted else None
        made = LayerDemands.of(arch, layer, mask, stage_demands(arch, layer, policy, mask))
        layer.summaries[key] = made
    return made


def layer_mask(layer: LayerTrace, policy: Policy) -> PackedMap | None:
    """Return the outputs that `policy` computes (N, P, Q, K); None: all, without any prediction.

    A layer in which nothing would be skipped is run without its predictor: an operating point that keeps everything
    is known before the layer starts.
    """
    if policy.outputs in {"dense", "early-exit"}:
        return None
    if policy.knowledge == "oracle":
        needed = layer.ofmap_nonzero
    elif layer.mask is None:
        return None
    elif policy.knowledge == "predictor":
        needed = layer.mask
    else:
        if layer.ofmap_nonzero is None:
            raise PolicyError(f"layer {layer.shape.name}: policy {policy.name} needs ofmap_nonzero in the trace")
        needed = layer.ofmap_nonzero.summary(PackedMap.__or__, layer.pattern_outputs())
    return None if needed is None or needed.is_full() else needed


def stage_demands(arch: ArchSpec, layer: LayerTrace, policy: Policy, needed: PackedMap | None) -> list[Demand]:
    """Return what each stage asks of the array: one, or the pattern (which can miss a 1×1 map) and the rest.

    A mask that is known before the layer starts (an oracle's, or one made elsewhere) needs no pattern, so one stage.
    """
    asked = _asked(arch, layer, policy)
    if needed is None:
        return [asked(gate=policy.outputs == "gate")]
    if policy.knowledge == "oracle" or not layer.has_pattern:
        everywhere = np.ones((layer.shape.P, layer.shape.Q), dtype=np.bool_)
        return [asked(mask=needed, mask_pixels=everywhere, gate=policy.outputs == "gate")]
    assert layer.setting is not None
    pattern, (first, later) = layer.pattern_outputs(), _pixels(layer.setting.pattern, layer.shape.P, layer.shape.Q)
    if policy.outputs == "gate":
        return [asked(mask=needed, mask_pixels=later, gate=True)]
    rest = needed.summary(PackedMap.without, pattern)
    stages = [
        asked(mask=pattern, positions=first),
        asked(mask=rest, positions=later, mask_pixels=later),
    ]
    return stages if rest.count() else stages[:1]


@lru_cache(maxsize=256)
def _pixels(pattern: str, P: int, Q: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw the pixels of the pattern, and the others: bool (P, Q) each, which nobody changes."""
    first = pattern_map(pattern, P, Q)
    return first, ~first


def _asked(arch: ArchSpec, layer: LayerTrace, policy: Policy) -> Callable[..., Demand]:
    """Return what makes a demand of the outputs that a stage computes, beside what every stage asks.

    A layer without a ReLU behind it computes every output to its end, also under early exit.
    """
    exits = None
    if policy.outputs == "early-exit" and layer.ofmap_nonzero is not None:
        exits = layer.early_exit_macs
        if exits is None:
            raise PolicyError(
                f"layer {layer.shape.name}: policy {policy.name} needs early_exit_macs in the trace, which holds them "
                "if it was made with --values"
            )
    return partial(
        Demand,
        ifmap_coded_words=None if arch.dram.compression == "none" else coded_words(arch, layer.ifmap_nonzero),
        window_nonzero=None if policy.inputs == "dense" else window_nonzero(layer.shape, layer.ifmap_nonzero),
        ifmap_nonzero=layer.ifmap_nonzero if policy.inputs == "skip" else None,
        exit_macs=exits,
    )


def ofmap_dram_words(arch: ArchSpec, layer: LayerTrace, needed: PackedMap | None) -> int:
    """Return the words that the ofmap takes in DRAM: skipped outputs are zeros there, like all others."""
    if layer.ofmap_nonzero is None:
        return layer.shape.outputs
    return coded_words(
        arch, layer.ofmap_nonzero if needed is None else layer.ofmap_nonzero.summary(PackedMap.__and__, needed)
    )


def stage_shares(shape: ConvShape, demands: Sequence[Demand]) -> list[StageShare]:
    """Return what may be known of the stages beforehand: of masks, only how many outputs they leave."""
    shares = []
    for demand, name in zip(demands, _NAMES, strict=False):
        shares.append(
            StageShare(
                share=1.0 if demand.mask is None or demand.gate else demand.mask.count() / shape.outputs,
                pixels=demand.pixels,
                by_mask=demand.mask_pixels is not None and not demand.gate,
                name="" if demand.positions is None else name,
                early_exit=demand.exit_macs is not None,
            )
        )
    return shares


def even_mask(like: PackedMap, positions: NDArray[np.bool_]) -> PackedMap:
    """Spread as many outputs as `like` has evenly over pixels and filters: (N, P, Q, K).

    No PE column, lane or strip then has more to do than another: what can be expected if only the share of the outputs
    is known (rounded to 1/32, at least 1/32). On a rigid array such a mask saves nothing, since every vector has an
    output to compute.

    Parameters
    ----------
    like
        The mask of a stage.
    positions
        bool (P, Q): pixels in which the stage may compute.
    """
    images, _, _, filters = like.shape
    candidates = images * int(positions.sum()) * filters
    share = max(round(SHARES * like.count() / candidates), 1) if candidates else 0
    return _even_mask(share, positions.tobytes(), positions.shape, images, filters)


@lru_cache(maxsize=64)
def _even_mask(share: int, positions: bytes, size: tuple[int, int], images: int, filters: int) -> PackedMap:
    allowed = np.frombuffer(positions, dtype=np.bool_).reshape(size)
    rank = np.cumsum(allowed).reshape(size)[np.newaxis, :, :, np.newaxis]  # of each pixel among those allowed
    turn = _PIXEL_STEP * rank + _FILTER_STEP * np.arange(filters)
    one_image = (turn % SHARES < share) & allowed[np.newaxis, :, :, np.newaxis]
    return PackedMap.from_bool(np.repeat(one_image, images, axis=0))
