"""Which parts of an output-lanes array use which filters, from the outputs dispatched by pixel lane and filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel
from zapsim.kernels.shares import share_out

Ints = NDArray[np.int64]


@kernel
def even_steps(dispatched: Ints, lanes: tuple[int, int, int], steps: Ints, groups: Ints, total: Ints) -> None:
    """Count the steps of every domain in every leg, if all outputs take equally long.

    Parameters
    ----------
    dispatched
        int64 (segments, pixel lanes, filters): outputs.
    lanes
        Filter lanes of the array; filter lanes and pixel lanes of a domain.
    steps
        int64 (domains, segments · blocks of filters), overwritten.
    groups
        int64 (filters,), overwritten: outputs of each filter that start together, summed over domains.
    total
        int64 (pixel lanes, filters), overwritten: `dispatched` summed over the segments.
    """
    segments, pixel_lanes, filters = dispatched.shape
    whole, domain_filters, domain_pixels = lanes
    blocks, beside = steps.shape[1] // segments, whole // domain_filters
    steps[:] = 0
    groups[:] = 0
    total[:] = 0
    most = np.empty(filters, dtype=np.int64)
    part, block = np.arange(filters) % whole // domain_filters, np.arange(filters) // whole
    for s in range(segments):
        for first in range(0, pixel_lanes, domain_pixels):
            most[:] = 0
            for j in range(first, first + domain_pixels):
                for k in range(filters):
                    outputs = dispatched[s, j, k]
                    total[j, k] += outputs
                    most[k] = max(most[k], outputs)
            row = first // domain_pixels * beside
            for k in range(filters):
                groups[k] += most[k]
                domain, leg = row + part[k], s * blocks + block[k]
                steps[domain, leg] = max(steps[domain, leg], most[k])


@kernel
def active_pes(total: Ints, whole: int, pe: tuple[int, int]) -> int:
    """Count the PEs that get any output; `whole` are the filter lanes of the array, `pe` (filter lanes, pixel lanes).

    `total` is int64 (pixel lanes, filters): outputs.
    """
    pixel_lanes, filters = total.shape
    used = np.zeros((pixel_lanes // pe[1], whole // pe[0]), dtype=np.bool_)
    part = np.arange(filters) % whole // pe[0]
    for j in range(pixel_lanes):
        row = used[j // pe[1]]
        for k in range(filters):
            if total[j, k]:
                row[part[k]] = True
    return int(used.sum())


@kernel
def filter_use(total: Ints, loaders: int, sizes: tuple[int, int], out: Ints, loads: Ints) -> tuple[int, int, int]:
    """Count the outputs of each filter, and how often its weights are loaded.

    Parameters
    ----------
    total
        int64 (pixel lanes, filters): outputs.
    loaders
        Pixel lanes that load weights together.
    sizes
        Filters of a block, and of a group.
    out, loads
        int64 (filters,), overwritten: outputs of each filter; parts of the array that need its weights.

    Returns
    -------
    used, passes, groups
        Filters with any output; blocks (of one group) that have one; groups that have one.
    """
    pixel_lanes, filters = total.shape
    out[:] = 0
    loads[:] = 0
    for first in range(0, pixel_lanes, loaders):
        for k in range(filters):
            outputs = 0
            for j in range(first, first + loaders):
                outputs += total[j, k]
            out[k] += outputs
            loads[k] += 1 if outputs else 0
    used, passes, groups, last_pass, last_group = 0, 0, 0, -1, -1
    for k in range(filters):
        if out[k]:
            used += 1
            block, group = k // sizes[0], k // sizes[1]
            passes += 1 if block != last_pass or group != last_group else 0
            groups += 1 if group != last_group else 0
            last_pass, last_group = block, group
    return used, passes, groups


@kernel
def strip_table(
    outputs: Ints, sizes: tuple[int, int, int], ifmap_once: bool, filters_once: bool, totals: tuple[int, int, int]
) -> Ints:
    """List the tiles of a stage, over which its cycles and words are shared out: int64 (7, tiles).

    Rows are those of :class:`zapsim.arrays.tiles.Tiles`.

    Parameters
    ----------
    outputs
        int64 (filters,): outputs of each filter.
    sizes
        Filters of a block and of a group; the most strips of a block.
    ifmap_once, filters_once
        Whether an operand comes when it is first used, and stays; else it comes with the outputs.
    totals
        Cycles, and words of the ifmap and of filters.
    """
    block_filters, group_filters, rows = sizes
    blocks = -(-len(outputs) // block_filters)
    in_block, used = np.zeros(blocks, dtype=np.int64), np.zeros(blocks, dtype=np.int64)
    for k in range(len(outputs)):
        in_block[k // block_filters] += outputs[k]
        used[k // block_filters] += 1 if outputs[k] else 0
    count, most = 0, 1
    for block in range(blocks):
        strips = min(rows, in_block[block])
        count += strips
        most = max(most, strips)
    table = np.zeros((7, count), dtype=np.int64)
    tile, last_group = 0, -1
    for block in range(blocks):
        strips = min(rows, in_block[block])
        if strips == 0:
            continue
        group = block * block_filters // group_filters
        opens = group > last_group
        last_group = group
        table[2, tile] = used[block] if filters_once else 0
        error, quotient, remainder = 0, in_block[block] // strips, in_block[block] % strips
        for _ in range(strips):
            error += remainder
            finished = quotient
            if error >= strips:
                error -= strips
                finished += 1
            table[0, tile] = table[5, tile] = finished
            table[1, tile] = most // strips if opens or not ifmap_once else 0
            if not filters_once:
                table[2, tile] = finished
            table[6, tile] = block
            tile += 1
    for row in range(3):
        share_out(totals[row], table[row], table[row])
    return table
