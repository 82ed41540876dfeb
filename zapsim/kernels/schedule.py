"""The tiles of a layer put in order, with the channel's cycles for each; and sharing out whole numbers.

The readable form of :func:`order_tiles` is in ``tests/reference/timeline_schedule.py``; docs/models/timeline.md is the
page of the model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import kernel

Ints = NDArray[np.int64]

TENSORS = 3
"""Tensors that DRAM loads: ifmap, filters, psums."""

A, Z, B = range(3)
"""Stages: the pattern (or all of a layer without prediction), the predictor on the array, and the rest."""

_MOST_PRODUCT = 2**62
_EXACT_FLOAT = 2**53


CYCLES, IFMAP, FILTERS, PSUMS, SPILLED, OUTPUTS, BLOCK = range(7)
"""Rows of a table of tiles, int64 (7, tiles): cycles on the array; words to load; words to store; outputs finished."""


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


@kernel
def _portion(total: int, part: int, whole: int) -> int:
    """Return ceil(total · part / whole), exactly, for part <= whole."""
    if total <= _MOST_PRODUCT // whole:
        return (total * part + whole - 1) // whole
    quotient, rest = 0, 0
    for bit in range(62, -1, -1):  # as on paper, one binary digit of `total` after the other
        quotient, rest = 2 * quotient, 2 * rest
        if rest >= whole:
            quotient, rest = quotient + 1, rest - whole
        if (total >> bit) & 1:
            rest += part
            if rest >= whole:
                quotient, rest = quotient + 1, rest - whole
    return quotient + (1 if rest else 0)


@kernel
def share_out(total: int, weights: Ints, out: Ints) -> None:
    """Divide `total` in proportion to `weights`: the first i entries get ceil(total · their weight / all weight).

    Parameters
    ----------
    total
        Not negative.
    weights
        int64 (n,), not negative. Without any weight, nothing is shared out.
    out
        int64 (n,), overwritten; it may be `weights`.
    """
    whole = 0
    for weight in weights:
        whole += weight
    reached, before = 0, 0
    for i in range(len(weights)):
        weight = weights[i]
        out[i] = 0
        if total and weight:
            reached += weight
            end = _portion(total, reached, whole)
            out[i] = end - before
            before = end


@kernel
def even_shares(totals: Ints, parts: Ints, out: Ints) -> None:
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


@kernel
def _divided(number: int, divisor: int) -> int:
    """Return number / divisor rounded up; a float's quotient is at most one off, and is quicker to have."""
    if number >= _EXACT_FLOAT:
        return (number + divisor - 1) // divisor
    quotient = int(number / divisor)
    if quotient * divisor < number:
        quotient += 1
    elif (quotient - 1) * divisor >= number:
        quotient -= 1
    return quotient


@kernel
def _channel_cycles(words: int, plan: Plan) -> int:
    """Return the cycles that the channel takes for a request."""
    bursts = _divided(words * plan.word_bits, plan.burst_bits)
    return _divided(bursts * plan.numerator, plan.denominator)


@kernel
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
    place, order = begins.copy(), np.empty(blocks, dtype=np.int64)
    for block in range(blocks):
        turn = min(reach[block] + more, blocks - 1)
        order[place[turn]] = block
        place[turn] += 1
    return order, begins


