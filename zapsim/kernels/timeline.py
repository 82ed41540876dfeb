"""The timeline of a layer: its tiles in order, when each runs on array, DRAM channel and predictor, and what stalls.

First the tiles are put in the array's order, with the cycles of the channel that each takes (:func:`order`). Then one
walk over them says when everything happens, and to which cause each wait belongs (:func:`run`). Both work in one table,
a row per tile, so that what is known of a tile lies together.

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
from zapsim.kernels.shares import line, next_share

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

AFTER, TAKES, ENDS, JOB = range(4)
JOB_COLUMNS = 4
"""Columns of the predictor's jobs, int64 (jobs, 4): the tile during which a job's inputs leave the array, not falling
(-1: they are there from the start); cycles of the unit; the cycle after the last one (before the run: the block of
stage A); and which job comes at this place in the order of stage A."""

STAGE, FIRST, TILES, OF_BLOCK, WAIT = range(5)
"""Columns of the runs of tiles that follow one another in a stage and on the array, int64 (runs, 5): the stage; the
first tile of it (of stage Z: the block); tiles; their block of stage A; the last job to wait for (-1: none)."""

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
def _total(values: Ints) -> int:
    """Add up."""
    total = 0
    for place in range(len(values)):  # a loop over the values themselves is not vectorised
        total += values[place]
    return total


@helper
def _sorted(values: Ints, kinds: int) -> tuple[Ints, Ints]:
    """Sort entries by their value (below `kinds`), equal ones in their order; and say where each value begins."""
    begins = np.zeros(kinds + 1, dtype=np.int64)
    for value in values:
        begins[value + 1] += 1
    for kind in range(kinds):
        begins[kind + 1] += begins[kind]
    place, entries = begins.copy(), np.empty(len(values), dtype=np.int64)
    for entry in range(len(values)):
        entries[place[values[entry]]] = entry
        place[values[entry]] += 1
    return entries, begins


@helper
def _with_shares(words: Ints, total: int, weights: Ints, least: int) -> Ints:
    """Add to `words` the shares of `total`, in proportion to `weights`, each of which is at least `least`."""
    if not total:
        return words
    whole = 0 * total
    for weight in weights:
        whole += max(weight, least)
    shared, out = line(total, whole), np.empty(len(words), dtype=np.int64)
    for i in range(len(words)):
        shared, part = next_share(shared, max(weights[i], least))
        out[i] = words[i] + part
    return out


@helper
def _divided(number: int, divisor: int) -> int:
    """Return number / divisor rounded up, below 2**51; a float's quotient is at most one off, and quicker to have."""
    quotient = int(number / divisor)
    if quotient * divisor < number:
        quotient += 1
    elif (quotient - 1) * divisor >= number:
        quotient -= 1
    return quotient


class _Request(NamedTuple):
    """The last request of a kind: most others take as many bursts, even if they have some words more or less."""

    below: int
    """Bits of all its bursts but the last."""
    cycles: int


@helper
def _channel_cycles(before: _Request, words: int, plan: Plan) -> tuple[_Request, int]:
    """Return the cycles that the channel takes for a request; 0 for none."""
    bits = words * plan.word_bits
    if bits == 0:
        return before, bits
    if before.below < bits <= before.below + plan.burst_bits and before.cycles:
        return before, before.cycles
    bursts = _divided(bits, plan.burst_bits)
    cycles = _divided(bursts * plan.numerator, plan.denominator)
    return _Request((bursts - 1) * plan.burst_bits, cycles), cycles


@helper
def _first_tiles(block: Ints, blocks_of: int, blocks: int) -> Ints:
    """Return the first tile of each of `blocks` and where the last one ends, if those of the tiles are scaled to them.

    Blocks of stage B (`blocks_of` of them) go with those of stage A.
    """
    first, following = np.zeros(blocks + 1, dtype=np.int64), 1
    for tile in range(len(block) if blocks > 1 else 0):
        scaled = block[tile] if blocks == blocks_of else ((block[tile] + 1) * blocks - 1) // blocks_of
        while following <= scaled:
            first[following] = tile
            following += 1
    for none_left in range(following, blocks + 1):
        first[none_left] = len(block)
    return first


@helper
def _outputs_of_z(a: Ints, plan: Plan) -> Ints:
    """Count the outputs of each block that has a tile of stage Z (of a layer that is one block: 1); (0,) without Z."""
    outputs = np.zeros(max(plan.blocks_a, 1) if plan.by_tile else 1, dtype=np.int64)
    if not plan.array_cycles:
        return outputs[:0]
    if not plan.by_tile:
        outputs[0] = 1
    for tile in range(a.shape[1] if plan.by_tile else 0):
        outputs[a[BLOCK, tile]] += a[OUTPUTS, tile]
    return outputs


