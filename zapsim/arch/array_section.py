"""What every array of an architecture says about itself."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from zapsim.arch.section import Positive, Section


class Buses(Section):
    """Width of the buses between GLB and array, in words per cycle; `psum` is the width of each direction."""

    ifmap: Positive
    filter: Positive
    psum: Positive

    @property
    def words_per_cycle(self) -> int:
        """Words that all buses together carry in a cycle."""
        return self.ifmap + self.filter + 2 * self.psum


class ArraySection(Section):
    """What every array says about itself, so that no other module needs to know its kind."""

    filters_bypass_glb: ClassVar[bool] = False
    """Whether filters go from DRAM to the array past the GLB, so that a buffer of their own makes sense."""

    reads_masks_by_pass: ClassVar[bool] = False
    """Whether the array reads mask bits in every pass that needs them, and counts that itself; else each bit is read
    once."""

    tiles_by_granularity: ClassVar[bool] = False
    """Whether the tiles of a stage depend on whether stages alternate block by block (``predictor.granularity``)."""

    @property
    @abstractmethod
    def pe_count(self) -> int:
        """PEs (lanes, in an array of lanes): what active and idle PE cycles are counted in."""

    @property
    @abstractmethod
    def mac_units(self) -> int:
        """MACs that the array can do per cycle."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """The array in a few words."""

    @property
    @abstractmethod
    def stored_words(self) -> dict[str, int]:
        """Words that scratch pads, buffers and bus registers hold, for the area of the array.

        Keys are those of :data:`zapsim.arch.tables.AREA_PARTS` without ``_bits``, such as ``ifmap_spad`` or ``bus``.
        """

    @property
    def spad_words(self) -> dict[str, int]:
        """Words of one scratch pad or buffer of each kind (``ifmap_spad`` ...) whose size can be chosen."""
        return {}

    @property
    def least_glb_words(self) -> int:
        """Words that the GLB must hold for any layer; 0 if the mappings check that themselves."""
        return 0

    def smaller(self, _glb_words: int) -> str:
        """Say what to write for an array that `_glb_words` can feed; empty if only the buffer can be changed."""
        return ""

    @property
    def filters_sorted_by(self) -> str | None:
        """The setting that sorts filters by the masks that are run, whatever their order; None: they stay in order."""
        return None

    @property
    def mask_units(self) -> int:
        """Places in which logic reads masks (:data:`zapsim.arch.tables.AREA_PARTS`); 0: none is counted."""
        return 0

    @property
    def dealt_anew_by(self) -> str | None:
        """The setting that deals the outputs of every stage anew, as ``key = value``; None: blocks stay the same."""
        return None


class PEGrid(ArraySection):
    """Rows × columns of PEs with one MAC unit each."""

    dataflow: str
    rows: Positive
    cols: Positive

    @property
    def pe_count(self) -> int:
        """PEs; each has one MAC unit."""
        return self.rows * self.cols

    @property
    def mac_units(self) -> int:
        """MACs that the array can do per cycle."""
        return self.pe_count

    @property
    def summary(self) -> str:
        """The array in a few words."""
        return f"{self.rows}×{self.cols} {self.dataflow}"
