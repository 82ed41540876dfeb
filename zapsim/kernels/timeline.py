"""The timeline of a layer: its tiles in order, when each runs on array, DRAM channel and predictor, and what stalls.

First the tiles are put in the array's order, with the cycles of the channel that each takes (:func:`order`). Then one
walk over them says when everything happens (:func:`run`), and another to which cause each wait belongs
(:func:`stalls`). All work in one table, a row per tile, so that nothing is copied between them.

The channel serves one request at a time, in the order in which the requests are made. Of requests made in the same
cycle, the one of the older tile is served first, and loads are served before the store. Every request is made when a
tile ends (or at the start), and tiles end in their order. So one walk over the tiles serves the requests of each end
before the next tile starts, and no queue of events is needed (docs/models/timeline.md, the page of the model).

The readable form of the order is in ``tests/reference/timeline_schedule.py``, that of the walk in
:mod:`zapsim.timing.timeline.event`. The file is long because a kernel that is kept as machine code does not notice a
change in another file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel
from zapsim.kernels.shares import portion

Ints = NDArray[np.int64]

CYCLES, IFMAP, FILTERS, PSUMS, SPILLED, OUTPUTS, BLOCK = range(7)
"""Rows of a table of tiles, int64 (7, tiles): cycles on the array; words to load; words to store; outputs finished."""

TENSORS = 3
"""Tensors that DRAM loads: ifmap, filters, psums."""

A, Z, B = range(3)
"""Stages: the pattern (or all of a layer without prediction), the predictor on the array, and the rest."""

ARRAY, LOAD, STORE, WAITS, START, STORE_END = 0, 1, 1 + TENSORS, 2 + TENSORS, 3 + TENSORS, 4 + TENSORS
COLUMNS = 5 + TENSORS
"""Columns of a layer's tiles, int64 (tiles, 8): cycles on the array; cycles of the channel for each load (while the
timeline runs, they become the ends of the loads; 0: nothing to move) and for the store; the last job to wait for (-1:
none); the stage (the run puts the first cycle in its place); the end of the store (0: nothing to move)."""

AFTER, TAKES, ENDS = range(3)
"""Columns of the predictor's jobs, int64 (jobs, 3): the tile during which a job's inputs leave the array, not falling
(-1: they are there from the start); cycles of the unit; the cycle after the last one."""

END, DRAM_READ, DRAM_WRITE, BUFFER, PREDICTOR, LOADED, PSUM_WORDS, SPILLED_WORDS = range(8)
"""What :func:`run_layer` returns: the cycle in which everything is done (-1: tiles wait for one another); stalled
cycles by cause; words of operands and of psums that DRAM brings, and of psums that it takes."""

_LIMITS = 6
"""Settings behind a plan: four depths and two latencies (:class:`Limits`)."""


class Plan(NamedTuple):
    """What happens between the stages, and how fast DRAM is.

    Words that are shared out over tiles: of the ofmap (stored), of the predictor's weights (loaded by stage A), of mask
    bits (`spilled`: stored by stage A, loaded by stage B) and of the pattern's outputs (`reread`: loaded by stage Z).
    `array_cycles` and `unit_cycles` are those of the predictor on the array, and of a unit of its own; `by_tile` is 1
    if the stages alternate block by block, of which they have `blocks_a` and `blocks_b`. The channel takes numerator /
    denominator cycles for a burst of `burst_bits`.
    """

    ofmap: int
    weights: int
    spilled: int
    reread: int
    array_cycles: int
    unit_cycles: int
    by_tile: int
    blocks_a: int
    blocks_b: int
    word_bits: int
    burst_bits: int
    numerator: int
    denominator: int


class Limits(NamedTuple):
    """How far the channel works ahead of the array for each tensor, and behind it for stores, in tiles; and latencies.

    Latencies are cycles from the last word on the channel to its use, and from the end of a job to the use of its mask
    bits.
    """

    ifmap: int
    filters: int
    psums: int
    stores: int
    latency: int
    job_latency: int


@helper
def _divided(number: int, divisor: int) -> int:
    """Return number / divisor rounded up, below 2**51; a float's quotient is at most one off, and quicker to have."""
    quotient = int(number / divisor)
    if quotient * divisor < number:
        quotient += 1
    elif (quotient - 1) * divisor >= number:
        quotient -= 1
    return quotient