@helper
def _stage_z(z_outputs: Ints, plan: Plan) -> Ints:
    """Make a table like those of the other stages, int64 (7, blocks): stage Z is shared out over blocks."""
    table, whole = np.zeros((7, len(z_outputs)), dtype=np.int64), _total(z_outputs)
    cycles, words = line(plan.array_cycles, whole), line(plan.reread, whole)
    for block in range(len(z_outputs)):
        cycles, table[CYCLES, block] = next_share(cycles, z_outputs[block])
        words, table[PSUMS, block] = next_share(words, z_outputs[block])
    return table


@helper
def _sequence(a: Ints, b: Ints, reach: Ints, plan: Plan, z_outputs: Ints) -> Ints:
    """Put the tiles of all stages in the array's order, as runs (:data:`STAGE`).

    By tile, the later stages of a block come when stage A has reached what the predictor's window sees of other blocks,
    and has had one block more to do meanwhile if the predictor is a unit of its own. Else the layer is one block.
    `z_outputs` is that of :func:`_outputs_of_z`.
    """
    blocks, more = plan.blocks_a if plan.by_tile and plan.blocks_a else 1, 0 if plan.array_cycles else 1
    turn = np.zeros(blocks, dtype=np.int64)
    for block in range(blocks if blocks > 1 else 0):
        turn[block] = min(reach[block] + more, blocks - 1)
    in_turn, begins = _sorted(turn, blocks)
    first_a, first_b = _first_tiles(a[BLOCK], plan.blocks_a, blocks), _first_tiles(b[BLOCK], plan.blocks_b, blocks)
    runs, count = np.empty((3 * blocks, 5), dtype=np.int64), 0
    for now in range(blocks):
        runs[count, STAGE], runs[count, OF_BLOCK] = A, now
        runs[count, FIRST], runs[count, TILES] = first_a[now], first_a[now + 1] - first_a[now]
        count += 1
        for later in range(begins[now], begins[now + 1]):
            block = in_turn[later]
            if len(z_outputs) and z_outputs[block]:
                runs[count, STAGE], runs[count, OF_BLOCK] = Z, block
                runs[count, FIRST], runs[count, TILES] = block, 1
                count += 1
            runs[count, STAGE], runs[count, OF_BLOCK] = B, block
            runs[count, FIRST], runs[count, TILES] = first_b[block], first_b[block + 1] - first_b[block]
            count += 1
    for index in range(count):
        runs[index, WAIT] = -1
    return runs[:count]


@helper
def order(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, plan: Plan, out: Ints) -> tuple[Ints, Ints]:
    """Put the tiles of all stages in the array's order, and say what each loads, stores and waits for.

    Return the table of :data:`COLUMNS`, and that of the jobs. Parameters are those of :func:`run_layer`; `out` gets the
    words that it returns.
    """
    z_outputs, outputs_a, nothing = _outputs_of_z(a, plan), _total(a[OUTPUTS]), 0 * plan.ofmap
    runs, z = _sequence(a, b, reach, plan, z_outputs), _stage_z(z_outputs, plan)
    jobs = _jobs(a, outputs_a, reach, plan, runs)
    weights = line(plan.weights, outputs_a if outputs_a else a.shape[1])
    masks, ofmap = line(plan.spilled, outputs_a), line(plan.ofmap, outputs_a + _total(b[OUTPUTS]))
    # The bits of a mask that did not fit on chip come back in the order of stage B.
    psums_b, loads_z = _with_shares(b[PSUMS], plan.spilled, b[CYCLES], 1), np.zeros((2, len(z_outputs)), dtype=np.int64)
    psum_words, spilled_words, loaded = _total(a[PSUMS]) + _total(b[PSUMS]), _total(a[SPILLED]) + _total(b[SPILLED]), 0
    tiles, at = nothing, nothing
    for index in range(len(runs)):
        tiles += runs[index, TILES]
    work = np.empty((tiles, COLUMNS), dtype=np.int64)
    kept_ifmap = kept_filters = kept_psums = kept_stored = _Request(nothing, nothing)
    for index in range(len(runs)):
        stage, first, wait = runs[index, STAGE], runs[index, FIRST], runs[index, WAIT]
        part, loads, psums = (a, loads_a, a[PSUMS]) if stage == A else (b, loads_b, psums_b)
        if stage == Z:
            part, loads, psums = z, loads_z, z[PSUMS]
        has_psums = psum_words > 0 or (stage == B and plan.spilled > 0) or stage == Z
        has_weights, has_masks = stage == A and plan.weights > 0, stage == A and plan.spilled > 0
        for place in range(first, first + runs[index, TILES]):
            ifmap, filters, outputs = loads[0, place], loads[1, place], part[OUTPUTS, place]
            stored = part[SPILLED, place] if spilled_words else nothing
            loaded += ifmap + filters
            if outputs or not outputs_a:
                if has_weights:
                    weights, more = next_share(weights, outputs if outputs_a else 1)
                    filters += more
                if has_masks:
                    masks, more = next_share(masks, outputs)
                    stored += more
                ofmap, more = next_share(ofmap, outputs)
                stored += more
            work[at, ARRAY] = part[CYCLES, place]
            kept_ifmap, work[at, LOAD] = _channel_cycles(kept_ifmap, ifmap, plan)
            kept_filters, work[at, LOAD + 1] = _channel_cycles(kept_filters, filters, plan)
            work[at, LOAD + 2] = work[at, STORE] = 0
            if has_psums:
                kept_psums, work[at, LOAD + 2] = _channel_cycles(kept_psums, psums[place], plan)
            if stored:
                kept_stored, work[at, STORE] = _channel_cycles(kept_stored, stored, plan)
            work[at, WAITS], work[at, START], work[at, STORE_END] = wait, stage, 0
            at += 1
    out[LOADED], out[PSUM_WORDS], out[SPILLED_WORDS] = loaded, psum_words, spilled_words
    return work, jobs


