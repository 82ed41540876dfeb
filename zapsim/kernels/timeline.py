"""The timeline of a layer's tiles on DRAM channel, array and predictor: when everything happens, and what stalls.

The channel serves one request at a time, in the order in which the requests are made. Of requests made in the same
cycle, the one of the older tile is served first, and loads are served before the store. Every request is made when a
tile ends (or at the start), and tiles end in their order. So one walk over the tiles serves the requests of each end
before the next tile starts, and no queue of events is needed (docs/models/timeline.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

Ints = NDArray[np.int64]

TENSORS = 3
"""Tensors that DRAM loads: ifmap, filters, psums."""

STALLS = 4
"""Causes of stalls: 0 DRAM reads, 1 DRAM writes, 2 the ofmap's buffer is full, 3 the predictor."""


@kernel
def _serve(
    first: int,
    last: int,
    end: int,
    free: int,
    loads: Ints,
    stores: Ints,
    depths: Ints,
    by_depth: Ints,
    load_end: Ints,
    store_end: Ints,
) -> int:
    """Serve what is asked for when the tiles `first` to `last` end, all in the cycle `end`; -1 stands for the start.

    `free` is the cycle from which the channel is free; return the next such cycle. `by_depth` are the tensors with the
    nearest tiles first.
    """
    tiles = len(stores)
    if first == last and first >= 0:  # nearly always so: the older tile's request comes first
        served = max(free, end)
        store_end[first] = 0
        if stores[first]:
            free = served = served + stores[first]
            store_end[first] = served
        for tensor in by_depth:
            tile = first + 1 + depths[tensor]
            if tile < tiles:
                load_end[tile, tensor] = 0
                if loads[tile, tensor]:
                    free = served = served + loads[tile, tensor]
                    load_end[tile, tensor] = served
        return free
    lowest, highest = max(first, 0), last
    for tensor in range(TENSORS):
        lowest = min(lowest, first + 1 + depths[tensor])
        highest = max(highest, last + 1 + depths[tensor])
    for tile in range(0 if first < 0 else lowest, min(highest + 1, tiles)):
        for tensor in range(TENSORS):
            asks = tile - depths[tensor] - 1  # the tile that must have left the tensor's buffer
            if first <= max(asks, -1) <= last:
                load_end[tile, tensor] = 0
                if loads[tile, tensor]:
                    free = max(free, end) + loads[tile, tensor]
                    load_end[tile, tensor] = free
        if first <= tile <= last:
            store_end[tile] = 0
            if stores[tile]:
                free = max(free, end) + stores[tile]
                store_end[tile] = free
    return free


@kernel
def _is_asked_for(tile: int, first: int, loads: Ints, stores: Ints, depths: Ints) -> bool:
    """Tell whether `tile` needs what is asked for only when tile `first` or a later one ends."""
    for tensor in range(TENSORS):
        if loads[tile, tensor] and max(tile - depths[tensor] - 1, -1) >= first:
            return True
    stores_before = stores[max(first, 0) : max(tile - depths[TENSORS], 0)]
    return bool(stores_before.any())


