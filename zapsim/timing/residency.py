"""Which feature maps stay on chip between layers that run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from zapsim.arch.spec import ArchSpec
from zapsim.timing.layer import NOTHING_STAYS, Residency
from zapsim.workload import ConvShape


def resident_maps(arch: ArchSpec, shapes: Sequence[ConvShape]) -> tuple[Residency, ...]:
    """Return what stays in ``buffers.glb.resident`` for each of the layers, which run in this order.

    An ofmap stays if the next layer takes its channels, on a map of this size or (after pooling) a smaller one, and if
    it fits uncoded beside the ifmap that is there. The first ifmap comes from DRAM, the last ofmap goes there. A trace
    does not say what a network adds up or forks: a map that is needed once more later is not written a second time.
    """
    stays = [NOTHING_STAYS] * len(shapes)
    words = int(arch.buffers.glb.resident / arch.word_bytes)
    if not words:
        return tuple(stays)
    for index, (shape, following) in enumerate(pairwise(shapes)):
        held = shape.ifmap_words if stays[index].ifmap else 0
        follows = following.C == shape.K and following.H <= shape.P and following.W <= shape.Q
        if follows and following.N == shape.N and held + shape.outputs <= words:
            stays[index] = replace(stays[index], ofmap=True)
            stays[index + 1] = Residency(ifmap=True)
    return tuple(stays)