@helper
def _jobs(a: Ints, outputs_a: int, reach: Ints, plan: Plan, runs: Ints) -> Ints:
    """Make a job for every tile of stage A that finishes outputs; if none does, one for all that there is to do.

    Every run of stage B gets the last job that it needs: of the layer, or of its block. A block without outputs of the
    pattern (a single row, say) goes with the one before it.
    """
    jobs, blocks = np.empty((a.shape[1] + 1, JOB_COLUMNS), dtype=np.int64), max(plan.blocks_a, 1)
    if not plan.unit_cycles:
        return jobs[:0]
    last_tile, last_job = np.empty(blocks, dtype=np.int64), np.empty(blocks, dtype=np.int64)
    for block in range(blocks):
        last_tile[block], last_job[block] = -1, -1
    shared, at, count = line(plan.unit_cycles, outputs_a), 0 * blocks, 0 * blocks  # no literals: see :func:`run`
    for index in range(len(runs)):
        if runs[index, STAGE] == A:
            for place in range(runs[index, FIRST], runs[index, FIRST] + runs[index, TILES]):
                tile, block = at + place - runs[index, FIRST], a[BLOCK, place]
                last_tile[block] = tile
                if a[OUTPUTS, place]:
                    shared, jobs[count, TAKES] = next_share(shared, a[OUTPUTS, place])
                    jobs[count, AFTER], jobs[count, ENDS], jobs[count, JOB] = tile, block, count
                    last_job[block] = count
                    count += 1
        at += runs[index, TILES]
    if not count:
        jobs[0, AFTER], jobs[0, TAKES], jobs[0, JOB], last_job[0], count = -1, plan.unit_cycles, 0, 0, 1
    jobs = jobs[:count]
    for block in range(blocks):
        if outputs_a and reach[block] != block:
            _wait_for_reach(jobs, reach, last_tile, last_job, at)
            break
    by_tile = plan.by_tile and plan.blocks_a
    for block in range(1, blocks if by_tile else 0):
        if last_job[block] < 0:
            last_job[block] = last_job[block - 1]
    for index in range(len(runs)):
        if runs[index, STAGE] == B:
            runs[index, WAIT] = last_job[runs[index, OF_BLOCK]] if by_tile else count - 1
    return jobs


@helper
def _wait_for_reach(jobs: Ints, reach: Ints, last_tile: Ints, last_job: Ints, tiles: int) -> None:
    """Let the predictor of a block that reaches into others work when the last of these is finished.

    Jobs are sorted by the tile that they follow; those of one tile keep their order.
    """
    for block in range(1, len(last_tile)):  # of each block and all before it
        if last_tile[block] < 0:
            last_tile[block] = last_tile[block - 1]
    after, before = np.empty(len(jobs), dtype=np.int64), jobs.copy()
    for job in range(len(jobs)):
        block = jobs[job, ENDS]
        after[job] = jobs[job, AFTER] if reach[block] == block else last_tile[reach[block]]
    in_order, _ = _sorted(after, tiles)
    for job in range(len(jobs)):
        place = in_order[job]
        jobs[job, AFTER], jobs[job, TAKES], jobs[place, JOB] = after[place], before[place, TAKES], job
        last_job[before[place, ENDS]] = job