@helper
def _channel_cycles(words: int, plan: Plan) -> int:
    """Return the cycles that the channel takes for a request; 0 for none."""
    if words == 0:
        return 0
    bursts = _divided(words * plan.word_bits, plan.burst_bits)
    return _divided(bursts * plan.numerator, plan.denominator)


@helper
def _scaled(block: int, plan: Plan) -> int:
    """Return the block of stage A with which a block of stage B goes."""
    if plan.blocks_a == plan.blocks_b:
        return block
    return ((block + 1) * plan.blocks_a - 1) // plan.blocks_b


@helper
def _turns(reach: Ints, plan: Plan) -> tuple[Ints, Ints]:
    """List the blocks in the order of their later stages; and where those that follow each block of stage A begin.

    By tile, they come when stage A has reached what the predictor's window sees of other blocks, and has had one block
    more to do meanwhile if the predictor is a unit of its own.
    """
    blocks = plan.blocks_a
    more = 0 if plan.array_cycles else 1
    begins = np.zeros(blocks + 1, dtype=np.int64)
    for block in range(blocks):
        begins[min(reach[block] + more, blocks - 1) + 1] += 1
    for block in range(blocks):
        begins[block + 1] += begins[block]
    place, turn_of = begins.copy(), np.empty(blocks, dtype=np.int64)
    for block in range(blocks):
        turn = min(reach[block] + more, blocks - 1)
        turn_of[place[turn]] = block
        place[turn] += 1
    return turn_of, begins


@helper
def _sequence(a: Ints, b: Ints, reach: Ints, plan: Plan, z_outputs: Ints, work: Ints) -> None:
    """Put the stage of each tile in the column START of `work`, and its place in it (of stage Z: the block) in ARRAY.

    `z_outputs` is int64 (blocks of stage A,): outputs of the blocks for which stage Z has a tile; (0,) if there is
    none.
    """
    at, next_a = 0, 0
    if not plan.by_tile or not plan.blocks_a:
        for place in range(a.shape[1]):
            work[at, START], work[at, ARRAY] = A, place
            at += 1
        if len(z_outputs):
            work[at, START], work[at, ARRAY] = Z, len(z_outputs) - 1
            at += 1
        for place in range(b.shape[1]):
            work[at, START], work[at, ARRAY] = B, place
            at += 1
        return
    order, begins = _turns(reach, plan)
    # Blocks of stage B are scaled to those of stage A; `first_b` is where each begins.
    first_b = np.zeros(plan.blocks_a + 1, dtype=np.int64)
    for place in range(b.shape[1]):
        first_b[_scaled(b[BLOCK, place], plan) + 1] += 1
    for block in range(plan.blocks_a):
        first_b[block + 1] += first_b[block]
    for turn in range(plan.blocks_a):
        while next_a < a.shape[1] and a[BLOCK, next_a] == turn:
            work[at, START], work[at, ARRAY] = A, next_a
            next_a += 1
            at += 1
        for later in range(begins[turn], begins[turn + 1]):
            block = order[later]
            if len(z_outputs) and z_outputs[block]:
                work[at, START], work[at, ARRAY] = Z, block
                at += 1
            for tile in range(first_b[block], first_b[block + 1]):
                work[at, START], work[at, ARRAY] = B, tile
                at += 1


