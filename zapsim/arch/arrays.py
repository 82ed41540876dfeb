"""The arrays that an architecture can have: one section per dataflow."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zapsim.arch.array_section import ArraySection, Buses, PEGrid
from zapsim.arch.row_stationary_array import (
    PassParameters,
    RowStationaryArray,
    RowStationaryMapping,
    Spads,
    StageMappings,
)
from zapsim.arch.section import Positive, Section, Words, blame

__all__ = [
    "Array", "ArraySection", "Buses", "LaneSpread", "OutputLanesArray", "PEGrid", "PassParameters",
    "RowStationaryArray", "RowStationaryMapping", "Spads", "StageMappings", "SystolicArray",
]  # fmt: skip


class SystolicArray(PEGrid):
    """A rigid array in which operands move one PE per cycle; the defaults count dense layers as SCALE-Sim does.

    Attributes
    ----------
    drain
        An output-stationary fold's results leave while the next fold fills (``overlapped``) or take `rows` cycles of
        their own (``serial``).
    partial_folds
        A fold that leaves rows or columns idle fills and drains like a ``full`` one, or like a smaller array
        (``shrunk``).
    fold_boundary
        Under a mask, the pixels of an output- or input-stationary fold are the next ones with a demanded output,
        wherever they are (``crossed``), or only those of the dense fold, which is skipped only if none of its outputs
        is demanded (``kept``). None: crossed for output-stationary arrays; kept for input-stationary ones, because
        their tiles would change with every pixel left out, so that more zeros could raise the MACs.
    pixel_order
        Pixels are put on the array as in the map (``raster``), or sorted by how many of their outputs are demanded and
        by which, so that pixels with similar masks share a fold (``grouped``).
    channel_order
        Filters share a fold ``as-is``, or ``by-density``: sorted by how many of their outputs are demanded in the
        masks that are run, which is a bound.
    blocking
        Weight- and input-stationary arrays: a tile streams all its vectors through one fold after another (``none``),
        or block by block, so that the psums of a block stay on chip (``searched``: the number of blocks that costs
        the dense layer least, which its predicted stages take over).
    fill
        The next fold's stationary operand enters when a fold has drained (``serial``, as in SCALE-Sim), or behind the
        running fold, into a second register of every PE (``overlapped``).
    count
        Arrays of `rows` × `cols` that share buffers and the DRAM channel. Tiles are dealt to them in turn. Those that
        run side by side, a round, start together unless the buffer holds all that streams.
    """

    dataflow: Literal["weight-stationary", "output-stationary", "input-stationary"]
    drain: Literal["overlapped", "serial"] = "overlapped"
    partial_folds: Literal["full", "shrunk"] = "full"
    fold_boundary: Literal["crossed", "kept"] | None = None
    pixel_order: Literal["raster", "grouped"] = "raster"
    channel_order: Literal["as-is", "by-density"] = "as-is"
    blocking: Literal["none", "searched"] = "searched"
    fill: Literal["serial", "overlapped"] = "serial"
    count: Positive = 1

    @model_validator(mode="after")
    def _overlapped_fill_has_one_pace(self) -> Self:
        if self.fill == "overlapped" and self.partial_folds == "shrunk":
            raise blame("partial_folds", "expected full with fill = overlapped, got 'shrunk'")
        if self.fill == "overlapped" and self.dataflow == "output-stationary" and self.drain == "serial":
            raise blame("drain", "expected overlapped with fill = overlapped, got 'serial'")
        return self

    @property
    def pe_count(self) -> int:
        """PEs of all arrays; each has one MAC unit."""
        return self.count * self.rows * self.cols

    @property
    def summary(self) -> str:
        """The arrays in a few words."""
        size = f"{self.rows}×{self.cols}"
        arrays = f"{self.count} × ({size})" if self.count > 1 else size
        bound = {"pixel_order": self.pixel_order == "grouped", "channel_order": self.channel_order == "by-density"}
        sorted_by = [f"{key} {getattr(self, key)}" for key, by_mask in bound.items() if by_mask]
        note = f", a bound: {' and '.join(sorted_by)} by the masks that are run" if sorted_by else ""
        return f"{arrays} {self.dataflow}{note}"

    @property
    def crosses_folds(self) -> bool:
        """Whether pixels may move from one fold to another."""
        if self.fold_boundary is None:
            return self.dataflow == "output-stationary"
        return self.fold_boundary == "crossed"

    @property
    def stored_words(self) -> dict[str, int]:
        """A register of each kind in every PE, and one per word that crosses the edges (left, top and bottom).

        An overlapped fill needs a second register for what is stationary.
        """
        registers = dict.fromkeys(("ifmap_spad", "filter_spad", "psum_spad"), self.pe_count)
        if self.fill == "overlapped":
            stationary = {"weight-stationary": "filter_spad", "input-stationary": "ifmap_spad"}
            registers[stationary.get(self.dataflow, "psum_spad")] *= 2
        return registers | {"bus": self.count * (self.rows + 2 * self.cols)}

    @property
    def mask_units(self) -> int:
        """Rows and columns of all arrays: the number of a vector, found on a list, runs along both edges."""
        return self.count * (self.rows + self.cols)

    @property
    def least_glb_words(self) -> int:
        """A tile of each array: a word for each MAC unit."""
        return self.pe_count

    def smaller(self, glb_words: int) -> str:
        """Name the largest number of arrays whose tiles `glb_words` hold."""
        fed = glb_words // (self.rows * self.cols)
        return f", or array.count to at most {fed}" if self.count > 1 and fed else ""

    @property
    def filters_sorted_by(self) -> str | None:
        """The order by density."""
        return "channel_order = by-density" if self.channel_order == "by-density" else None

    @property
    def dealt_anew_by(self) -> str | None:
        """Orders follow the outputs of the stage; so do the pixel tiles of input-stationary folds that are crossed."""
        if self.pixel_order == "grouped":
            return "pixel_order = grouped"
        if self.filters_sorted_by is not None:
            return self.filters_sorted_by
        tiles_pixels = self.dataflow == "input-stationary"
        return "fold_boundary = crossed" if tiles_pixels and self.fold_boundary == "crossed" else None


class LaneSpread(Section):
    """What each level of an output-lanes array is spread over; with ``slices`` the lanes of a PE share every output."""

    clusters: Literal["filters", "pixels"] = "filters"
    pes: Literal["filters", "pixels"] = "pixels"
    lanes: Literal["filters", "pixels", "slices"] = "pixels"


class OutputLanesArray(ArraySection):
    """Clusters × PEs × lanes, in which a lane computes whole outputs one after another.

    Attributes
    ----------
    clusters, pes, lanes, macs_per_lane
        Clusters, PEs of a cluster, lanes of a PE, and MACs per cycle of a lane.
    spread
        What clusters, PEs and lanes differ in.
    sync
        Lanes that start their next outputs together, when the slowest of them is done: none wait (``lane``), or
        those of a ``pe``, of a ``cluster``, or of the whole ``array``.
    dispatch
        Outputs are dealt out in turn beforehand (``static``); or those that this would give to a PE wait in a queue,
        and the PE's lanes take the next when they are free (``queue``); or those of a block of filters wait in one
        queue for all lanes (``block-queue``).
    check_interval
        MACs between two checks of the sign (early exit).
    brick
        Neighbouring channels that go to one lane together (``spread.lanes: slices``).
    filter_buffer
        Words of weights that a PE keeps.
    ifmap_buffer
        Words of ifmaps that a PE keeps, which bounds how far lanes may be apart in the map. None: as many as it needs.
    """

    dataflow: Literal["output-lanes"]
    clusters: Positive
    pes: Positive
    lanes: Positive
    macs_per_lane: Positive = 1
    spread: LaneSpread = LaneSpread()
    sync: Literal["lane", "pe", "cluster", "array"] = "lane"
    dispatch: Literal["static", "queue", "block-queue"] = "static"
    check_interval: Positive = 1
    brick: Positive = 16
    filter_buffer: Words
    ifmap_buffer: Words | None = None
    buses: Buses

    @model_validator(mode="after")
    def _slices_wait(self) -> Self:
        if self.spread.lanes == "slices" and self.sync == "lane":
            raise blame("sync", "expected pe, cluster or array with spread.lanes = slices, got 'lane'")
        return self

    @model_validator(mode="after")
    def _queues_are_independent(self) -> Self:
        if self.dispatch == "queue" and self.sync in {"cluster", "array"}:
            remedy = "a queue for lanes that wait for those of other PEs is dispatch = block-queue"
            raise blame("sync", f"expected lane or pe with dispatch = queue, got '{self.sync}'; {remedy}")
        return self

    @property
    def pe_count(self) -> int:
        """Lanes."""
        return self.clusters * self.pes * self.lanes

    @property
    def mac_units(self) -> int:
        """MACs that the array can do per cycle."""
        return self.pe_count * self.macs_per_lane

    @property
    def summary(self) -> str:
        """The array in a few words."""
        size = f"{self.clusters}×{self.pes} PEs × {self.lanes} lanes"
        return f"{size} {self.dataflow}, sync {self.sync}, dispatch {self.dispatch}"

    @property
    def spad_words(self) -> dict[str, int]:
        """The filter buffer of a PE, and its ifmap buffer if it has a size."""
        buffers = {"filter_spad": self.filter_buffer}
        return buffers if self.ifmap_buffer is None else buffers | {"ifmap_spad": self.ifmap_buffer}

    @property
    def stored_words(self) -> dict[str, int]:
        """A register for the ifmap value of each MAC unit and the sum of each lane; buffers and buses of each PE."""
        pes = self.clusters * self.pes
        return {
            "ifmap_spad": self.mac_units,
            "ifmap_buffer": pes * (self.ifmap_buffer or 0),
            "filter_buffer": pes * self.filter_buffer,
            "psum_spad": self.pe_count,
            "bus": pes * self.buses.words_per_cycle,
        }

    @property
    def mask_units(self) -> int:
        """Lanes: each finds, or is handed, its next demanded output."""
        return self.pe_count

    @property
    def least_glb_words(self) -> int:
        """A tile: a word for each lane."""
        return self.pe_count


Array = Annotated[RowStationaryArray | SystolicArray | OutputLanesArray, Field(discriminator="dataflow")]