@helper
def share_unit(jobs: Ints, outputs: Ints, plan: Plan) -> None:
    """Share out the cycles of the unit over its jobs in the order of stage A, whose tiles finish `outputs`."""
    whole, job = _total(outputs), 0
    if not whole and len(jobs):
        jobs[0, TAKES] = plan.unit_cycles
    shared = line(plan.unit_cycles, whole)
    for tile in range(len(outputs) if len(jobs) else 0):
        if outputs[tile]:
            shared, jobs[jobs[job, JOB], TAKES] = next_share(shared, outputs[tile])
            job += 1


@helper
def _serve_several(work: Ints, first: int, last: int, free: int, limits: Limits) -> int:
    """Serve what is asked for when the tiles `first` to `last` end in the same cycle; -1 stands for the start.

    `free` is the first cycle in which the channel is free then; return the next such cycle.
    """
    depths = (limits.ifmap, limits.filters, limits.psums)
    lowest, highest = max(first, 0), last
    for depth in depths:
        lowest = min(lowest, first + 1 + depth)
        highest = max(highest, last + 1 + depth)
    for tile in range(0 if first < 0 else lowest, min(highest + 1, len(work))):
        for tensor in range(TENSORS):
            asks = tile - depths[tensor] - 1  # the tile that must have left the tensor's buffer
            if first <= max(asks, -1) <= last:
                free += work[tile, LOAD + tensor]
                work[tile, LOAD + tensor] = free if work[tile, LOAD + tensor] else 0
        if first <= tile <= last:
            free += work[tile, STORE]
            work[tile, STORE_END] = free if work[tile, STORE] else 0
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
def _by_depth(limits: Limits) -> tuple[int, int, int]:
    """Return the tensors in the order of their depths: what is asked for at a time is for the older tiles first."""
    near, middle, far = 0, 1, 2
    depths = (limits.ifmap, limits.filters, limits.psums)
    if depths[middle] < depths[near]:
        near, middle = middle, near
    if depths[far] < depths[middle]:
        middle, far = far, middle
    if depths[middle] < depths[near]:
        near, middle = middle, near
    return near, middle, far


