"""The useful work of every PE: where on the array the MACs of demanded outputs are done.

The engines need only sums and the busiest PE. Here each demanded output is put on the PE that computes it, by the rules
that the engines' pages state, so that a figure can show which PEs have little to do. Summed over all PEs, they are the
demanded MACs of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import OutputLanesArray, RowStationaryArray, SystolicArray
from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.engines import ENGINES
from zapsim.arrays.lanes.mapping import LanesMapping
from zapsim.arrays.row_stationary.filter_order import ORDERS
from zapsim.arrays.row_stationary.mapping import Resources, set_columns, tiles
from zapsim.arrays.row_stationary.search import stage_pixels
from zapsim.arrays.row_stationary.strips import stage_rows
from zapsim.arrays.systolic.mapping import SystolicMapping
from zapsim.errors import ZapsimError
from zapsim.timing.combination import LayerTiming
from zapsim.timing.stages import layer_mask, stage_demands, stage_shares
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def pe_macs(arch: ArchSpec, layer: LayerTrace, policy: Policy, timing: LayerTiming) -> Ints:
    """Count the demanded MACs of a layer in every PE (or lane): int64 (rows, columns of the array).

    Systolic arrays side by side are added up. Lanes of a queue share its work evenly, rounded down.

    Parameters
    ----------
    arch, layer, policy
        What ran.
    timing
        The layer's, which says whether its predictor was used.

    Raises
    ------
    ZapsimError
        If the array deals its work in an order that depends on all masks, so that no PE has a place of its own.
    """
    mask = layer_mask(layer, policy)
    if mask is not None and timing.demanded_macs == layer.shape.macs:
        mask = None  # the predictor does not pay, and is not used
    demands = stage_demands(arch, layer, policy, mask)
    coded_words = demands[0].ifmap_coded_words
    coded = 1.0 if coded_words is None else coded_words / layer.shape.ifmap_words
    engine = ENGINES[arch.array.dataflow]
    mappings = engine.map_stages(layer.shape, arch, stage_shares(layer.shape, demands), coded)
    work = _WORK[type(arch.array)]
    parts = [work(layer.shape, arch, mapping, demand) for mapping, demand in zip(mappings, demands, strict=True)]
    return np.asarray(sum(parts))


def _demanded(shape: ConvShape, demand: Demand) -> Mask:
    """Unpack what a stage demands: bool (N, P, Q, K)."""
    if demand.mask is not None:
        return demand.mask.unpack()
    return np.ones((shape.N, shape.P, shape.Q, shape.K), dtype=np.bool_)


def _on_array(demand: Demand, demanded: Mask) -> tuple[Mask, bool]:
    """Return the outputs of the pixels that are put on the array, bool (pixels, K), and whether others are left out."""
    flat = demanded.reshape(-1, demanded.shape[-1])
    if demand.mask is None or demand.gate:
        return flat, False
    if demand.positions is None:
        return flat, True
    return flat[np.tile(demand.positions.ravel(), len(demanded))], True


# --- row-stationary -------------------------------------------------------------------------------------------------


def _row_stationary(shape: ConvShape, arch: ArchSpec, mapping: Any, demand: Demand) -> Ints:
    """Put ofmap rows on PE columns, and channels and filter rows on PE rows.

    A PE does S · (its channels) MACs for each demanded output of its ofmap row and filters. The t groups stand beside
    one another as far as the columns go, then below; a set wider than the array is folded.
    """
    array, spec = Resources.of(arch), arch.array
    assert isinstance(spec, RowStationaryArray)
    in_rows = None if demand.positions is None else tuple(demand.positions.sum(axis=1).tolist())
    pixels = stage_pixels(arch, in_rows)
    rows = _demanded(shape, demand).sum(axis=2, dtype=np.int32)[:, stage_rows(shape, pixels)]
    if spec.balance in ORDERS and demand.mask is not None and not demand.gate:
        rows = rows[:, :, ORDERS[spec.balance](shape, mapping, rows)]
    outputs = _set_outputs(shape, mapping, rows.sum(axis=0, dtype=np.int64), array.rows_per_column)
    channels = np.zeros(mapping.r, dtype=np.int64)
    for size in tiles(shape.C_per_group, mapping.q * mapping.r).tolist():
        share = -(-size // mapping.r)
        channels += np.clip(size - share * np.arange(mapping.r), 0, share)
    columns = int(set_columns(array, np.array(mapping.e)))
    folds, beside = -(-columns // array.cols), max(array.cols // columns, 1)
    macs = np.zeros((array.rows, array.cols), dtype=np.int64)
    for group in range(mapping.t):
        for part in range(mapping.r):
            top = ((group // beside) * mapping.r + part) * folds * shape.R
            for column in range(columns):
                row = top + column // array.cols * shape.R
                place = (group % beside) * columns + column % array.cols
                macs[row : row + shape.R, place] += shape.S * channels[part] * outputs[column, group]
    return macs


def _set_outputs(shape: ConvShape, mapping: Any, rows: Ints, rows_in_turn: int) -> Ints:
    """Count the outputs of each PE column of a set and of each filter group: int64 (columns, t).

    `rows` are the demanded outputs by ofmap row of the stage and filter: int64 (rows, K).
    """
    filters, width = np.arange(shape.K_per_group), mapping.p * mapping.t
    size = np.minimum(width, shape.K_per_group - filters // width * width)
    group = np.tile(filters % width // -(-size // mapping.t), shape.groups)
    outputs = np.zeros((-(-mapping.e // rows_in_turn), mapping.t), dtype=np.int64)
    for top in range(0, len(rows), mapping.e):
        strip = rows[top : top + mapping.e]
        columns = -(-len(strip) // rows_in_turn)
        for index, row in enumerate(strip):
            outputs[index % columns] += np.bincount(group, weights=row, minlength=mapping.t).astype(np.int64)
    return outputs


# --- systolic -------------------------------------------------------------------------------------------------------


def _systolic(shape: ConvShape, arch: ArchSpec, mapping: SystolicMapping, demand: Demand) -> Ints:
    """Put products or pixels on rows, filters or pixels on columns; what is left out moves others up, if set so."""
    array = mapping.array
    if array.filters_sorted_by is not None or array.pixel_order == "grouped":
        raise ZapsimError(f"{arch.name}: the array sorts its work by all masks, so PEs have no places of their own")
    flat, leaves_out = _on_array(demand, _demanded(shape, demand))
    macs = np.zeros((array.rows, array.cols), dtype=np.int64)
    by_group = flat.reshape(len(flat), shape.groups, shape.K_per_group).transpose(1, 0, 2)
    covered = np.maximum(-(-(mapping.Sr - np.arange(array.rows)) // array.rows), 0)  # folds in which a row has work
    for index in range(shape.groups):
        group: Mask = by_group[index]
        if array.dataflow == "weight-stationary":
            macs += covered[:, np.newaxis] * _by_place(group.sum(axis=0), np.arange(group.shape[1]), array.cols)
        elif array.dataflow == "input-stationary":
            places = _places(np.asarray(group.any(axis=1)), leaves_out and array.crosses_folds)
            macs += covered[:, np.newaxis] * _by_place(group.sum(axis=1), places, array.cols)
        else:
            for first in range(0, group.shape[1], array.cols):
                tile = group[:, first : first + array.cols]
                places = _places(np.asarray(tile.any(axis=1)), leaves_out and array.crosses_folds) % array.rows
                for column, filter_ in enumerate(tile.T):
                    outputs = np.bincount(places, weights=filter_, minlength=array.rows)
                    macs[:, column] += outputs.astype(np.int64) * shape.macs_per_output
    return macs


def _places(demanded: Mask, crossed: bool) -> Ints:
    """Give each pixel of a tile a place: that of the dense layer, or the one after the last pixel with work."""
    if not crossed:
        return np.arange(len(demanded), dtype=np.int64)
    return np.asarray(np.maximum(np.cumsum(demanded) - 1, 0), dtype=np.int64)


def _by_place(outputs: Ints, places: Ints, size: int) -> Ints:
    """Sum outputs over the places that share a row or a column of the array: int64 (size,)."""
    return np.bincount(places % size, weights=outputs, minlength=size).astype(np.int64)


# --- output lanes ---------------------------------------------------------------------------------------------------


def _lanes(shape: ConvShape, arch: ArchSpec, mapping: LanesMapping, demand: Demand) -> Ints:
    """Deal filters and pixels to lanes in turn: int64 (clusters · PEs, lanes)."""
    array = mapping.array
    if demand.exit_macs is not None or array.dispatch == "block-queue":
        raise ZapsimError(f"{arch.name}: which lane takes an output is known only while it runs, so it has no place")
    flat, _ = _on_array(demand, _demanded(shape, demand))
    filters, pixels = mapping.whole.filters, mapping.whole.pixels
    filter_lane = np.arange(shape.K) % shape.K_per_group % filters
    by_pixel = np.zeros((pixels, shape.K), dtype=np.int64)
    np.add.at(by_pixel, np.arange(len(flat)) % pixels, flat)
    outputs = np.zeros((filters, pixels), dtype=np.int64)
    np.add.at(outputs, filter_lane, by_pixel.T)
    levels = ((array.spread.clusters, array.clusters), (array.spread.pes, array.pes), (array.spread.lanes, array.lanes))
    macs = np.empty((array.clusters * array.pes, array.lanes), dtype=np.int64)
    for place in np.ndindex(array.clusters, array.pes, array.lanes):
        lane = {"filters": 0, "pixels": 0}
        for (kind, size), at in zip(levels, place, strict=True):
            if kind != "slices":
                lane[kind] = lane[kind] * size + at
        taken = outputs[lane["filters"], lane["pixels"]] * _slice_macs(shape, mapping, place[2])
        macs[place[0] * array.pes + place[1], place[2]] = taken
    if array.dispatch == "queue":
        macs[:] = macs.sum(axis=1, keepdims=True) // array.lanes
    return macs


def _slice_macs(shape: ConvShape, mapping: LanesMapping, lane: int) -> int:
    """Count the MACs of a lane for one output: all, or its bricks of the window."""
    if mapping.slices == 1:
        return shape.macs_per_output
    channels, brick = shape.C_per_group, mapping.array.brick
    bricks = [min(brick, channels - first) for first in range(0, channels, brick)] * (shape.R * shape.S)
    return sum(bricks[lane :: mapping.slices])


_WORK: Final[Mapping[type, Callable[[ConvShape, ArchSpec, Any, Demand], Ints]]] = {
    RowStationaryArray: _row_stationary,
    SystolicArray: _systolic,
    OutputLanesArray: _lanes,
}