@kernel
def _sequence(a: Ints, b: Ints, reach: Ints, plan: Plan, z_outputs: Ints) -> Ints:
    """Return the tiles in the array's order: int64 (tiles, 2), the stage, and the place in it (of stage Z: the block).

    `z_outputs` is int64 (blocks of stage A,): outputs of the blocks for which stage Z has a tile; (0,) if there is
    none.
    """
    tiles_z = 0
    for outputs in z_outputs:
        tiles_z += 1 if outputs else 0
    sequence = np.empty((a.shape[1] + tiles_z + b.shape[1], 2), dtype=np.int64)
    at, next_a = 0, 0
    if not plan.by_tile or not plan.blocks_a:
        for stage, count in ((A, a.shape[1]), (Z, tiles_z), (B, b.shape[1])):
            for place in range(count):
                sequence[at, 0] = stage
                sequence[at, 1] = place if stage != Z else len(z_outputs) - 1
                at += 1
        return sequence
    order, begins = _turns(reach, plan)
    # Blocks of stage B are scaled to those of stage A; `first_b` is where each begins.
    first_b = np.zeros(plan.blocks_a + 1, dtype=np.int64)
    for block in b[BLOCK]:
        first_b[_scaled(block, plan) + 1] += 1
    for block in range(plan.blocks_a):
        first_b[block + 1] += first_b[block]
    for turn in range(plan.blocks_a):
        while next_a < a.shape[1] and a[BLOCK, next_a] == turn:
            sequence[at, 0], sequence[at, 1] = A, next_a
            next_a += 1
            at += 1
        for later in range(begins[turn], begins[turn + 1]):
            block = order[later]
            if len(z_outputs) and z_outputs[block]:
                sequence[at, 0], sequence[at, 1] = Z, block
                at += 1
            for tile in range(first_b[block], first_b[block + 1]):
                sequence[at, 0], sequence[at, 1] = B, tile
                at += 1
    return sequence


@kernel
def _scaled(block: int, plan: Plan) -> int:
    """Return the block of stage A with which a block of stage B goes."""
    if plan.blocks_a == plan.blocks_b:
        return block
    return ((block + 1) * plan.blocks_a - 1) // plan.blocks_b


@kernel
def order_tiles(a: Ints, loads_a: Ints, b: Ints, loads_b: Ints, reach: Ints, numbers: Ints) -> tuple[Ints, Ints, Ints]:
    """Put the tiles of all stages in the array's order, and say what each loads, stores and waits for.

    Parameters
    ----------
    a, b
        int64 (7, tiles): tables of the tiles of stage A (or of the only stage) and of stage B (or no tiles).
    loads_a, loads_b
        int64 (2, tiles): words of the ifmap and of filters that DRAM brings for them.
    reach
        int64 (blocks of stage A,): the last block that each block's predictor sees.
    numbers
        int64 (13,): the fields of :class:`Plan`.

    Returns
    -------
    tiles
        int64 (4, tiles): cycles on the array; stage; cycles of the channel for the store; the last job to wait for.
    loads
        int64 (tiles, TENSORS): cycles of the channel.
    jobs
        int64 (2, jobs): the tile that each job follows, not falling, and its cycles.
    """
    n = numbers
    plan = Plan(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12])
    z_outputs = _outputs_of_z(a, plan)
    z_cycles, z_words = np.zeros_like(z_outputs), np.zeros_like(z_outputs)
    share_out(plan.array_cycles, z_outputs, z_cycles)
    share_out(plan.reread, z_outputs, z_words)
    mask_words = np.empty(b.shape[1] if plan.spilled else 0, dtype=np.int64)
    if plan.spilled:
        share_out(plan.spilled, np.maximum(b[CYCLES], 1), mask_words)
    outputs_a, outputs_b = a[OUTPUTS].sum(), b[OUTPUTS].sum()
    sequence = _sequence(a, b, reach, plan, z_outputs)
    tiles, loads = np.empty((4, len(sequence)), dtype=np.int64), np.empty((len(sequence), TENSORS), dtype=np.int64)
    weight_of_a = outputs_a if outputs_a else a.shape[1]
    weight_reached, weights_before, outputs_reached, spilled_before = 0, 0, 0, 0
    stored_reached, stored_before = 0, 0
    for at in range(len(sequence)):
        stage, place = sequence[at]
        tiles[1, at] = stage
        if stage == Z:
            tiles[0, at], tiles[2, at] = z_cycles[place], 0
            loads[at, 0], loads[at, 1], loads[at, 2] = 0, 0, _cycles_of(z_words[place], plan)
            continue
        part, loaded = (a, loads_a) if stage == A else (b, loads_b)
        filters, psums, stored = loaded[1, place], part[PSUMS, place], part[SPILLED, place]
        outputs = part[OUTPUTS, place]
        if stage == A:
            if plan.weights:
                weight_reached += outputs if outputs_a else 1
                end = _portion(plan.weights, weight_reached, weight_of_a)
                filters += end - weights_before
                weights_before = end
            if plan.spilled and outputs:
                outputs_reached += outputs
                end = _portion(plan.spilled, outputs_reached, outputs_a)
                stored += end - spilled_before
                spilled_before = end
        elif plan.spilled:
            psums += mask_words[place]
        if plan.ofmap and outputs:
            stored_reached += outputs
            end = _portion(plan.ofmap, stored_reached, outputs_a + outputs_b)
            stored += end - stored_before
            stored_before = end
        tiles[0, at] = part[CYCLES, place]
        tiles[2, at] = _cycles_of(stored, plan)
        loads[at, 0] = _cycles_of(loaded[0, place], plan)
        loads[at, 1] = _cycles_of(filters, plan)
        loads[at, 2] = _cycles_of(psums, plan)
    jobs, last_job = _jobs(a, reach, plan, sequence)
    _waits(b, plan, sequence, last_job, tiles[3])
    return tiles, loads, jobs