@helper
def run(work: Ints, jobs: Ints, limits: Limits, out: Ints) -> int:
    """Run all tiles; return the cycle in which everything is done, or -1 if tiles wait for one another.

    Every cycle in which the array waits is attributed to its cause. A wait belongs to what comes last; of several that
    come at once, to the loads, then to the buffer, then to the predictor. While the array waits for a load, or for a
    store that is not overlapped, the channel writes or it reads.

    Parameters
    ----------
    work
        int64 (tiles, 8): see :data:`COLUMNS`. Overwritten: the ends of loads and stores, and the first cycles of tiles.
    jobs
        int64 (jobs, 4): see :data:`AFTER`, of which the column :data:`ENDS` is overwritten.
    limits
        How far the channel works ahead and behind, and latencies.
    out
        int64 (8,): the cycles of the four causes are added to what it holds (:data:`END`).
    """
    tiles, count, depths = len(work), len(jobs), (limits.ifmap, limits.filters, limits.psums)
    near, middle, far = _by_depth(limits)
    # What is asked for when the tile before the first one ends, when the first one ends, and so on.
    work_near, work_middle, work_far = work[depths[near] :], work[depths[middle] :], work[depths[far] :]
    nothing = 0 * count  # no literal: else Numba compiles what it is passed to once more for that value
    channel_free, array_free, unit_free, job = nothing, nothing, nothing, nothing
    stored = nothing  # when the last store that a tile must wait for has ended
    first_store, last_store = nothing, nothing  # the first store that may go on, and when the last one ends, or later
    while job < count and jobs[job, AFTER] < 0:
        unit_free += jobs[job, TAKES]
        jobs[job, ENDS] = unit_free
        job += 1
    # The first of the tiles that ended in the cycle `array_free` and whose requests are not yet served.
    ended = nothing - 1
    for tile in range(tiles + 1):
        # A tile that takes no time and waits for nothing ends in the same cycle: its requests are made then, too.
        if tile == tiles or work[tile, ARRAY] or _is_asked_for(work, tile, ended, limits):
            channel_free = max(channel_free, array_free)
            if 0 <= ended == tile - 1:  # nearly always so: the older tile's request comes first
                if work[ended, STORE]:
                    channel_free += work[ended, STORE]
                    work[ended, STORE_END] = last_store = channel_free
                if tile < len(work_near) and work_near[tile, LOAD + near]:
                    channel_free += work_near[tile, LOAD + near]
                    work_near[tile, LOAD + near] = channel_free
                if tile < len(work_middle) and work_middle[tile, LOAD + middle]:
                    channel_free += work_middle[tile, LOAD + middle]
                    work_middle[tile, LOAD + middle] = channel_free
                if tile < len(work_far) and work_far[tile, LOAD + far]:
                    channel_free += work_far[tile, LOAD + far]
                    work_far[tile, LOAD + far] = channel_free
            else:
                channel_free = last_store = _serve_several(work, ended, tile - 1, channel_free, limits)
            ended = tile
        if tile == tiles:
            break
        slot = tile - limits.stores - 1  # the tile that must have left the ofmap's buffer
        if slot >= 0:
            stored = max(stored, work[slot, STORE_END])
        loaded = max(work[tile, LOAD], work[tile, LOAD + 1], work[tile, LOAD + 2])
        if loaded:
            loaded += limits.latency
        ready, wait = max(array_free, stored, loaded), work[tile, WAITS]
        if wait >= job:
            return -1
        if wait >= 0:
            ready = max(ready, jobs[wait, ENDS] + limits.job_latency)
        if ready > array_free:
            if ended < tile:
                channel_free = max(channel_free, array_free)
                channel_free = last_store = _serve_several(work, ended, tile - 1, channel_free, limits)
                ended = tile
            if loaded == ready or (stored == ready and not limits.stores):
                out[DRAM_READ] += ready - array_free
                if last_store > array_free:
                    while first_store < tile and work[first_store, STORE_END] <= array_free:
                        first_store += 1
                    for earlier in range(first_store, tile):
                        store_end = work[earlier, STORE_END]
                        written = min(store_end, ready) - max(store_end - work[earlier, STORE], array_free)
                        if written > 0:
                            out[DRAM_WRITE] += written
                            out[DRAM_READ] -= written
            else:
                out[BUFFER if stored == ready else PREDICTOR] += ready - array_free
        work[tile, START] = ready
        array_free = ready + work[tile, ARRAY]
        while job < count and jobs[job, AFTER] == tile:
            # Outputs leave the array while the tile runs: the job starts with the tile and does not end before it.
            unit_free = max(max(unit_free, ready) + jobs[job, TAKES], array_free)
            jobs[job, ENDS] = unit_free
            job += 1
    if job < count:
        return -1
    # Behind the last tile, the array waits for the end; the channel has nothing to bring any more.
    end = max(channel_free, unit_free + limits.job_latency if count else nothing)
    out[DRAM_WRITE if channel_free == end else PREDICTOR] += end - array_free
    return end


@helper
def plan_of(n: Ints) -> Plan:
    """Give numbers their names."""
    return Plan(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12])


@helper
def limits_of(n: Ints) -> Limits:
    """Give numbers their names."""
    return Limits(n[0], n[1], n[2], n[3], n[4], n[5])


@kernel
def order_layer(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """Put the tiles of a layer in order: :func:`order` for one who has only numbers."""
    return order(a, loads_a, b, loads_b, reach, plan_of(numbers), np.zeros(8, dtype=np.int64))


@kernel
def run_ordered(work: Ints, jobs: Ints, numbers: Ints, out: Ints) -> int:
    """Run tiles that are in order: :func:`run` for numbers."""
    return run(work, jobs, limits_of(numbers), out)


@kernel
def run_layer(
    a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, numbers: Ints
) -> tuple[int, int, int, int, int, int, int, int]:
    """Time a layer from the tiles of its stages: eight numbers, see :data:`END`.

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
    out = np.zeros(8, dtype=np.int64)
    work, jobs = order(a, loads_a, b, loads_b, reach, plan_of(numbers), out)
    out[END] = run(work, jobs, limits_of(numbers[len(numbers) - _LIMITS :]), out)
    # Where kernels are interpreted, elements are NumPy's numbers.
    return (
        int(out[0]), int(out[1]), int(out[2]), int(out[3]), int(out[4]), int(out[5]), int(out[6]), int(out[7])
    )  # fmt: skip
