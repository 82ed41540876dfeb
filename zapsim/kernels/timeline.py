"""The timeline of a layer's tiles on DRAM channel, array and predictor: when everything happens, and what stalls.

The channel serves one request at a time, in the order in which the requests are made. Of requests made in the same
cycle, the one of the older tile is served first, and loads are served before the store. A request that cannot be made
yet waits for a tile, which waits for a request that was already made. So the earliest known request is always the next
one, and no queue of events is needed (docs/models/timeline.md).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

Ints = NDArray[np.int64]

TENSORS = 3
"""Tensors that DRAM loads: ifmap, filters, psums."""

STALLS = 4
"""Causes of stalls: 0 DRAM reads, 1 DRAM writes, 2 the ofmap's buffer is full, 3 the predictor."""

Tiles: TypeAlias = tuple[Ints, Ints, Ints, Ints]
"""Array cycles, loads, stores, and the number of stores up to each tile."""

Moments: TypeAlias = tuple[Ints, Ints, Ints, Ints]
"""Starts of tiles; ends of loads, of stores and of jobs."""

_NEVER = 2**62


@kernel
def run_tiles(
    plan: Tiles, jobs_plan: tuple[Ints, Ints, Ints], depths: Ints, latencies: tuple[int, int], out: Moments
) -> int:
    """Run all tiles; return the cycle in which everything is done, or -1 if tiles wait for one another.

    This is one loop on purpose: with its three steps as functions it takes twice as long.

    Parameters
    ----------
    plan
        Four arrays: cycles of each tile on the array, int64 (tiles,); cycles of the channel for the loads of each tile,
        int64 (tiles, TENSORS), 0 = no load; the tiles after which something is written, rising, with cycles of the
        channel (at least 1), int64 (stores, 2); the number of stores of each tile and all before it, int64 (tiles,).
    jobs_plan
        Three arrays: the last job of the predictor that must be done before each tile, int64 (tiles,), -1 = none; the
        tile during which the inputs of each job leave the array, not falling, -1 = they are there from the start,
        int64 (jobs,); cycles of each job, int64 (jobs,).
    depths
        int64 (TENSORS + 1,): tiles that the channel works ahead of the array for each tensor, and behind it for stores.
    latencies
        Cycles from the last word on the channel to its use, and from the end of a job to the use of its mask bits.
    out
        int64 (tiles,), (tiles, TENSORS), (stores,) and (jobs,), overwritten: the first cycle of each tile; the cycle
        after the last one of each load (0 if there is none), of each store and of each job.
    """
    cycles, loads, stores, stores_until = plan
    waits_for, job_after, job_cycles = jobs_plan
    latency, job_latency = latencies
    start, load_end, store_end, job_end = out
    tiles, jobs = len(cycles), len(job_cycles)
    next_load, next_store, next_job = np.zeros(TENSORS, dtype=np.int64), 0, 0
    started = 0  # tiles whose start is known
    channel_free, array_free, unit_free = 0, 0, 0
    while True:
        for tensor in range(TENSORS):
            while next_load[tensor] < tiles and loads[next_load[tensor], tensor] == 0:
                load_end[next_load[tensor], tensor] = 0
                next_load[tensor] += 1
        while next_job < jobs and job_after[next_job] < 0:
            unit_free += job_cycles[next_job]
            job_end[next_job] = unit_free
            next_job += 1
        # Start every tile whose loads, earlier stores and mask are known.
        while started < tiles:
            slot = started - depths[TENSORS] - 1  # the tile that must have left the ofmap's buffer
            stores_before = stores_until[slot] if slot >= 0 else 0
            if stores_before > next_store or waits_for[started] >= next_job or min(next_load) <= started:
                break
            ready = array_free
            for tensor in range(TENSORS):
                if loads[started, tensor]:
                    ready = max(ready, load_end[started, tensor] + latency)
            if stores_before:
                ready = max(ready, store_end[stores_before - 1])
            if waits_for[started] >= 0:
                ready = max(ready, job_end[waits_for[started]] + job_latency)
            start[started] = ready
            array_free = ready + cycles[started]
            while next_job < jobs and job_after[next_job] == started:
                # Outputs leave the array while the tile runs: the job starts with the tile and does not end before it.
                unit_free = max(max(unit_free, ready) + job_cycles[next_job], array_free)
                job_end[next_job] = unit_free
                next_job += 1
            started += 1
        # Of the requests that are known, find the one that is made first.
        first_cycle, first_tile, first_tensor = _NEVER, tiles, -1
        for tensor in range(TENSORS):
            tile = next_load[tensor]
            slot = tile - depths[tensor] - 1  # the tile that must have left the tensor's buffer
            if tile < tiles and slot < started:
                cycle = start[slot] + cycles[slot] if slot >= 0 else 0
                if cycle < first_cycle or (cycle == first_cycle and tile < first_tile):
                    first_cycle, first_tile, first_tensor = cycle, tile, tensor
        if next_store < len(stores) and stores[next_store, 0] < started:
            tile = stores[next_store, 0]
            cycle = start[tile] + cycles[tile]
            if cycle < first_cycle or (cycle == first_cycle and tile < first_tile):
                first_cycle, first_tile, first_tensor = cycle, tile, TENSORS
        # Serve it.
        if first_tensor < 0:
            break
        served = max(channel_free, first_cycle)
        if first_tensor == TENSORS:
            channel_free = served + stores[next_store, 1]
            store_end[next_store] = channel_free
            next_store += 1
        else:
            channel_free = served + loads[first_tile, first_tensor]
            load_end[first_tile, first_tensor] = channel_free
            next_load[first_tensor] += 1
    if started < tiles or next_job < jobs:
        return -1
    end = max(array_free, channel_free) if len(stores) else array_free
    return max(end, unit_free + job_latency) if jobs else end