@helper
def _outputs_of_z(a: Ints, plan: Plan) -> Ints:
    """Count the outputs of each block that has a tile of stage Z; (0,) without that stage."""
    if not plan.array_cycles:
        return np.zeros(0, dtype=np.int64)
    outputs = np.zeros(max(plan.blocks_a, 1), dtype=np.int64)
    if not plan.by_tile:
        outputs[-1] = 1
        return outputs
    for tile in range(a.shape[1]):
        outputs[a[BLOCK, tile]] += a[OUTPUTS, tile]
    return outputs


@helper
def _total(values: Ints) -> int:
    """Add up."""
    total = 0
    for value in values:
        total += value
    return total


@helper
def order(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, plan: Plan) -> tuple[Ints, Ints]:
    """Put the tiles of all stages in the array's order, and say what each loads, stores and waits for.

    Return the table of :data:`COLUMNS`, and that of the jobs. Parameters are those of :func:`run_layer`.
    """
    z_outputs = _outputs_of_z(a, plan)
    tiles_z = 0
    for block in range(len(z_outputs)):
        tiles_z += 1 if z_outputs[block] else 0
    tiles = a.shape[1] + tiles_z + b.shape[1]
    work = np.empty((tiles, COLUMNS), dtype=np.int64)
    _sequence(a, b, reach, plan, z_outputs, work)
    outputs_a, outputs_z, cycles_b = _total(a[OUTPUTS]), _total(z_outputs), 0 * tiles
    every_output = outputs_a + _total(b[OUTPUTS])
    weight_of_a = outputs_a if outputs_a else a.shape[1]
    if plan.spilled:
        for place in range(b.shape[1]):
            cycles_b += max(b[CYCLES, place], 1)
    # What has been shared out so far: weight of the tiles before this one, and their portion.
    weight_reached, weights_before, outputs_reached, spilled_before, stored_reached, stored_before = 0, 0, 0, 0, 0, 0
    z_reached, z_cycles_before, z_words_before, mask_reached, mask_before = 0, 0, 0, 0, 0
    # Most requests are as large as the one before: its cycles are kept.
    words_0, words_1, words_2, words_3, cycles_0, cycles_1, cycles_2, cycles_3 = 0, 0, 0, 0, 0, 0, 0, 0
    for at in range(tiles):
        stage, place = work[at, START], work[at, ARRAY]
        if stage == Z:
            continue
        part, loaded = (a, loads_a) if stage == A else (b, loads_b)
        ifmap, filters, psums, stored = loaded[0, place], loaded[1, place], part[PSUMS, place], part[SPILLED, place]
        outputs = part[OUTPUTS, place]
        if stage == A:
            if plan.weights:
                weight_reached += outputs if outputs_a else 1
                end = portion(plan.weights, weight_reached, weight_of_a)
                filters += end - weights_before
                weights_before = end
            if plan.spilled and outputs:
                outputs_reached += outputs
                end = portion(plan.spilled, outputs_reached, outputs_a)
                stored += end - spilled_before
                spilled_before = end
        if plan.ofmap and outputs:
            stored_reached += outputs
            end = portion(plan.ofmap, stored_reached, every_output)
            stored += end - stored_before
            stored_before = end
        if ifmap != words_0:
            words_0, cycles_0 = ifmap, _channel_cycles(ifmap, plan)
        if filters != words_1:
            words_1, cycles_1 = filters, _channel_cycles(filters, plan)
        if psums != words_2:
            words_2, cycles_2 = psums, _channel_cycles(psums, plan)
        if stored != words_3:
            words_3, cycles_3 = stored, _channel_cycles(stored, plan)
        work[at, ARRAY] = part[CYCLES, place]
        work[at, LOAD], work[at, LOAD + 1], work[at, LOAD + 2] = cycles_0, cycles_1, cycles_2
        work[at, STORE], work[at, WAITS], work[at, STORE_END] = cycles_3, -1, place
    jobs = _jobs(a, b, reach, plan, work)
    if plan.spilled:  # the bits of a mask that did not fit on chip come back in the order of stage B
        of_tile = np.empty(b.shape[1], dtype=np.int64)
        for place in range(b.shape[1]):
            mask_reached += max(b[CYCLES, place], 1)
            end = portion(plan.spilled, mask_reached, cycles_b)
            of_tile[place] = b[PSUMS, place] + end - mask_before
            mask_before = end
        for at in range(tiles):
            if work[at, START] == B:
                work[at, LOAD + 2] = _channel_cycles(of_tile[work[at, STORE_END]], plan)
    if tiles_z:  # stage Z is shared out over blocks in their own order
        z_cycles, z_words = np.empty(len(z_outputs), dtype=np.int64), np.empty(len(z_outputs), dtype=np.int64)
        for block in range(len(z_outputs)):
            z_reached += z_outputs[block]
            end = portion(plan.array_cycles, z_reached, outputs_z)
            z_cycles[block], z_cycles_before = end - z_cycles_before, end
            end = portion(plan.reread, z_reached, outputs_z)
            z_words[block], z_words_before = end - z_words_before, end
        for at in range(tiles):
            if work[at, START] == Z:
                block = work[at, ARRAY]
                work[at, ARRAY] = z_cycles[block]
                work[at, LOAD], work[at, LOAD + 1] = 0, 0
                work[at, LOAD + 2] = _channel_cycles(z_words[block], plan)
                work[at, STORE], work[at, WAITS] = 0, -1
    return work, jobs


