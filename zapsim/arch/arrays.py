"""The arrays that an architecture can have, one section each, told apart by their dataflow."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zapsim.arch.section import Positive, Section, Words, blame


class Spads(Section):
    """Scratch pads of one PE, in words."""

    ifmap: Words
    filter: Words
    psum: Words


class Buses(Section):
    """Width of the buses between GLB and array, in words a cycle; `psum` is the width of each direction."""

    ifmap: Positive
    filter: Positive
    psum: Positive


class PassParameters(Section):
    """Mapping of a row-stationary layer: the names of Eyeriss (JSSC 2017, Table III).

    m filters of psums stay in the GLB; n ifmaps; a set is e ofmap rows wide; a PE holds p filters × q channels;
    r sets work on different channels and t sets on different filters.
    """

    m: Positive
    n: Positive
    e: Positive
    p: Positive
    q: Positive
    r: Positive
    t: Positive


class RowStationaryMapping(Section):
    """How layers are mapped: searched for `objective`, except those pinned by name.

    Both ways to search find the same mappings: ``pruned`` leaves out what a bound shows to be no better, ``exhaustive``
    looks at all.
    """

    objective: Literal["latency", "energy", "edp"] = "latency"
    search: Literal["pruned", "exhaustive"] = "pruned"
    pinned: dict[str, PassParameters] = Field(default_factory=dict)


class RowStationaryArray(Section):
    """Eyeriss's array: a row of a filter stays in a PE, psums go up the columns.

    `balance` says how PE columns get about as much to do. ``none``: filters are dealt to passes and columns in the
    layer's order, and a column works on one ofmap row of a strip. ``filter-sort``: filters with most outputs left come
    first. ``row-pairing``: a column works on two ofmap rows of a strip, one of its upper and one of its lower half; so
    a set is half as wide.
    """

    dataflow: Literal["row-stationary"]
    rows: Positive
    cols: Positive
    spads: Spads
    buses: Buses
    balance: Literal["none", "filter-sort", "row-pairing"] = "none"
    mapping: RowStationaryMapping = RowStationaryMapping()


class SystolicArray(Section):
    """A rigid array in which operands move one PE a cycle.

    The defaults count dense layers as SCALE-Sim does.

    Attributes
    ----------
    drain
        An output-stationary fold's results leave while the next fold fills (``overlapped``) or take `rows` cycles of
        their own (``serial``).
    partial_folds
        A fold that leaves rows or columns idle fills and drains like a ``full`` one, or like an array of the size
        that it uses (``shrunk``).
    fold_boundary
        Under a mask, the pixels of an output- or input-stationary fold are the next ones that are needed, wherever
        they are (``crossed``), or only those of the dense fold, which is skipped only if none is needed (``kept``).
        None: crossed for output-stationary arrays; kept for input-stationary ones, because their tiles would change
        with every pixel left out, so that more zeros could raise the MACs.
    pixel_order
        Pixels are put on the array as in the map (``raster``), or sorted by how many of their outputs are needed and
        by which, so that pixels with similar masks share a fold (``grouped``).
    channel_order
        Filters share a fold ``as-is``, or ``by-density``: sorted by how many of their outputs are needed.
    """

    dataflow: Literal["weight-stationary", "output-stationary", "input-stationary"]
    rows: Positive
    cols: Positive
    drain: Literal["overlapped", "serial"] = "overlapped"
    partial_folds: Literal["full", "shrunk"] = "full"
    fold_boundary: Literal["crossed", "kept"] | None = None
    pixel_order: Literal["raster", "grouped"] = "raster"
    channel_order: Literal["as-is", "by-density"] = "as-is"

    @property
    def crosses_folds(self) -> bool:
        """Whether needed pixels may move from one fold to another."""
        if self.fold_boundary is None:
            return self.dataflow == "output-stationary"
        return self.fold_boundary == "crossed"


class LaneSpread(Section):
    """What each level of an output-lanes array is spread over; with ``slices`` the lanes of a PE share every output."""

    clusters: Literal["filters", "pixels"] = "filters"
    pes: Literal["filters", "pixels"] = "pixels"
    lanes: Literal["filters", "pixels", "slices"] = "pixels"


class OutputLanesArray(Section):
    """Clusters × PEs × lanes, in which a lane computes whole outputs one after another.

    Attributes
    ----------
    clusters, pes, lanes, macs_per_lane
        Clusters, PEs of a cluster, lanes of a PE, and MACs a cycle of a lane.
    spread
        What clusters, PEs and lanes differ in.
    sync
        The lanes that start their next outputs together, when the slowest of them is done: none wait (``lane``), or
        those of a ``pe``, of a ``cluster``, or of the whole ``array``.
    dispatch
        Outputs are dealt out in turn beforehand (``static``), or whoever is free takes the next (``queue``).
    check_interval
        MACs between two checks of the sign (early exit).
    brick
        Neighbouring channels that go to one lane together (``spread.lanes: slices``).
    filter_buffer
        Words of weights that a PE keeps.
    buses
        Words a cycle between GLB and array.
    """

    dataflow: Literal["output-lanes"]
    clusters: Positive
    pes: Positive
    lanes: Positive
    macs_per_lane: Positive = 1
    spread: LaneSpread = LaneSpread()
    sync: Literal["lane", "pe", "cluster", "array"] = "lane"
    dispatch: Literal["static", "queue"] = "static"
    check_interval: Positive = 1
    brick: Positive = 16
    filter_buffer: Words
    buses: Buses

    @model_validator(mode="after")
    def _slices_wait(self) -> Self:
        if self.spread.lanes == "slices" and self.sync == "lane":
            raise blame("sync", "expected pe, cluster or array with spread.lanes = slices, got 'lane'")
        return self


Array = Annotated[RowStationaryArray | SystolicArray | OutputLanesArray, Field(discriminator="dataflow")]


def pe_count(array: Array) -> int:
    """Return how many PEs (lanes, in an array of lanes) an array has."""
    if isinstance(array, OutputLanesArray):
        return array.clusters * array.pes * array.lanes
    return array.rows * array.cols


def array_summary(array: Array) -> str:
    """Return an array in a few words."""
    if isinstance(array, OutputLanesArray):
        size = f"{array.clusters}×{array.pes} PEs × {array.lanes} lanes"
        return f"{size} {array.dataflow}, sync {array.sync}, dispatch {array.dispatch}"
    return f"{array.rows}×{array.cols} {array.dataflow}"
