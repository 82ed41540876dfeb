"""What is on chip already: maps that stay between layers, and what stage A leaves in the GLB for stage B.

An engine says which words each tile of a stage uses; here it is decided which of them DRAM must bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import Ints, Tiles
from zapsim.kernels import timeline as kernels
from zapsim.kernels.loads import APART, STAYS, TAKES_ROOM, beside_stage_a
from zapsim.timing.predictor import blocks_on_chip
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class Residency:
    """Feature maps of a layer that stay on chip: DRAM neither brings the ifmap nor takes the ofmap."""

    ifmap: bool = False
    ofmap: bool = False


NOTHING_STAYS = Residency()


_WITHOUT_IFMAP = np.array([[0], [1]], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """Words of operands that DRAM brings for the tiles of one stage.

    Attributes
    ----------
    table
        int64 (2, tiles), C-contiguous: words of the ifmap, and of filters.
    """

    table: Ints

    @property
    def words(self) -> int:
        """All words."""
        return int(self.table.sum())


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
    tables = [tiles.table[kernels.IFMAP : kernels.FILTERS + 1] for tiles in stages]
    if resident.ifmap:
        tables = [table * _WITHOUT_IFMAP for table in tables]
    free_words = min(tiles.free_words for tiles in stages)
    if len(stages) == 2:
        a, b = stages
        by_tile = arch.predictor.granularity == "tile" and a.blocks == b.blocks
        on_chip, blocks = (blocks_on_chip(arch, a), max(a.blocks, 1)) if by_tile else (1, 1)
        # What stage A loaded is still there if it stays anyway, or if both stages leave room for it: for all of the
        # layer's, or for what the blocks on chip have of it.
        ifmap = APART if b.ifmap_apart else STAYS if a.ifmap_stays and b.ifmap_stays else TAKES_ROOM
        filters = STAYS if a.filters_stay and b.filters_stay else TAKES_ROOM
        kept = np.array((blocks, on_chip, free_words, ifmap, filters), dtype=np.int64)
        words = np.empty(tables[1].shape, dtype=np.int64)
        free_words = beside_stage_a(tables[0], a.block, tables[1], b.block, kept, coded_share, words)
        tables[1] = words
    return [Loads(table) for table in tables], free_words