@helper
def _jobs(a: Ints, b: Ints, reach: Ints, plan: Plan, work: Ints) -> Ints:
    """Make a job for every tile of stage A that finishes outputs; if none does, one for all that there is to do.

    The predictor of a block that reaches into others works when the last of these is finished. Every tile of stage B
    gets the last job that it needs: of the layer, or of its block. A block without outputs of the pattern (a single
    row, say) goes with the one before it. `work` holds the places of tiles in the column STORE_END.
    """
    blocks = max(plan.blocks_a, 1)
    last_job, last_tile = np.empty(blocks, dtype=np.int64), np.empty(blocks, dtype=np.int64)
    for block in range(blocks):
        last_job[block], last_tile[block] = -1, -1
    count, whole = 0, 0 * blocks
    for place in range(a.shape[1]):
        count += 1 if a[OUTPUTS, place] else 0
        whole += a[OUTPUTS, place]
    if not plan.unit_cycles:
        return np.empty((0, 3), dtype=np.int64)
    jobs = np.empty((max(count, 1), 3), dtype=np.int64)
    if not count:
        jobs[0, AFTER], jobs[0, TAKES], last_job[0] = -1, plan.unit_cycles, 0
    else:
        # `last_tile` is the place of the last tile of stage A in each block and all before it.
        for at in range(len(work)):
            if work[at, START] == A:
                last_tile[a[BLOCK, work[at, STORE_END]]] = at
        for block in range(1, blocks):
            if last_tile[block] < 0:
                last_tile[block] = last_tile[block - 1]
        of_block = np.empty(count, dtype=np.int64)
        job, reached, before, falling = 0, 0, 0, False
        for at in range(len(work)):
            if work[at, START] != A or not a[OUTPUTS, work[at, STORE_END]]:
                continue
            block = a[BLOCK, work[at, STORE_END]]
            reached += a[OUTPUTS, work[at, STORE_END]]
            end = portion(plan.unit_cycles, reached, whole)
            jobs[job, AFTER] = at if reach[block] == block else last_tile[reach[block]]
            jobs[job, TAKES], of_block[job] = end - before, block
            falling = falling or (job > 0 and jobs[job, AFTER] < jobs[job - 1, AFTER])
            before = end
            job += 1
        if falling:
            jobs, of_block = _in_order(jobs, of_block, len(work))
        for job in range(count):
            last_job[of_block[job]] = job
    by_tile = plan.by_tile and plan.blocks_a
    if by_tile:
        for block in range(1, blocks):
            if last_job[block] < 0:
                last_job[block] = last_job[block - 1]
    for at in range(len(work)):
        if work[at, START] == B:
            block = _scaled(b[BLOCK, work[at, STORE_END]], plan) if by_tile else 0
            work[at, WAITS] = last_job[block] if by_tile else len(jobs) - 1
    return jobs


