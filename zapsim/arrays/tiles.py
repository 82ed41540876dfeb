"""A stage of a layer tile after tile, as the timeline needs it: array cycles, DRAM words, outputs finished.

A tile is what is on the array at one time: a pass (row-stationary), a fold (systolic), a strip of a block of filters
(output lanes). Tiles come in blocks: what must be complete before the predictor can work on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels import shares as sharing
from zapsim.kernels import timeline as kernels

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """The tiles of one stage in the array's order; all arrays int64 (tiles,) if not said otherwise.

    Attributes
    ----------
    table
        int64 (7, tiles), C-contiguous: the next seven attributes are its rows (:func:`tile_table` makes it).
    cycles
        Cycles on the array; they sum to the stage's.
    ifmap_words, filter_words, psum_words
        Words that must be on chip before the tile starts, as DRAM holds them. DRAM brings the operands that are not
        there already (:func:`zapsim.timing.residency.operand_loads`), and all of the psums.
    spilled_words
        Psums that go to DRAM after the tile, and come back as `psum_words`.
    outputs
        Outputs that the tile finishes: they leave the array for good.
    block
        Number of the tile's block, not falling.
    blocks
        How many blocks the layer has (the stage may have nothing to do in some).
    reach
        int64 (blocks,): the last block of whose outputs the predictor needs some for this block (its 5×5 window
        reaches two rows up and down); at least the block itself.
    visits
        How often the array comes back to a filter, in blocks.
    free_words
        Words of the GLB that the mapping leaves free.
    ifmap_apart
        Whether no ifmap word serves two ofmap pixels, so that the stages of a layer load different words.
    ifmap_stays, filters_stay
        Whether the GLB holds all of the operand that the stage has loaded until its end, outside `free_words`.
    made
        What was made of these tiles as a layer's first stage (loads, timelines), for designs of an exploration that
        share them.
    """

    table: Ints
    blocks: int
    reach: Ints
    visits: int
    free_words: int
    ifmap_apart: bool = False
    ifmap_stays: bool = False
    filters_stay: bool = False
    made: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def _row(self, row: int) -> Ints:
        values: Ints = self.table[row]
        return values

    @property
    def cycles(self) -> Ints:
        """Cycles on the array."""
        return self._row(kernels.CYCLES)

    @property
    def ifmap_words(self) -> Ints:
        """Words of the ifmap that must be on chip."""
        return self._row(kernels.IFMAP)

    @property
    def filter_words(self) -> Ints:
        """Words of filters that must be on chip."""
        return self._row(kernels.FILTERS)

    @property
    def psum_words(self) -> Ints:
        """Words of psums that come back from DRAM."""
        return self._row(kernels.PSUMS)

    @property
    def spilled_words(self) -> Ints:
        """Words of psums that go to DRAM."""
        return self._row(kernels.SPILLED)

    @property
    def outputs(self) -> Ints:
        """Outputs that the tile finishes."""
        return self._row(kernels.OUTPUTS)

    @property
    def block(self) -> Ints:
        """Number of the tile's block."""
        return self._row(kernels.BLOCK)

    @property
    def loaded_words(self) -> int:
        """Words that DRAM brings if nothing is on chip beforehand."""
        return int(self.table[kernels.IFMAP : kernels.PSUMS + 1].sum())

    def __len__(self) -> int:
        return len(self.table[0])


def tile_table(
    cycles: Ints, *, ifmap: Ints, filters: Ints, psums: Ints, spilled: Ints, outputs: Ints, block: Ints
) -> Ints:
    """Make the table of :class:`Tiles` of its rows, int64 (tiles,) each, in the order of its attributes."""
    return np.stack([cycles, ifmap, filters, psums, spilled, outputs, block])


def whole_stage(
    cycles: int, outputs: int, *, ifmap_words: int = 0, filter_words: int = 0, free_words: int = 0
) -> Tiles:
    """Describe a stage as one tile, or none if it has nothing to do: for engines that do not tell tiles apart.

    Nothing overlaps inside of it: DRAM brings all of its words before it starts.
    """
    count = 1 if cycles or outputs else 0
    row = np.array([[cycles], [ifmap_words], [filter_words], [0], [0], [outputs], [0]], dtype=np.int64)
    table = row if count else row[:, :0].copy()
    return Tiles(table, blocks=1, reach=np.zeros(1, dtype=np.int64), visits=1, free_words=free_words)


NO_TILES: Final = Tiles(np.zeros((7, 0), dtype=np.int64), 1, np.zeros(1, dtype=np.int64), 1, 0)
"""A stage that does not happen."""


def shared_out(total: int, weights: Ints) -> Ints:
    """Divide `total` over entries in proportion to `weights`, in whole numbers that sum to it exactly.

    The first i entries get ceil(total · their weight / all weight) in sum. Without any weight, nothing is shared out.
    """
    shares = np.empty(len(weights), dtype=np.int64)
    sharing.share_out(total, weights, shares)
    return shares


def even_shares(totals: Ints, parts: Ints) -> Ints:
    """Divide each total into its number of parts as evenly as whole numbers allow: int64 (sum of parts,)."""
    shares = np.empty(int(parts.sum()), dtype=np.int64)
    sharing.even_shares(totals, parts, shares)
    return shares
