"""Tiles through DRAM channel, array and predictor: when everything starts and ends, and who was waited for.

The channel serves one request at a time, in the order in which they are made (at the same cycle: of the older tile
first, loads before the store). What cannot be requested yet waits for a tile that waits for a request that is known, so
the earliest known request is always the next: no queue of events is needed (docs/models/timeline.md).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

Ints = NDArray[np.int64]

TENSORS = 3
"""Tensors that DRAM brings: ifmap, filters, psums."""

STALLS = 4
"""What the array waits for: 0 DRAM reads, 1 DRAM writes, 2 the ofmap's buffer (full), 3 the predictor."""

Tiles: TypeAlias = tuple[Ints, Ints, Ints, Ints]
"""Array cycles, loads, stores, and stores so far."""

Found: TypeAlias = tuple[Ints, Ints, Ints, Ints]
"""Starts of tiles, ends of loads, of stores, and of jobs."""

_NEVER = 2**62


@kernel
def run_tiles(
    plan: Tiles, jobs_plan: tuple[Ints, Ints, Ints], depths: Ints, latencies: tuple[int, int], out: Found
) -> int:
    """Run all tiles; return the cycle in which everything is done, or -1 if they wait for one another.

    Parameters
    ----------
    plan
        Cycles on the array, int64 (tiles,); cycles of the channel before each tile, int64 (tiles, TENSORS), 0 where
        there is nothing to load; the tiles after which something is written, rising, with cycles of the channel (over
        0), int64 (stores, 2); the number of stores of each tile and the ones before, int64 (tiles,).
    jobs_plan
        The predictor's last job that must be done before each tile, int64 (tiles,), -1: none; the tile during which a
        job's inputs leave the array (-1: they are there), not falling, and its cycles, int64 (jobs,) each.
    depths
        int64 (TENSORS + 1,): tiles that the channel works ahead of the array for each tensor, and behind it for stores.
    latencies
        Cycles from the last word on the channel, or from the end of a job, to its use.
    out
        int64 (tiles,), (tiles, TENSORS), (stores,) and (jobs,): the first cycle of each tile; the cycle after the last
        one of each load (0 if there is none), store, and job.
    """
    cycles, loads, stores, stores_until = plan
    waits_for, job_after, job_cycles = jobs_plan
    latency, job_latency = latencies
    start, load_end, store_end, job_end = out
    tiles, jobs = len(cycles), len(job_cycles)
    next_load, next_store = np.zeros(TENSORS, dtype=np.int64), 0
    done, job = 0, 0
    channel_free, array_free, unit_free = 0, 0, 0
    while True:
        for tensor in range(TENSORS):
            while next_load[tensor] < tiles and loads[next_load[tensor], tensor] == 0:
                load_end[next_load[tensor], tensor] = 0
                next_load[tensor] += 1
        while job < jobs and job_after[job] < 0:
            unit_free += job_cycles[job]
            job_end[job] = unit_free
            job += 1
        # Every tile of which loads, earlier stores and mask are known.
        while done < tiles:
            slot = done - depths[TENSORS] - 1
            gone = stores_until[slot] if slot >= 0 else 0
            if gone > next_store or waits_for[done] >= job or min(next_load) <= done:
                break
            ready = array_free
            for tensor in range(TENSORS):
                if loads[done, tensor]:
                    ready = max(ready, load_end[done, tensor] + latency)
            if gone:
                ready = max(ready, store_end[gone - 1])
            if waits_for[done] >= 0:
                ready = max(ready, job_end[waits_for[done]] + job_latency)
            start[done] = ready
            array_free = ready + cycles[done]
            while job < jobs and job_after[job] == done:
                unit_free = max(max(unit_free, ready) + job_cycles[job], array_free)
                job_end[job] = unit_free
                job += 1
            done += 1
        # The earliest request that is known.
        best_at, best_tile, best_kind = _NEVER, tiles, -1
        for tensor in range(TENSORS):
            tile = next_load[tensor]
            freed = tile - depths[tensor] - 1
            if tile < tiles and freed < done:
                at = start[freed] + cycles[freed] if freed >= 0 else 0
                if at < best_at or (at == best_at and tile < best_tile):
                    best_at, best_tile, best_kind = at, tile, tensor
        if next_store < len(stores) and stores[next_store, 0] < done:
            tile = stores[next_store, 0]
            at = start[tile] + cycles[tile]
            if at < best_at or (at == best_at and tile < best_tile):
                best_at, best_tile, best_kind = at, tile, TENSORS
        if best_kind < 0:
            break
        begin = max(channel_free, best_at)
        if best_kind == TENSORS:
            channel_free = begin + stores[next_store, 1]
            store_end[next_store] = channel_free
            next_store += 1
        else:
            channel_free = begin + loads[best_tile, best_kind]
            load_end[best_tile, best_kind] = channel_free
            next_load[best_kind] += 1
    if done < tiles or job < jobs:
        return -1
    end = max(array_free, channel_free) if len(stores) else array_free
    return max(end, unit_free + job_latency) if jobs else end


@kernel
def stall_cycles(plan: Tiles, store_depth: int, latency: int, found: Found, end: int, out: Ints) -> None:
    """Attribute every cycle in which the array waits, the last ones until `end` included.

    A wait belongs to what comes last; of several that come at once, loads go first, then the buffer, then the
    predictor. While the array waits for a load, or for a store that is not overlapped, the channel writes or it reads.

    Parameters
    ----------
    plan, store_depth, latency, found
        As in :func:`run_tiles`: `store_depth` is the last of its depths, `found` what it gave out.
    end
        The cycle in which everything is done.
    out
        int64 (STALLS,): sums.
    """
    cycles, loads, stores, stores_until = plan
    start, load_end, store_end, _ = found
    tiles, free, first = len(cycles), 0, 0
    out[:] = 0
    for tile in range(tiles + 1):
        ready = start[tile] if tile < tiles else end
        if ready > free:
            cause = 3
            slot = tile - store_depth - 1 if tile < tiles else tiles - 1
            if slot >= 0 and stores_until[slot] and store_end[stores_until[slot] - 1] == ready:
                cause = 2 if store_depth and tile < tiles else 0
            if tile < tiles:
                for tensor in range(TENSORS):
                    if loads[tile, tensor] and load_end[tile, tensor] + latency == ready:
                        cause = 0
            written = 0
            if cause == 0:
                while first < len(stores) and store_end[first] <= free:
                    first += 1
                store = first
                while store < len(stores) and store_end[store] - stores[store, 1] < ready:
                    begin = max(store_end[store] - stores[store, 1], free)
                    written += min(store_end[store], ready) - begin
                    store += 1
            out[1] += written
            out[cause] += ready - free - written
        if tile < tiles:
            free = ready + cycles[tile]