@helper
def _in_order(jobs: Ints, of_block: Ints, tiles: int) -> tuple[Ints, Ints]:
    """Sort jobs by the tile that they follow; those of one tile keep their order."""
    begins = np.zeros(tiles + 2, dtype=np.int64)
    for job in range(len(jobs)):
        begins[jobs[job, AFTER] + 2] += 1
    for tile in range(tiles + 1):
        begins[tile + 1] += begins[tile]
    in_order, blocks = np.empty((len(jobs), 3), dtype=np.int64), np.empty(len(jobs), dtype=np.int64)
    for job in range(len(jobs)):
        place = begins[jobs[job, AFTER] + 1]
        begins[jobs[job, AFTER] + 1] += 1
        in_order[place, AFTER], in_order[place, TAKES] = jobs[job, AFTER], jobs[job, TAKES]
        blocks[place] = of_block[job]
    return in_order, blocks


@helper
def _serve_several(work: Ints, first: int, last: int, end: int, free: int, limits: Limits) -> int:
    """Serve what is asked for when the tiles `first` to `last` end, all in the cycle `end`; -1 stands for the start.

    `free` is the cycle from which the channel is free; return the next such cycle.
    """
    depths = (limits.ifmap, limits.filters, limits.psums)
    lowest, highest = max(first, 0), last
    for depth in depths:
        lowest = min(lowest, first + 1 + depth)
        highest = max(highest, last + 1 + depth)
    for tile in range(0 if first < 0 else lowest, min(highest + 1, len(work))):
        for tensor in range(TENSORS):
            asks = tile - depths[tensor] - 1  # the tile that must have left the tensor's buffer
            if first <= max(asks, -1) <= last and work[tile, LOAD + tensor]:
                free = max(free, end) + work[tile, LOAD + tensor]
                work[tile, LOAD + tensor] = free
        if first <= tile <= last:
            work[tile, STORE_END] = 0
            if work[tile, STORE]:
                free = max(free, end) + work[tile, STORE]
                work[tile, STORE_END] = free
    return free


@helper
def _is_asked_for(work: Ints, tile: int, first: int, limits: Limits) -> bool:
    """Tell whether `tile` needs what is asked for only when tile `first` or a later one ends."""
    depths = (limits.ifmap, limits.filters, limits.psums)
    for tensor in range(TENSORS):
        if work[tile, LOAD + tensor] and max(tile - depths[tensor] - 1, -1) >= first:
            return True
    for earlier in range(max(first, 0), max(tile - limits.stores, 0)):  # noqa: SIM110 (a kernel)
        if work[earlier, STORE]:
            return True
    return False


