"""The row-stationary engine: cycles and actions of one stage of a layer on an Eyeriss-like array.

The equations are in :mod:`zapsim.arrays.row_stationary.equations`; here the mask says how much work each pass has, and
the passes are added up.

A pass takes as long as its busiest PE column. The order of a layer's filters is free (it is settled with the weights,
and the next layer's channels follow it), so filters of about the same density share a pass (``balance: filter-sort``),
or all columns get about the same work (``filter-deal``). Both go by the outputs of the stage itself: a bound of what an
order that is settled beforehand can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, WHOLE_LAYER, Demand, StageResult, StageShare
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.row_stationary.filter_order import ORDERS
from zapsim.arrays.row_stationary.kernels import pass_work
from zapsim.arrays.row_stationary.mapping import Ints, Resources, row_stationary_array, set_columns
from zapsim.arrays.row_stationary.pass_kernels import SUMS, Numbers, pass_sums
from zapsim.arrays.row_stationary.search import Search, map_stages, search, stage_pixels
from zapsim.arrays.row_stationary.sets import FilterSets, even_sets, filter_sets
from zapsim.arrays.row_stationary.strips import Pixels, Stage, stage_rows
from zapsim.arrays.row_stationary.tiles import MASKED, POINTED, E, LayerSizes, StagePasses, layer_sizes, pass_tiles
from zapsim.counts import Counts, Cycles
from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape


class RowStationaryEngine:
    """Eyeriss's dataflow behind the engine interface.

    Parameters
    ----------
    find
        What searches for mappings: :func:`zapsim.arrays.row_stationary.search.search`, or another that finds the same.
    """

    served = STANDARD

    def __init__(self, find: Search = search) -> None:
        self._find = find

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0
    ) -> list[PassParameters]:
        """Take the mappings pinned for the layer's name, or else find the best one of each stage."""
        return map_stages(shape, arch, stages, coded, self._find)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage; a pass without any demanded output costs and loads nothing."""
        frame = demand.once(stage_frame, shape, arch, mapping)
        passes = stage_passes(frame, demand)
        sums = passes.sums.tolist()
        compute, psum_bus, ifmap_bus, filter_load, ramp, *storage, waiting, working, active, pointers, _ = sums
        storage[_GLB_WRITES] += pointers  # once, for all tiles of channels
        return StageResult(
            Cycles(compute, 0, ifmap_bus, psum_bus, filter_load, ramp),
            Counts.of(_in_order((*storage, *_mac_actions(shape, demand, frame.last_channels), 0))),
            active,
            pass_tiles(passes, demand.ifmap_coded_words),
            # All columns of a pass take the cycles of the busiest one; their outputs say how many of these they work.
            imbalance=waiting / working if working else 1.0,
        )


_STORAGE: Final = SUMS[5:-5]
"""Actions that the passes add up, which come behind the kinds of cycles."""

_MACS: Final = (
    "macs_executed", "macs_gated", "ifmap_spad_reads", "filter_spad_reads", "psum_spad_reads", "psum_spad_writes",
)  # fmt: skip
_GLB_WRITES: Final = _STORAGE.index("glb_writes")


def _take_in_order(names: Sequence[str]) -> itemgetter[tuple[int, ...]]:
    """Make what puts actions of these names, with a zero behind them, in the order of :class:`Counts`."""
    return itemgetter(*(names.index(name) if name in names else len(names) for name in Counts._fields))


_in_order: Final = _take_in_order((*_STORAGE, *_MACS))


@dataclass(frozen=True, slots=True, eq=False)
class StageFrame:
    """What is the same whenever a stage runs: everything but its mask.

    Attributes
    ----------
    shape, array, mapping, balance
        What is mapped where, and how filters are dealt.
    stage
        What is known of the stage beforehand.
    sizes
        What the tiles of each dimension hold.
    strips, pointers
        As the walk takes them: with the pixels that wait for the mask, and the words that point to psums.
    numbers
        The fields of :class:`zapsim.arrays.row_stationary.pass_kernels.Numbers`.
    grid
        Groups, filter tiles, strips and image tiles.
    last_channels
        Channels of the last tile of channels.
    sets
        Sets of filters, if they do not depend on the mask.
    """

    shape: ConvShape
    array: Resources
    mapping: PassParameters
    balance: str
    stage: Stage
    sizes: LayerSizes
    strips: Ints
    pointers: Ints
    numbers: Ints
    grid: tuple[int, int, int, int]
    last_channels: int
    sets: FilterSets | None


def stage_frame(shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageFrame:
    """Say what the passes of a stage hold, whatever its mask will be."""
    array = Resources.of(arch)
    pixels, by_mask = stage_pixels(arch, demand.pixels), demand.mask_pixels is not None and not demand.gate
    sizes = layer_sizes(shape, mapping, array.rows_per_column, pixels)
    strips = sizes.strips
    if demand.mask_pixels is not None:
        strips = strips.copy()
        strips[MASKED] = _masked_pixels(shape, mapping, pixels, demand.mask_pixels)
        strips[POINTED] = set_columns(array, strips[E]) if array.compact and by_mask else 0
    numbers = Numbers(
        shape.R, shape.S, shape.Q, sizes.columns, mapping.t, mapping.r,
        array.ifmap_bus, array.filter_bus, array.psum_bus, array.rows_per_column, array.mask_word,
    )  # fmt: skip
    grid, stage = (shape.groups, *pass_grid(shape, mapping, pixels)), Stage(pixels=pixels, by_mask=by_mask)
    channels_per_tile = mapping.q * mapping.r
    return StageFrame(
        shape,
        array,
        mapping,
        row_stationary_array(arch).balance,
        stage,
        sizes,
        strips,
        sizes.filter_columns[:, np.newaxis, np.newaxis] * strips[POINTED][:, np.newaxis],
        np.array(numbers, dtype=np.int64),
        grid,
        shape.C_per_group - (shape.C_per_group - 1) // channels_per_tile * channels_per_tile,
        None if array.compact and by_mask else even_sets(shape, array, mapping, stage, grid),
    )


_ALL_BUSY: Final = np.empty((1, 0, 1, 1), dtype=np.int64)


def stage_passes(frame: StageFrame, demand: Demand) -> StagePasses:
    """Say what each pass of a stage costs, which passes have work, and which share ifmap strips."""
    shape, sizes, sets = frame.shape, frame.sizes, frame.sets
    if demand.mask is None or demand.gate:
        busiest, psums = _ALL_BUSY, np.empty(frame.grid, dtype=np.int64)
    else:
        ends = _ends_of(shape, frame.mapping, demand.mask, frame.balance, frame.stage.pixels)
        busiest, psums = _pass_work(ends, frame.mapping, frame.balance, frame.grid)
    cycles = np.empty((2, *frame.grid), dtype=np.int64)
    sums = np.empty(len(SUMS), dtype=np.int64)
    pass_sums(sizes.filters, sizes.channels, sizes.images, frame.strips, frame.numbers, busiest, psums, cycles, sums)
    if sets is None:
        sets = filter_sets(shape, frame.array, frame.mapping, frame.stage, psums, frame.pointers)
    return StagePasses(shape, frame.mapping, frame.stage.pixels, sizes, psums, cycles, sums, sets)


def pass_grid(shape: ConvShape, mapping: PassParameters, pixels: Pixels = None) -> tuple[int, int, int]:
    """Return the number of filter tiles (of a group), row strips and image tiles."""
    rows = len(stage_rows(shape, pixels))
    pairs = ((shape.K_per_group, mapping.p * mapping.t), (rows, mapping.e), (shape.N, mapping.n))
    filter_tiles, strips, image_tiles = (-(-total // tile) for total, tile in pairs)
    return filter_tiles, strips, image_tiles


def _masked_pixels(shape: ConvShape, mapping: PassParameters, pixels: Pixels, mask_pixels: NDArray[np.bool_]) -> Ints:
    """Count the pixels of each strip whose outputs wait for a bit of the mask: int64 (strips,)."""
    in_row = mask_pixels.sum(axis=1)[stage_rows(shape, pixels)]
    return np.add.reduceat(in_row, np.arange(0, len(in_row), mapping.e))


def work_per_pass(
    shape: ConvShape, mapping: PassParameters, mask: PackedMap, balance: str = "none", pixels: Pixels = None
) -> tuple[Ints, Ints]:
    """Count the outputs of the busiest PE column, and of all, for each residency of psums on the array.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    mask
        Outputs to compute (N, P, Q, K).
    balance
        As in :class:`zapsim.arch.arrays.RowStationaryArray`.
    pixels
        Pixels of each ofmap row in which the stage may compute; None: all.

    Returns
    -------
    busiest, total
        int64 (groups, filter tiles, row strips, image tiles); the same for every tile of channels.
    """
    grid = shape.groups, *pass_grid(shape, mapping, pixels)
    return _pass_work(_ends_of(shape, mapping, mask, balance, pixels), mapping, balance, grid)


def _ends_of(
    shape: ConvShape, mapping: PassParameters, mask: PackedMap, balance: str, pixels: Pixels
) -> NDArray[np.int32]:
    """Count the outputs of the first k filters, in the order in which they are dealt, in each row of the stage."""
    if balance not in ORDERS:
        return mask.summary(row_ends, pixels)
    rows = mask.summary(row_counts)[:, stage_rows(shape, pixels)]
    return _ends(rows[:, :, ORDERS[balance](shape, mapping, rows)])


def _pass_work(
    ends: NDArray[np.int32], mapping: PassParameters, balance: str, grid: tuple[int, int, int, int]
) -> tuple[Ints, Ints]:
    """Count what :func:`work_per_pass` returns."""
    busiest, total = np.empty(grid, dtype=np.int64), np.empty(grid, dtype=np.int64)
    tile = mapping.n, mapping.e, mapping.p, mapping.t
    pass_work(ends, grid[0], tile, balance == "row-pairing", busiest, total)
    return busiest, total


def row_ends(mask: PackedMap, pixels: Pixels = None) -> NDArray[np.int32]:
    """Count the bits set in each row of the first k channels, for every k: int32 (images, rows, channels + 1).

    So the outputs of neighbouring filters are a difference, however many they are. Rows without a pixel of the stage
    are left out.
    """
    rows = mask.summary(row_counts)
    return _ends(rows if pixels is None else rows[:, np.flatnonzero(pixels)])


def _ends(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    images, count, channels = rows.shape
    ends = np.zeros((images, count, channels + 1), dtype=np.int32)
    np.cumsum(rows, axis=2, out=ends[:, :, 1:])
    return ends


def row_counts(mask: PackedMap) -> NDArray[np.int32]:
    """Count the bits set in each row of each channel: int32 (images, rows, channels)."""
    images, rows, _, channels = mask.shape
    out = np.empty((images, rows, channels), dtype=np.int32)
    bits.row_counts(mask.words(), out)
    return out


def _mac_actions(shape: ConvShape, demand: Demand, last_channels: int) -> tuple[int, ...]:
    """Count MACs, and the spad reads and writes that go with them, in the order of :data:`_MACS`.

    A MAC that switches reads an ifmap, a filter and a psum word and writes the psum (the first one of a psum reads
    nothing, but handing it up the column is one more read). One that is gated by a zero ifmap has read just that; one
    whose output is gated reads nothing.

    An output can be gated only once its mask bit exists. In dense order the outputs of the pattern are final in the
    last tile of channels, so at most the MACs with its `last_channels` are gated: a bound, because the predictor also
    sees outputs of the rows below. Where inputs are gated too, zeros are taken to be spread evenly over the channels.
    """
    demanded = shape.outputs if demand.mask is None else demand.mask.count()
    computed = shape.outputs if demand.gate else demanded
    executed = read = demanded * shape.macs_per_output
    if demand.window_nonzero is not None:
        outputs = None if demand.mask is None else outputs_per_pixel(demand.mask, shape.groups)
        executed = switching_macs(shape, outputs, demand.window_nonzero)
    if demand.gate:
        not_gated = switching_macs(shape, None, demand.window_nonzero)
        executed = not_gated - (not_gated - executed) * last_channels // shape.C_per_group
        read = shape.macs - (shape.macs - read) * last_channels // shape.C_per_group
    return executed, computed * shape.macs_per_output - executed, read, executed, executed, executed
