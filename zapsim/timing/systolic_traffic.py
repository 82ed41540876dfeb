"""Storage accesses of a systolic array: registers, hops from PE to PE, on-chip buffer, DRAM.

Every word in a PE's register came from the buffer or from a neighbour; every word that left the array came out of a
psum register. ``docs/models/systolic.md`` states the relations and what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zapsim.counts import Counts
from zapsim.mapping.systolic import SystolicMapping
from zapsim.timing.systolic_work import Counters, Work
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class Use:
    """What a stage makes of the words on the array.

    Attributes
    ----------
    tested
        MACs that look at their ifmap word: all that are issued, but those of gated outputs.
    switching
        MACs that also read their filter word and, where psums are stationary, read and write their psum.
    """

    tested: int
    switching: int


@dataclass(frozen=True, slots=True)
class _Moves:
    """Words of one operand that enter the array, and that are handed from PE to PE after that."""

    words: int
    hops: int

    @property
    def arrivals(self) -> int:
        """Words written to the PEs' registers."""
        return self.words + self.hops


def storage_counts(shape: ConvShape, mapping: SystolicMapping, work: Work, use: Use, glb_words: int) -> Counts:
    """Return all counts but the MACs.

    Parameters
    ----------
    shape, mapping, work, use
        The layer, on the array, and the tiles of the stage, and what it makes of them.
    glb_words
        Words that the on-chip buffer holds.
    """
    by_rows = mapping.array.dataflow == "output-stationary"
    on_array = _output_stationary if by_rows else _operand_stationary
    dram_reads, spilled = _dram_words(shape, mapping, work, glb_words)
    return on_array(mapping, work, use) + Counts(dram_reads=dram_reads, dram_writes=spilled)


def _output_stationary(mapping: SystolicMapping, work: Work, use: Use) -> Counts:
    """Ifmap words enter at the left, filter words at the top; psums stay, and leave down the columns."""
    T = mapping.T
    issued = work.outputs * T
    ifmap_in = work.total(work.vectors) * T
    filter_in = work.total(work.folds * work.cols) * T
    ifmap = _Moves(ifmap_in, issued - ifmap_in)
    filters = _Moves(filter_in, issued - filter_in)
    drain = work.total(work.cols * work.row_pairs)
    return Counts(
        ifmap_spad_reads=use.tested,
        ifmap_spad_writes=ifmap.arrivals,
        filter_spad_reads=use.switching,
        filter_spad_writes=filters.arrivals,
        psum_spad_reads=use.switching + work.outputs + drain,
        psum_spad_writes=use.switching + drain,
        ifmap_bus_words=ifmap.words,
        filter_bus_words=filters.words,
        psum_bus_words=work.outputs,
        pe_to_pe_words=ifmap.hops + filters.hops + drain,
        glb_reads=ifmap.words + filters.words,
        glb_writes=work.outputs,
    )


def _operand_stationary(mapping: SystolicMapping, work: Work, use: Use) -> Counts:
    """One operand is shifted in from the top and stays; the other enters at the left; psums go down the columns."""
    issued = work.outputs * mapping.Sr
    stays = _Moves(work.total(work.cols) * mapping.Sr, work.total(work.cols * work.row_pairs))
    entering = work.total(work.vectors) * mapping.Sr
    streams = _Moves(entering, issued - entering)
    psum_out = work.outputs * mapping.row_folds
    psum_in = psum_out - work.outputs
    filters, ifmap = (stays, streams) if mapping.array.dataflow == "weight-stationary" else (streams, stays)
    return Counts(
        ifmap_spad_reads=use.tested,
        ifmap_spad_writes=ifmap.arrivals,
        filter_spad_reads=use.switching,
        filter_spad_writes=filters.arrivals,
        psum_spad_reads=issued,
        psum_spad_writes=issued,
        ifmap_bus_words=ifmap.words,
        filter_bus_words=filters.words,
        psum_bus_words=psum_in + psum_out,
        pe_to_pe_words=ifmap.hops + filters.hops + issued - psum_out,
        glb_reads=ifmap.words + filters.words + psum_in,
        glb_writes=psum_out,
    )


def _dram_words(shape: ConvShape, mapping: SystolicMapping, work: Work, glb_words: int) -> tuple[int, int]:
    """Return the words read from DRAM, and the psums written to it because the buffer does not hold them.

    Tile after tile in SCALE-Sim's order (all row folds of a tile before the next tile). Room is given first to what
    stays on the array, then to a tile's psums, then to the operand that every tile streams.
    """
    if not len(work.cols):
        return 0, 0
    ifmap_words, filter_words = shape.ifmap_words // shape.groups, shape.filter_words // shape.groups
    if mapping.array.dataflow == "output-stationary":
        per_tile = work.cols * mapping.T
        filters_room = mapping.T * int(work.cols.max())
        often = np.where(per_tile <= glb_words, 1, work.folds)
        ifmap = _streamed(work, work.vectors * mapping.T, ifmap_words, filters_room + ifmap_words <= glb_words)
        return ifmap + work.total(per_tile * often), 0
    psums = work.vectors * work.cols if mapping.row_folds > 1 else np.zeros_like(work.cols)
    room = glb_words - mapping.array.rows * mapping.array.cols
    spilled = np.where(psums > room, psums * (mapping.row_folds - 1), 0)
    room -= int(psums[spilled == 0].max(initial=0))
    by_filters = mapping.array.dataflow == "weight-stationary"
    streamed, stationary = (ifmap_words, filter_words) if by_filters else (filter_words, ifmap_words)
    reads = _streamed(work, work.vectors * mapping.Sr, streamed, streamed <= room)
    reads += _streamed(work, work.cols * mapping.Sr, stationary, True)
    return reads + work.total(spilled), work.total(spilled)


def _streamed(work: Work, per_tile: Counters, held: int, stays: bool) -> int:
    """Return the words of an operand read from DRAM: once a group if it `stays`, else once a tile.

    A pass never reads more than the `held` words that the operand has in DRAM, nor more than it uses.
    """
    if not stays:
        return work.total(np.minimum(per_tile, held))
    used = np.zeros(int(work.group.max()) + 1, dtype=np.int64)
    np.add.at(used, work.group, work.alike * per_tile)
    return int(np.minimum(used, held).sum())