@helper
def run(work: Ints, jobs: Ints, limits: Limits) -> int:
    """Run all tiles; return the cycle in which everything is done, or -1 if tiles wait for one another.

    Parameters
    ----------
    work
        int64 (tiles, 8): see :data:`COLUMNS`. Overwritten: the ends of loads and stores, and the first cycles of tiles.
    jobs
        int64 (jobs, 3): see :data:`ENDS`, which is overwritten.
    limits
        How far the channel works ahead and behind, and latencies.
    """
    tiles, count = len(work), len(jobs)
    latency, depths = limits.latency, (limits.ifmap, limits.filters, limits.psums)
    nothing = 0 * count  # no literal: else Numba compiles what it is passed to once more for that value
    channel_free, array_free, unit_free = nothing, nothing, nothing
    # The tensors with the nearest tiles first: these are the older ones.
    near, middle, far = 0, 1, 2
    if depths[middle] < depths[near]:
        near, middle = middle, near
    if depths[far] < depths[middle]:
        middle, far = far, middle
    if depths[middle] < depths[near]:
        near, middle = middle, near
    next_near, next_middle, next_far = depths[near], depths[middle], depths[far]
    stored = 0  # when the last store that a tile must wait for has ended
    job = 0
    while job < count and jobs[job, AFTER] < 0:
        unit_free += jobs[job, TAKES]
        jobs[job, ENDS] = unit_free
        job += 1
    # The first of the tiles that ended in the cycle `array_free` and whose requests are not yet served.
    ended = nothing - 1
    for tile in range(tiles + 1):
        # A tile that takes no time and waits for nothing ends in the same cycle: its requests are made then, too.
        at_once = tile < tiles and work[tile, ARRAY] == 0 and not _is_asked_for(work, tile, ended, limits)
        if not at_once:
            if ended == tile - 1 and ended >= 0:  # nearly always so: the older tile's request comes first
                served = max(channel_free, array_free)
                work[ended, STORE_END] = 0
                if work[ended, STORE]:
                    channel_free = served = served + work[ended, STORE]
                    work[ended, STORE_END] = served
                later = tile + next_near
                if later < tiles and work[later, LOAD + near]:
                    channel_free = served = served + work[later, LOAD + near]
                    work[later, LOAD + near] = served
                later = tile + next_middle
                if later < tiles and work[later, LOAD + middle]:
                    channel_free = served = served + work[later, LOAD + middle]
                    work[later, LOAD + middle] = served
                later = tile + next_far
                if later < tiles and work[later, LOAD + far]:
                    channel_free = served = served + work[later, LOAD + far]
                    work[later, LOAD + far] = served
            else:
                channel_free = _serve_several(work, ended, tile - 1, array_free, channel_free, limits)
            ended = tile
        if tile == tiles:
            break
        if work[tile, WAITS] >= job:
            return -1
        slot = tile - limits.stores - 1  # the tile that must have left the ofmap's buffer
        if slot >= 0 and work[slot, STORE]:
            stored = work[slot, STORE_END]
        ready = max(array_free, stored)
        for tensor in range(TENSORS):
            if work[tile, LOAD + tensor]:
                ready = max(ready, work[tile, LOAD + tensor] + latency)
        if work[tile, WAITS] >= 0:
            ready = max(ready, jobs[work[tile, WAITS], ENDS] + limits.job_latency)
        if at_once and ready > array_free:
            channel_free = _serve_several(work, ended, tile - 1, array_free, channel_free, limits)
            ended = tile
        work[tile, START] = ready
        array_free = ready + work[tile, ARRAY]
        while job < count and jobs[job, AFTER] == tile:
            # Outputs leave the array while the tile runs: the job starts with the tile and does not end before it.
            unit_free = max(max(unit_free, ready) + jobs[job, TAKES], array_free)
            jobs[job, ENDS] = unit_free
            job += 1
    if job < count:
        return -1
    end = max(array_free, channel_free)
    return max(end, unit_free + limits.job_latency) if count else end