@kernel
def _cycles_of(words: int, plan: Plan) -> int:
    """Return the cycles of a request, of which most are none."""
    return _channel_cycles(words, plan) if words else 0


@kernel
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


@kernel
def _jobs(a: Ints, reach: Ints, plan: Plan, sequence: Ints) -> tuple[Ints, Ints]:
    """Make a job for every tile of stage A that finishes outputs; if none does, one for all that there is to do.

    The predictor of a block that reaches into others works when the last of these is finished. Return the jobs, and the
    last job of each block (-1: none), int64 (blocks of stage A,).
    """
    last_job = np.full(max(plan.blocks_a, 1), -1, dtype=np.int64)
    count, whole = 0, 0
    for outputs in a[OUTPUTS]:
        count += 1 if outputs else 0
        whole += outputs
    if not plan.unit_cycles or not count:
        jobs = np.empty((2, 1 if plan.unit_cycles else 0), dtype=np.int64)
        if plan.unit_cycles:
            jobs[0, 0], jobs[1, 0], last_job[0] = -1, plan.unit_cycles, 0
        return jobs, last_job
    # The place of the last tile of stage A in each block and all before it.
    last_tile = np.full(plan.blocks_a, -1, dtype=np.int64)
    for at in range(len(sequence)):
        if sequence[at, 0] == A:
            last_tile[a[BLOCK, sequence[at, 1]]] = at
    for block in range(1, plan.blocks_a):
        if last_tile[block] < 0:
            last_tile[block] = last_tile[block - 1]
    jobs, of_block = np.empty((2, count), dtype=np.int64), np.empty(count, dtype=np.int64)
    job, reached, before, falling = 0, 0, 0, False
    for at in range(len(sequence)):
        if sequence[at, 0] != A or not a[OUTPUTS, sequence[at, 1]]:
            continue
        block = a[BLOCK, sequence[at, 1]]
        after = at if reach[block] == block else last_tile[reach[block]]
        reached += a[OUTPUTS, sequence[at, 1]]
        end = _portion(plan.unit_cycles, reached, whole)
        jobs[0, job], jobs[1, job], of_block[job] = after, end - before, block
        falling = falling or (job > 0 and after < jobs[0, job - 1])
        before = end
        job += 1
    if falling:
        turn = np.argsort(jobs[0], kind="mergesort")
        jobs, of_block = jobs[:, turn], of_block[turn]
    for job in range(count):
        last_job[of_block[job]] = job
    return jobs, last_job


@kernel
def _waits(b: Ints, plan: Plan, sequence: Ints, last_job: Ints, out: Ints) -> None:
    """Write the last job that each tile of stage B needs: of the layer, or of its block (-1: none).

    A block without outputs of the pattern (a single row, say) goes with the one before it.
    """
    last = last_job.max()
    by_tile = plan.by_tile and plan.blocks_a
    if by_tile:
        for block in range(1, len(last_job)):
            if last_job[block] < 0:
                last_job[block] = last_job[block - 1]
    for at in range(len(sequence)):
        out[at] = -1
        if sequence[at, 0] == B:
            out[at] = last_job[_scaled(b[BLOCK, sequence[at, 1]], plan)] if by_tile else last