@kernel
def run_tiles(
    cycles: Ints,
    loads: Ints,
    stores: Ints,
    waits_for: Ints,
    job_after: Ints,
    job_cycles: Ints,
    depths: Ints,
    latencies: Ints,
    start: Ints,
    load_end: Ints,
    store_end: Ints,
    job_end: Ints,
) -> int:
    """Run all tiles; return the cycle in which everything is done, or -1 if tiles wait for one another.

    Parameters
    ----------
    cycles
        int64 (tiles,): cycles of each tile on the array.
    loads, stores
        int64 (tiles, TENSORS) and (tiles,): cycles of the channel before and after each tile; 0 = nothing to move.
    waits_for
        int64 (tiles,): the last job of the predictor that must be done before each tile; -1 = none.
    job_after, job_cycles
        int64 (jobs,): the tile during which the inputs of each job leave the array, not falling, -1 = they are there
        from the start; cycles of each job.
    depths
        int64 (TENSORS + 1,): tiles that the channel works ahead of the array for each tensor, and behind it for stores.
    latencies
        int64 (2,): cycles from the last word on the channel to its use, and from the end of a job to the use of its
        mask bits.
    start, load_end, store_end, job_end
        int64 (tiles,), (tiles, TENSORS), (tiles,) and (jobs,), overwritten: the first cycle of each tile; the cycle
        after the last one of each load and store (0 if there is none) and of each job.
    """
    tiles, jobs = len(cycles), len(job_after)
    latency, job_latency, behind = latencies[0], latencies[1], depths[TENSORS]
    channel_free, array_free, unit_free = 0, 0, 0
    by_depth = np.argsort(depths[:TENSORS], kind="mergesort")
    stored = 0  # when the last store that a tile must wait for has ended
    job = 0
    while job < jobs and job_after[job] < 0:
        unit_free += job_cycles[job]
        job_end[job] = unit_free
        job += 1
    ended = -1  # the first of the tiles that ended in the cycle `array_free` and whose requests are not yet served
    for tile in range(tiles + 1):
        # A tile that takes no time and waits for nothing ends in the same cycle: its requests are made then, too.
        at_once = tile < tiles and cycles[tile] == 0 and not _is_asked_for(tile, ended, loads, stores, depths)
        if not at_once:
            channel_free = _serve(
                ended, tile - 1, array_free, channel_free, loads, stores, depths, by_depth, load_end, store_end
            )
            ended = tile
        if tile == tiles:
            break
        if waits_for[tile] >= job:
            return -1
        slot = tile - behind - 1  # the tile that must have left the ofmap's buffer
        if slot >= 0 and stores[slot]:
            stored = store_end[slot]
        ready = max(array_free, stored)
        for tensor in range(TENSORS):
            if loads[tile, tensor]:
                ready = max(ready, load_end[tile, tensor] + latency)
        if waits_for[tile] >= 0:
            ready = max(ready, job_end[waits_for[tile]] + job_latency)
        if at_once and ready > array_free:
            channel_free = _serve(
                ended, tile - 1, array_free, channel_free, loads, stores, depths, by_depth, load_end, store_end
            )
            ended = tile
        start[tile] = ready
        array_free = ready + cycles[tile]
        while job < jobs and job_after[job] == tile:
            # Outputs leave the array while the tile runs: the job starts with the tile and does not end before it.
            unit_free = max(max(unit_free, ready) + job_cycles[job], array_free)
            job_end[job] = unit_free
            job += 1
    if job < jobs:
        return -1
    end = max(array_free, channel_free)
    return max(end, unit_free + job_latency) if jobs else end


@kernel
def stall_cycles(
    cycles: Ints,
    loads: Ints,
    stores: Ints,
    store_depth: int,
    latency: int,
    start: Ints,
    load_end: Ints,
    store_end: Ints,
    end: int,
    out: Ints,
) -> None:
    """Attribute every cycle in which the array waits, up to `end`, to its cause.

    A wait belongs to what comes last; of several that come at once, to the loads, then to the buffer, then to the
    predictor. While the array waits for a load, or for a store that is not overlapped, the channel writes or it reads.

    Parameters
    ----------
    cycles, loads, stores, start, load_end, store_end
        As in :func:`run_tiles`.
    store_depth, latency
        The last of its depths, and the first of its latencies.
    end
        The cycle in which everything is done.
    out
        int64 (STALLS,), overwritten: the stalled cycles of each cause.
    """
    tiles, array_free, first_store, last_slot, slot_end = len(cycles), 0, 0, -1, 0
    out[:] = 0
    for tile in range(tiles + 1):  # behind the last tile, the array waits for the end
        ready = start[tile] if tile < tiles else end
        if ready > array_free:
            slot = tile - store_depth - 1 if tile < tiles else tiles - 1
            while last_slot < slot:  # the end of the last store up to `slot`
                last_slot += 1
                if stores[last_slot]:
                    slot_end = store_end[last_slot]
            cause = 3
            if slot_end == ready:
                cause = 2 if store_depth and tile < tiles else 0
            for tensor in range(TENSORS if tile < tiles else 0):
                if loads[tile, tensor] and load_end[tile, tensor] + latency == ready:
                    cause = 0
            if cause == 0:
                while first_store < tile and store_end[first_store] <= array_free:
                    first_store += 1
                for store in range(first_store, tile):  # stores of later tiles begin after the wait
                    if stores[store]:
                        begin = store_end[store] - stores[store]
                        if begin >= ready:
                            break
                        written = min(store_end[store], ready) - max(begin, array_free)
                        out[1] += written
                        out[0] -= written
            out[cause] += ready - array_free
        if tile < tiles:
            array_free = ready + cycles[tile]