@kernel
def stall_cycles(plan: Tiles, store_depth: int, latency: int, moments: Moments, end: int, out: Ints) -> None:
    """Attribute every cycle in which the array waits, up to `end`, to its cause.

    A wait belongs to what comes last; of several that come at once, to the loads, then to the buffer, then to the
    predictor. While the array waits for a load, or for a store that is not overlapped, the channel writes or it reads.

    Parameters
    ----------
    plan, store_depth, latency, moments
        As in :func:`run_tiles`: `store_depth` is the last of its depths, `latency` the first of its latencies and
        `moments` its output.
    end
        The cycle in which everything is done.
    out
        int64 (STALLS,), overwritten: the stalled cycles of each cause.
    """
    cycles, _, stores, _ = plan
    start, _, store_end, _ = moments
    tiles, array_free, first_store = len(cycles), 0, 0
    out[:] = 0
    for tile in range(tiles + 1):  # behind the last tile, the array waits for the end
        ready = start[tile] if tile < tiles else end
        if ready > array_free:
            cause = _cause(tile, ready, plan, store_depth, latency, moments)
            written = 0
            if cause == 0:
                while first_store < len(stores) and store_end[first_store] <= array_free:
                    first_store += 1
                store = first_store
                while store < len(stores) and store_end[store] - stores[store, 1] < ready:
                    begin = max(store_end[store] - stores[store, 1], array_free)
                    written += min(store_end[store], ready) - begin
                    store += 1
            out[1] += written
            out[cause] += ready - array_free - written
        if tile < tiles:
            array_free = ready + cycles[tile]


@kernel
def _cause(tile: int, ready: int, plan: Tiles, store_depth: int, latency: int, moments: Moments) -> int:
    """Find what `tile`, or the end of the layer behind the last tile, waits for until the cycle `ready`."""
    cycles, loads, _, stores_until = plan
    _, load_end, store_end, _ = moments
    tiles = len(cycles)
    if tile < tiles:
        for tensor in range(TENSORS):
            if loads[tile, tensor] and load_end[tile, tensor] + latency == ready:
                return 0
    slot = tile - store_depth - 1 if tile < tiles else tiles - 1
    if slot >= 0 and stores_until[slot] and store_end[stores_until[slot] - 1] == ready:
        return 2 if store_depth and tile < tiles else 0
    return 3


@kernel
def even_shares(totals: NDArray[np.int64], parts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Divide each total into its parts, so that the first i parts sum to floor(i · total / parts).

    Parameters
    ----------
    totals, parts
        int64 (n,), not negative: what is divided, and into how many parts.
    out
        int64 (sum of parts,), overwritten: the parts of the first total, then those of the next.
    """
    position = 0
    for i in range(totals.shape[0]):
        count = parts[i]
        if count == 0:
            continue
        quotient = totals[i] // count
        remainder = totals[i] - quotient * count
        # As Bresenham's line: a part gets one more whenever the sum of the remainders passes `count`.
        error = 0
        for _ in range(count):
            error += remainder
            if error >= count:
                error -= count
                out[position] = quotient + 1
            else:
                out[position] = quotient
            position += 1
