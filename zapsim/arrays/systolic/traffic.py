"""Storage accesses of a systolic array: registers, hops from PE to PE, on-chip buffer.

Every word in a PE's register came from the buffer or from a neighbour; every word that left the array came out of a
psum register. ``docs/models/systolic.md`` states the relations and what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from zapsim.arrays.systolic.mapping import SystolicMapping
from zapsim.arrays.systolic.work import Work
from zapsim.counts import Counts


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


def storage_counts(mapping: SystolicMapping, work: Work, use: Use) -> Counts:
    """Return all counts but the MACs and DRAM words.

    Parameters
    ----------
    mapping, work, use
        The layer on the array, the tiles of the stage, and what it makes of them.
    """
    by_rows = mapping.array.dataflow == "output-stationary"
    on_array = _output_stationary if by_rows else _operand_stationary
    return on_array(mapping, work, use)


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
        bus_deliveries=ifmap.words + filters.words + work.outputs,
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
        bus_deliveries=ifmap.words + filters.words + psum_in + psum_out,
        pe_to_pe_words=ifmap.hops + filters.hops + issued - psum_out,
        glb_reads=ifmap.words + filters.words + psum_in,
        glb_writes=psum_out,
    )
