"""ArchSpec: one accelerator, complete and checked, all quantities in base units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from zapsim import units
from zapsim.arch.faults import AT_KEY
from zapsim.counts import Counts
from zapsim.errors import UnitError, did_you_mean


def _quantity(parse: Callable[[object], float]) -> BeforeValidator:
    """Wrap a unit parser as a pydantic validator (which wants ValueError)."""

    def validate(value: object) -> float:
        try:
            return parse(value)
        except UnitError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(validate)


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


Size = Annotated[int, _quantity(units.parse_size), AfterValidator(_positive)]
Width = Annotated[int, _quantity(units.parse_width), AfterValidator(_positive)]
Words = Annotated[int, _quantity(units.parse_words), AfterValidator(_positive)]
Latency = Annotated[int, _quantity(units.parse_cycles)]
Frequency = Annotated[float, _quantity(units.parse_frequency), AfterValidator(_positive)]
Bandwidth = Annotated[float, _quantity(units.parse_bandwidth), AfterValidator(_positive)]
Energy = Annotated[float, _quantity(units.parse_energy)]
Positive = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]

ENERGY_ACTIONS: tuple[str, ...] = (
    *(name for name in Counts().as_dict() if name not in {"macs_skipped", "macs_lost"}),
    "cycles",
)
"""What an energy table may price: the counts by their names, and ``cycles`` (clock network and leakage)."""


def _known_action(action: str) -> str:
    if action not in ENERGY_ACTIONS:
        hint = did_you_mean(action, ENERGY_ACTIONS) or f"; known: {', '.join(ENERGY_ACTIONS)}"
        raise ValueError(f"unknown action{hint}")
    return action


def _blame(key: str, fault: str) -> PydanticCustomError:
    """Return the error by which a section's check blames its `key`."""
    return PydanticCustomError(AT_KEY, "{fault}", {"key": key, "fault": fault})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spads(_Section):
    """Scratch pads of one PE, in words."""

    ifmap: Words
    filter: Words
    psum: Words


class Buses(_Section):
    """Width of the buses between GLB and array, in words a cycle; `psum` is the width of each direction."""

    ifmap: Positive
    filter: Positive
    psum: Positive


class PassParameters(_Section):
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


class RowStationaryMapping(_Section):
    """How layers are mapped: searched for `objective`, except those pinned by name."""

    objective: Literal["latency", "energy", "edp"] = "latency"
    pinned: dict[str, PassParameters] = Field(default_factory=dict)


class RowStationaryArray(_Section):
    """Eyeriss's array: a row of a filter stays in a PE, psums go up the columns.

    `balance` says in which order filters are dealt to passes and PE columns: as they are (``none``), or those with most
    outputs left first (``filter-sort``).
    """

    dataflow: Literal["row-stationary"]
    rows: Positive
    cols: Positive
    spads: Spads
    buses: Buses
    balance: Literal["none", "filter-sort"] = "none"
    mapping: RowStationaryMapping = RowStationaryMapping()


class SystolicArray(_Section):
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


class LaneSpread(_Section):
    """What each level of an output-lanes array is spread over; with ``slices`` the lanes of a PE share every output."""

    clusters: Literal["filters", "pixels"] = "filters"
    pes: Literal["filters", "pixels"] = "pixels"
    lanes: Literal["filters", "pixels", "slices"] = "pixels"


class OutputLanesArray(_Section):
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
            raise _blame("sync", "expected pe, cluster or array with spread.lanes = slices, got 'lane'")
        return self


Array = Annotated[RowStationaryArray | SystolicArray | OutputLanesArray, Field(discriminator="dataflow")]


def array_summary(array: Array) -> str:
    """Return an array in a few words."""
    if isinstance(array, OutputLanesArray):
        size = f"{array.clusters}×{array.pes} PEs × {array.lanes} lanes"
        return f"{size} {array.dataflow}, sync {array.sync}, dispatch {array.dispatch}"
    return f"{array.rows}×{array.cols} {array.dataflow}"


class Buffer(_Section):
    """An on-chip memory."""

    size: Size


class Buffers(_Section):
    """On-chip memories behind the array."""

    glb: Buffer


class Dram(_Section):
    """Off-chip memory: bandwidth in bytes a second, and how feature maps are coded on their way."""

    bandwidth: Bandwidth
    compression: Literal["none", "rlc"] = "none"


class PredictorUnit(_Section):
    """The hardware that runs the predictors.

    ``dedicated``: `lanes` MACs a cycle of its own, working on finished outputs while the array goes on with stage A,
    and `latency` cycles from its last input to the last mask bit. ``array``: a depthwise layer on the PE array,
    between the stages. ``ideal``: free.
    """

    unit: Literal["dedicated", "array", "ideal"]
    lanes: Positive = 1
    latency: Latency = 0
    granularity: Literal["layer"] = "layer"

    @model_validator(mode="after")
    def _lanes_given(self) -> Self:
        if self.unit == "dedicated" and "lanes" not in self.model_fields_set:
            raise _blame("lanes", "missing, a dedicated unit needs it (MACs a cycle)")
        return self


class EnergyTable(_Section):
    """Energy per action in pJ; words are of the architecture's width."""

    technology: str
    actions: dict[Annotated[str, AfterValidator(_known_action)], Energy]

    @model_validator(mode="after")
    def _gating_saves(self) -> Self:
        gated, executed = (self.actions.get(action) for action in ("macs_gated", "macs_executed"))
        if gated is not None and executed is not None and gated > executed:
            raise _blame("actions.macs_gated", f"{gated:g} pJ is more than the {executed:g} pJ of macs_executed")
        return self


class ArchSpec(_Section):
    """One accelerator.

    Attributes
    ----------
    word
        Bits of a word (ifmap, filter and psum words alike).
    clock
        Hz of the array.
    inputs
        What a MAC does with a zero ifmap value, under policies that leave inputs as set.
    sources
        Where values come from: the source of each value by its path (``energy.actions.dram_reads``), if it has one.
        Gathered from the file; not a key of it.
    """

    name: str
    description: str
    array: Array
    word: Width
    clock: Frequency
    buffers: Buffers
    dram: Dram
    inputs: Literal["dense", "gate", "skip"] = "dense"
    predictor: PredictorUnit
    energy: EnergyTable
    sources: dict[str, str] = Field(default_factory=dict)

    @property
    def word_bytes(self) -> float:
        """Bytes of a word."""
        return self.word / 8

    @property
    def hash(self) -> str:
        """SHA-256 of all values that can change a result (names and sources cannot)."""
        values: dict[str, Any] = self.model_dump(mode="json", exclude={"name", "description", "sources"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
