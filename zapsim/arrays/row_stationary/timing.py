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
from zapsim.arrays.row_stationary.search import map_stages, stage_pixels
from zapsim.arrays.row_stationary.sets import filter_sets
from zapsim.arrays.row_stationary.strips import Pixels, Stage, stage_rows
from zapsim.arrays.row_stationary.tiles import MASKED, POINTED, E, StagePasses, layer_sizes, pass_tiles
from zapsim.counts import Counts, Cycles
from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape


class RowStationaryEngine:
    """Eyeriss's dataflow behind the engine interface."""

    served = STANDARD

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0
    ) -> list[PassParameters]:
        """Take the mappings pinned for the layer's name, or else find the best one of each stage."""
        return map_stages(shape, arch, stages, coded)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage; a pass without any demanded output costs and loads nothing."""
        array = Resources.of(arch)
        passes = _stage_passes(shape, arch, array, mapping, demand)
        sums = dict(zip(SUMS, passes.sums.tolist(), strict=True))
        cycles = Cycles(**{part: sums.pop(part) for part in SUMS[:5]})
        waiting, working, active = (sums.pop(name) for name in ("waiting", "working", "active_pes"))
        sums["glb_writes"] += sums.pop("pointers")  # once, for all tiles of channels
        channels_per_tile = mapping.q * mapping.r
        last_channels = shape.C_per_group - (shape.C_per_group - 1) // channels_per_tile * channels_per_tile
        return StageResult(
            cycles,
            Counts(**sums, **_mac_actions(shape, demand, last_channels)),
            active,
            pass_tiles(passes, demand.ifmap_coded_words),
            # All columns of a pass take the cycles of the busiest one; their outputs say how many of these they work.
            imbalance=waiting / working if working else 1.0,
        )


def _stage_passes(
    shape: ConvShape, arch: ArchSpec, array: Resources, mapping: PassParameters, demand: Demand
) -> StagePasses:
    """Say what each pass of a stage holds and costs, which passes have work, and which share ifmap strips."""
    in_rows = None if demand.positions is None else tuple(demand.positions.sum(axis=1).tolist())
    pixels, by_mask = stage_pixels(arch, in_rows), demand.mask_pixels is not None and not demand.gate
    sizes = layer_sizes(shape, mapping, array.rows_per_column, pixels)
    strips = sizes.strips
    if demand.mask_pixels is not None:
        strips = strips.copy()
        strips[MASKED] = _masked_pixels(shape, mapping, pixels, demand.mask_pixels)
        strips[POINTED] = set_columns(array, strips[E]) if array.compact and by_mask else 0
    if demand.mask is None or demand.gate:
        busiest = np.empty((1, 0, 1, 1), dtype=np.int64)
        psums = np.empty((shape.groups, *pass_grid(shape, mapping, pixels)), dtype=np.int64)
    else:
        balance = row_stationary_array(arch).balance
        busiest, psums = work_per_pass(shape, mapping, demand.mask, balance, pixels)
    numbers = Numbers(
        shape.R, shape.S, shape.Q, sizes.columns, mapping.t, mapping.r,
        array.ifmap_bus, array.filter_bus, array.psum_bus, array.rows_per_column, array.mask_word,
    )  # fmt: skip
    cycles = np.empty((2, *psums.shape), dtype=np.int64)
    sums = pass_sums(
        sizes.filters, sizes.channels, sizes.images, strips, np.array(numbers, dtype=np.int64), busiest, psums, cycles
    )
    stage = Stage(pixels=pixels, by_mask=by_mask)
    pointers = sizes.filter_columns[:, np.newaxis, np.newaxis] * strips[POINTED][:, np.newaxis]
    sets = filter_sets(shape, array, mapping, stage, psums, pointers)
    return StagePasses(shape, mapping, pixels, sizes, psums, cycles, sums, sets)


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
    rows = mask.summary(row_counts)
    if len(stage_rows(shape, pixels)) < shape.P:
        rows = np.ascontiguousarray(rows[:, stage_rows(shape, pixels)])
    if balance in ORDERS:
        rows = np.ascontiguousarray(rows[:, :, ORDERS[balance](shape, mapping, rows)])
    busiest = np.empty((shape.groups, *pass_grid(shape, mapping, pixels)), dtype=np.int64)
    total = np.empty_like(busiest)
    tile = mapping.n, mapping.e, mapping.p, mapping.t
    pass_work(rows, shape.groups, tile, balance == "row-pairing", busiest, total)
    return busiest, total


def row_counts(mask: PackedMap) -> NDArray[np.int32]:
    """Count the bits set in each row of each channel: int32 (images, rows, channels)."""
    images, rows, _, channels = mask.shape
    out = np.empty((images, rows, channels), dtype=np.int32)
    bits.row_counts(mask.words(), out)
    return out


def _mac_actions(shape: ConvShape, demand: Demand, last_channels: int) -> dict[str, int]:
    """Count MACs, and the spad reads and writes that go with them.

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
    return {
        "macs_executed": executed,
        "macs_gated": computed * shape.macs_per_output - executed,
        "ifmap_spad_reads": read,
        "filter_spad_reads": executed,
        "psum_spad_reads": executed,
        "psum_spad_writes": executed,
    }
