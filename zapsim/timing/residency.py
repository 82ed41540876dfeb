"""What is on chip already: maps that stay between layers, and what stage A leaves in the GLB for stage B.

An engine says which words each tile of a stage uses; here it is decided which of them DRAM must bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import Ints, Tiles
from zapsim.timing.predictor import blocks_on_chip
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class Residency:
    """Feature maps of a layer that stay on chip: DRAM neither brings the ifmap nor takes the ofmap."""

    ifmap: bool = False
    ofmap: bool = False


NOTHING_STAYS = Residency()


@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """Words of operands that DRAM brings for the tiles of one stage: int64 (tiles,) each."""

    ifmap_words: Ints
    filter_words: Ints


def resident_maps(arch: ArchSpec, shapes: Sequence[ConvShape]) -> tuple[Residency, ...]:
    """Choose what stays in ``buffers.glb.resident`` for each of the layers, which run in this order.

    An ofmap stays if the next layer takes its channels, on a map of this size or (after pooling) a smaller one, and if
    it fits uncoded beside the ifmap that is there. DRAM brings the first ifmap and takes the last ofmap. A trace
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


def operand_loads(
    arch: ArchSpec, stages: Sequence[Tiles], resident: Residency = NOTHING_STAYS, coded_share: float = 1.0
) -> tuple[list[Loads], int]:
    """Decide which operand words DRAM brings for the one or two stages of a layer.

    Parameters
    ----------
    arch
        Says whether the stages alternate block by block, and which blocks are on chip at a time.
    stages
        Tiles of each stage.
    resident
        Feature maps that stay on chip between layers.
    coded_share
        Size of the ifmap in DRAM as a share of its plain size. On chip, ifmaps are not coded.

    Returns
    -------
    loads
        For each stage.
    free_words
        Words of the GLB that remain free in every stage.
    """
    ifmaps = [0 * tiles.ifmap_words if resident.ifmap else tiles.ifmap_words for tiles in stages]
    filters = [tiles.filter_words for tiles in stages]
    free_words = min(tiles.free_words for tiles in stages)
    if len(stages) == 2:
        a, b = stages
        by_tile = arch.predictor.granularity == "tile" and a.blocks == b.blocks
        blocks = (a.block, b.block) if by_tile else (0 * a.block, 0 * b.block)
        on_chip = blocks_on_chip(arch, a) if by_tile else 1
        # What stage A loaded is still there if it stays anyway, or if both stages leave room for it: for all of the
        # layer's, or for what the blocks on chip have of it. Ifmaps come first, since they are usually larger.
        ifmap_stays, filters_stay = a.ifmap_stays and b.ifmap_stays, a.filters_stay and b.filters_stay
        held = 0 if ifmap_stays else ceil(on_chip * _largest_block(ifmaps[0], blocks[0]) / coded_share)
        if held <= free_words and not b.ifmap_apart:
            ifmaps[1] = _beyond(ifmaps[0], ifmaps[1], blocks)
            free_words -= held
        held = 0 if filters_stay else on_chip * _largest_block(filters[0], blocks[0])
        if held <= free_words:
            filters[1] = _beyond(filters[0], filters[1], blocks)
            free_words -= held
    return [Loads(*words) for words in zip(ifmaps, filters, strict=True)], free_words


def _largest_block(words: Ints, block: Ints) -> int:
    return int(np.bincount(block, words, 1).max())


def _beyond(loaded: Ints, used: Ints, blocks: tuple[Ints, Ints]) -> Ints:
    """Reduce the words that stage B uses to those beyond what stage A loaded, block by block.

    The rest of a block is shared out among its tiles in proportion to what they use, rounded up.
    """
    count = 1 + max(int(block.max(initial=0)) for block in blocks)
    on_chip, wanted = (np.bincount(block, words, count) for block, words in zip(blocks, (loaded, used), strict=True))
    missing = np.maximum(wanted - on_chip, 0).astype(np.int64)
    of_block = np.maximum(wanted, 1).astype(np.int64)
    return np.asarray(-(-used * missing[blocks[1]] // of_block[blocks[1]]), dtype=np.int64)