@helper
def stalls(work: Ints, limits: Limits, end: int, out: Ints) -> None:
    """Attribute every cycle in which the array waits, up to `end`, to its cause.

    A wait belongs to what comes last; of several that come at once, to the loads, then to the buffer, then to the
    predictor. While the array waits for a load, or for a store that is not overlapped, the channel writes or it reads.

    Parameters
    ----------
    work
        int64 (tiles, 8): as :func:`run` leaves it.
    limits
        As there.
    end
        The cycle in which everything is done.
    out
        int64 (8,), of which the four causes are overwritten: see :data:`SPILLED_WORDS`.
    """
    tiles, array_free, first_store, last_slot, slot_end = len(work), 0, 0, -1, 0
    read, written, buffer, predictor = 0, 0, 0, 0
    for tile in range(tiles + 1):  # behind the last tile, the array waits for the end
        ready = work[tile, START] if tile < tiles else end
        if ready > array_free:
            slot = tile - limits.stores - 1 if tile < tiles else tiles - 1
            while last_slot < slot:  # the end of the last store up to `slot`
                last_slot += 1
                if work[last_slot, STORE]:
                    slot_end = work[last_slot, STORE_END]
            cause = PREDICTOR
            if slot_end == ready:
                cause = BUFFER if limits.stores and tile < tiles else DRAM_READ
            for tensor in range(TENSORS if tile < tiles else 0):
                if work[tile, LOAD + tensor] and work[tile, LOAD + tensor] + limits.latency == ready:
                    cause = DRAM_READ
            if cause == DRAM_READ:
                read += ready - array_free
                while first_store < tile and work[first_store, STORE_END] <= array_free:
                    first_store += 1
                for store in range(first_store, tile):  # stores of later tiles begin after the wait
                    if work[store, STORE]:
                        begin = work[store, STORE_END] - work[store, STORE]
                        if begin >= ready:
                            break
                        during = min(work[store, STORE_END], ready) - max(begin, array_free)
                        written += during
                        read -= during
            elif cause == BUFFER:
                buffer += ready - array_free
            else:
                predictor += ready - array_free
        if tile < tiles:
            array_free = ready + work[tile, ARRAY]
    out[DRAM_READ], out[DRAM_WRITE], out[BUFFER], out[PREDICTOR] = read, written, buffer, predictor


@helper
def _plan(n: Ints) -> Plan:
    """Give numbers their names."""
    return Plan(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12])


@helper
def _limits(n: Ints, at: int) -> Limits:
    """Give numbers their names."""
    return Limits(n[at], n[at + 1], n[at + 2], n[at + 3], n[at + 4], n[at + 5])


@kernel
def order_layer(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """Put the tiles of a layer in order: :func:`order` for one who has only numbers."""
    return order(a, loads_a, b, loads_b, reach, _plan(numbers))


@kernel
def run_ordered(work: Ints, jobs: Ints, numbers: Ints, out: Ints) -> int:
    """Run tiles that are in order, and say in `out` what stalls: :func:`run` and :func:`stalls` for numbers."""
    limits = _limits(numbers, 0)
    end = run(work, jobs, limits)
    if end >= 0:
        stalls(work, limits, end, out)
    return end


@kernel
def attribute(work: Ints, numbers: Ints, end: int, out: Ints) -> None:
    """Attribute the waits of tiles that another engine has run: :func:`stalls` for numbers."""
    stalls(work, _limits(numbers, 0), end, out)


@kernel
def run_layer(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, numbers: Ints) -> Ints:
    """Time a layer from the tiles of its stages: int64 (8,), see :data:`SPILLED_WORDS`.

    Parameters
    ----------
    a, b
        int64 (7, tiles): tables of the tiles of stage A (or of the only stage) and of stage B (or no tiles).
    loads_a, loads_b
        int64 (2, tiles): words of the ifmap and of filters that DRAM brings for them.
    reach
        int64 (blocks of stage A,): the last block that each block's predictor sees.
    numbers
        int64 (19,): the fields of :class:`Plan`, then those of :class:`Limits`.
    """
    work, jobs = order(a, loads_a, b, loads_b, reach, _plan(numbers))
    limits = _limits(numbers, len(numbers) - _LIMITS)
    out = np.zeros(8, dtype=np.int64)
    out[END] = run(work, jobs, limits)
    if out[END] >= 0:
        stalls(work, limits, out[END], out)
    out[LOADED] = _total(loads_a[0]) + _total(loads_a[1]) + _total(loads_b[0]) + _total(loads_b[1])
    out[PSUM_WORDS] = _total(a[PSUMS]) + _total(b[PSUMS])
    out[SPILLED_WORDS] = _total(a[SPILLED]) + _total(b[SPILLED])
    return out
