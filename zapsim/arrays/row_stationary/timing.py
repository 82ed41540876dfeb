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
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import STANDARD, WHOLE_LAYER, Demand, StageResult, StageShare
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.row_stationary.equations import active_pes, pass_actions, pass_costs, psum_pointers
from zapsim.arrays.row_stationary.filter_order import ORDERS
from zapsim.arrays.row_stationary.kernels import pass_work
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    PassSizes,
    Resources,
    pass_sizes,
    row_stationary_array,
    set_columns,
    tile_classes,
    tiles,
)
from zapsim.arrays.row_stationary.search import map_stages, stage_pixels
from zapsim.arrays.row_stationary.sets import filter_sets
from zapsim.arrays.row_stationary.strips import Pixels, Stage, stage_rows, strips_of
from zapsim.arrays.row_stationary.tiles import StagePasses, pass_tiles
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
        sizes, passes = _stage_passes(shape, arch, mapping, demand)
        costs, present = passes.costs, passes.present
        times = passes.channel_tiles.reshape(2, 1, 1, 1, 1) * present

        def total(per_pass: Ints) -> int:
            return int((per_pass * times).sum())

        cycles = Cycles(
            compute=total(costs.compute),
            psum_bus=total(costs.psum_bus),
            ifmap_bus=total(costs.ifmap_bus),
            filter_load=total(costs.filter_load),
            ramp=total(costs.ramp),
        )
        actions = {name: total(per_pass) for name, per_pass in pass_actions(shape, array, sizes, costs).items()}
        channels_per_tile = mapping.q * mapping.r
        last_channels = shape.C_per_group - (shape.C_per_group - 1) // channels_per_tile * channels_per_tile
        actions |= _mac_actions(shape, demand, last_channels)
        actions["glb_writes"] += int((psum_pointers(sizes) * present).sum())  # once, for all tiles of channels
        active = active_pes(shape, array, sizes) * (times > 0)
        # All columns of a pass take the cycles of the busiest one; their outputs say how many of these they work.
        waiting = total(costs.compute * sizes.t * set_columns(array, sizes.e))
        working = total(shape.S * sizes.q * costs.psum)
        return StageResult(
            cycles,
            Counts(**actions),
            int(active.max()),
            pass_tiles(passes, _coded(shape, demand, passes.ifmap_words)),
            imbalance=waiting / working if working else 1.0,
        )


def _stage_passes(
    shape: ConvShape, arch: ArchSpec, mapping: PassParameters, demand: Demand
) -> tuple[PassSizes, StagePasses]:
    """Say what each pass of a stage holds and costs, which passes have work, and which share ifmap strips."""
    array = Resources.of(arch)
    in_rows = None if demand.positions is None else tuple(demand.positions.sum(axis=1).tolist())
    pixels, by_mask = stage_pixels(arch, in_rows), demand.mask_pixels is not None and not demand.gate
    sizes, _ = layer_passes(shape, mapping, array.rows_per_column, pixels)
    if demand.mask_pixels is not None:
        sizes = sizes._replace(
            masked=_masked_pixels(shape, mapping, pixels, demand.mask_pixels),
            pointed=set_columns(array, sizes.e) * (array.compact and by_mask),
        )
    if demand.mask is None or demand.gate:
        costs = pass_costs(shape, array, sizes)
        present = np.ones((shape.groups, *pass_grid(shape, mapping, pixels)), dtype=np.int64)
    else:
        balance = row_stationary_array(arch).balance
        busiest, outputs = work_per_pass(shape, mapping, demand.mask, balance, pixels)
        costs = pass_costs(shape, array, sizes, busiest, outputs)
        present = (outputs > 0).astype(np.int64)
    psums = np.broadcast_to(costs.psum, (2, *present.shape))[0]
    stage = Stage(pixels=pixels, by_mask=by_mask)
    sets = filter_sets(shape, array, mapping, stage, psums, psum_pointers(sizes))
    return sizes, StagePasses(shape, mapping, pixels, costs, present, sets)


def _coded(shape: ConvShape, demand: Demand, words: int) -> int:
    """Return the words that so many plain words of ifmap strips are in DRAM.

    A strip takes its share of the coded map, as if zeros were spread evenly over it.
    """
    coded = shape.ifmap_words if demand.ifmap_coded_words is None else demand.ifmap_coded_words
    return -(-words * coded // shape.ifmap_words)


def pass_grid(shape: ConvShape, mapping: PassParameters, pixels: Pixels = None) -> tuple[int, int, int]:
    """Return the number of filter tiles (of a group), row strips and image tiles."""
    rows = len(stage_rows(shape, pixels))
    pairs = ((shape.K_per_group, mapping.p * mapping.t), (rows, mapping.e), (shape.N, mapping.n))
    filter_tiles, strips, image_tiles = (-(-total // tile) for total, tile in pairs)
    return filter_tiles, strips, image_tiles


@lru_cache(maxsize=1024)
def layer_passes(
    shape: ConvShape, mapping: PassParameters, rows_per_column: int = 1, pixels: Pixels = None
) -> tuple[PassSizes, Ints]:
    """Return the passes of one group of a layer, and how often each occurs.

    Returns
    -------
    sizes
        Arrays that broadcast to (2, 1, filter tiles, row strips, image tiles); the first axis holds the full tiles of
        channels and the last, partial one; the second is for groups, which are alike. None waits for a mask.
    times
        int64 (2, 1, 1, 1, 1): number of channel tiles of each class.
    """
    qr, times = tile_classes(shape.C_per_group, np.array(mapping.q * mapping.r))
    strips = strips_of(shape, mapping.e, pixels, rows_per_column)
    none = np.zeros_like(strips.e)
    sizes = pass_sizes(
        tiles(shape.K_per_group, mapping.p * mapping.t)[:, None, None],
        np.array(mapping.t),
        qr[:, None, None, None, None],
        np.array(mapping.r),
        tiles(shape.N, mapping.n),
        tuple(part[:, np.newaxis] for part in (strips.e, strips.streamed, strips.first, none, none)),
    )
    return sizes, times[:, None, None, None, None]


def _masked_pixels(shape: ConvShape, mapping: PassParameters, pixels: Pixels, mask_pixels: NDArray[np.bool_]) -> Ints:
    """Count the pixels of each strip whose outputs wait for a bit of the mask: int64 (strips, 1)."""
    in_row = mask_pixels.sum(axis=1)[stage_rows(shape, pixels)]
    return np.add.reduceat(in_row, np.arange(0, len(in_row), mapping.e))[:, np.newaxis]


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
    outputs = None if demand.mask is None else outputs_per_pixel(demand.mask, shape.groups)
    executed, read = switching_macs(shape, outputs, demand.window_nonzero), demanded * shape.macs_per_output
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
