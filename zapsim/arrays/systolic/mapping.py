"""Putting a convolution on a systolic array: what is spread over rows and columns, what streams, in how many folds.

The convolution is a matrix product for each group: N·P·Q pixels × K filters, with C·R·S products per pixel and filter
(C and K of one group). Source of names and formulas: SCALE-Sim v3 (Samajdar et al., ISPASS 2020; Raj et al., 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.errors import MappingError
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape

Count = TypeVar("Count", int, NDArray[np.int64])
"""A number, or one for each tile."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """What the buffer holds while the tiles of a weight- or input-stationary layer run, whatever their masks.

    Attributes
    ----------
    vectors
        Vectors that stream through all folds of a tile before the next ones do: a block.
    psums_stay
        Whether the buffer holds the psums of a block; else they go to DRAM and come back between folds.
    streams_stay
        Whether the buffer holds all that streams, of one group.
    tile_stays
        Whether the buffer holds the stationary operand of a tile for all of the tile's blocks.
    free_words
        Words of the buffer that remain free.
    """

    vectors: int
    psums_stay: bool
    streams_stay: bool
    tile_stays: bool
    free_words: int


@dataclass(frozen=True, slots=True)
class SystolicMapping:
    """One layer on one array; groups run one after another, and images are more pixels.

    Attributes
    ----------
    array
        The array.
    Sr, Sc
        Size of what is spread over rows and over columns, of one group.
    T
        Size of what streams, of one group.
    groups
        Groups of the layer.
    blocking
        How the vectors of a tile are blocked; None: not at all.
    drifts
        Whether arrays side by side need not wait for each other, because the buffer holds all that streams.
    """

    array: SystolicArray
    Sr: int
    Sc: int
    T: int
    groups: int
    blocking: Blocking | None = None
    drifts: bool = False

    @property
    def row_folds(self) -> int:
        """Folds along the rows, of one group."""
        return -(-self.Sr // self.array.rows)

    @property
    def col_folds(self) -> int:
        """Folds along the columns, of one group."""
        return -(-self.Sc // self.array.cols)

    @property
    def blocks(self) -> int:
        """Blocks of a dense tile's vectors."""
        return 1 if self.blocking is None else -(-self.T // self.blocking.vectors)

    @property
    def folds(self) -> int:
        """Folds of the layer."""
        return self.groups * self.row_folds * self.col_folds * self.blocks

    @property
    def macs(self) -> int:
        """MACs of the layer."""
        return self.groups * self.Sr * self.Sc * self.T

    @property
    def fold_cycles(self) -> int:
        """Cycles of a fold that fills the array."""
        return ramp_cycles(self.array, 1, self.array.rows, self.array.cols) + self.T

    @property
    def cycles(self) -> int:
        """Dense cycles of the layer on one array with serial fills, counted from cycle 0 as in SCALE-Sim: one less."""
        used_rows = self.groups * self.col_folds * self.blocks * self.Sr
        used_cols = self.groups * self.row_folds * self.blocks * self.Sc
        streamed = self.groups * self.row_folds * self.col_folds * self.T
        return ramp_cycles(self.array, self.folds, used_rows, used_cols) + streamed - 1

    @property
    def mapping_efficiency(self) -> float:
        """Share of the PEs that hold work, averaged over the folds, 0 to 1."""
        return self.Sr * self.Sc / (self.row_folds * self.array.rows * self.col_folds * self.array.cols)

    @property
    def utilisation(self) -> float:
        """MACs over cycles × PEs, 0 to 1; 0 for the one-MAC layer on one PE, which ends in cycle 0."""
        return self.macs / (self.cycles * self.array.rows * self.array.cols) if self.cycles else 0.0


@once_per_object
def unblocked(mapping: SystolicMapping) -> SystolicMapping:
    """Return a mapping without what the buffer holds, which changes no tile of the array."""
    return replace(mapping, blocking=None, drifts=False)


def ramp_cycles(array: SystolicArray, folds: Count, used_rows: Count, used_cols: Count) -> Count:
    """Count the cycles in which folds fill and drain.

    Output-stationary: rows + columns - 2 per fold, and rows more with a serial drain; weight- and input-stationary:
    2 · rows + columns - 2, because the stationary operand is loaded first.

    Parameters
    ----------
    array
        The array; with ``partial_folds: full`` every fold counts all its rows and columns.
    folds
        Number of folds.
    used_rows, used_cols
        Rows and columns at work, summed over the folds.
    """
    if array.partial_folds == "full":
        used_rows, used_cols = folds * array.rows, folds * array.cols
    overlapped = array.dataflow == "output-stationary" and array.drain == "overlapped"
    return (1 if overlapped else 2) * used_rows + used_cols - 2 * folds


def systolic_array(arch: ArchSpec) -> SystolicArray:
    """Return the systolic array of `arch`.

    Raises
    ------
    MappingError
        If it has another array.
    """
    if not isinstance(arch.array, SystolicArray):
        raise MappingError(f"{arch.name}: array.dataflow: expected a systolic dataflow, got '{arch.array.dataflow}'")
    return arch.array


def map_systolic(shape: ConvShape, array: SystolicArray) -> SystolicMapping:
    """Put `shape` on `array` (any layer can be)."""
    pixels, filters, products = shape.N * shape.P * shape.Q, shape.K_per_group, shape.macs_per_output
    match array.dataflow:
        case "output-stationary":
            return SystolicMapping(array, pixels, filters, products, shape.groups)
        case "weight-stationary":
            return SystolicMapping(array, products, filters, pixels, shape.groups)
        case "input-stationary":
            return SystolicMapping(array, products, pixels, filters, shape.groups)
