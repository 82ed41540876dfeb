"""A slow walk through every pass, PE, output and tap of a row-stationary layer, written apart from the equations.

Each pass puts real things on the array (lists of filters, channels, rows, images) and moves real words: sets of ifmap
positions, one by one. Nothing is computed by formula that can be counted.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.workload import ConvShape


@dataclass
class Walk:
    """What was met on the way; `cycles` and `counts` by the names in zapsim.counts."""

    cycles: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)
    active_pes: int = 0


def chunks(things, size):
    """Cut a list into pieces of `size`; the last one may be shorter."""
    return [things[start : start + size] for start in range(0, len(things), size)]


def deal(things, hands):
    """Give the first things to the first hand: as few to each as lets `hands` hands take them all."""
    each = 1
    while each * hands < len(things):
        each += 1
    return chunks(things, each)


def halves(things):
    """Fold a list in the middle: the first with the first of the second half; a middle one belongs to the first."""
    upper, lower = list(things), []
    while len(upper) > len(lower) + 1:
        lower.insert(0, upper.pop())
    return [[one, *lower[place : place + 1]] for place, one in enumerate(upper)]


def bus_cycles(words, width):
    """Send words, `width` a cycle."""
    cycles = 0
    while words > 0:
        words -= width
        cycles += 1
    return cycles


@dataclass(frozen=True)
class Masked:
    """What a walk does with the bits of a mask.

    Attributes
    ----------
    pixels
        bool (P, Q): the pixels whose outputs wait for a bit.
    word
        Bits of a word of the ifmap bus, if it carries them; else 0.
    room
        Words of the GLB for the psums that the stage really makes; None: it holds all of them.
    """

    pixels: np.ndarray
    word: int = 0
    room: int | None = None


def walk(
    shape: ConvShape, mapping: PassParameters, buses, kept, *,
    gate=False, nonzero=None, paired=False, rows=None, masked=None,
) -> Walk:  # fmt: skip
    """Walk one stage.

    Parameters
    ----------
    shape, mapping
        The layer and its mapping.
    buses
        Words a cycle: (ifmap, filter, psum).
    kept
        bool (N, P, Q, K): outputs to compute.
    gate
        Whether the others take their cycles all the same.
    nonzero
        bool (N, H, W, C), or None: which inputs switch a MAC.
    paired
        Whether PE columns work on two rows of a strip, one of each half, one after the other.
    rows
        The ofmap rows in which the stage may compute, or None for all.
    masked
        What is done with bits of a mask, or None if the stage needs none.
    """
    seen = Walk()
    stage_rows = list(range(shape.P)) if rows is None else rows
    passes = mapping.p * mapping.t
    for g in range(shape.groups):
        filters = [g * shape.K_per_group + k for k in range(shape.K_per_group)]
        channels = [g * shape.C_per_group + c for c in range(shape.C_per_group)]
        in_glb = set()  # ifmap strips, by set of filters
        for rows_, images in product(chunks(stage_rows, mapping.e), chunks(list(range(shape.N)), mapping.n)):
            sets = [index // (mapping.m // passes) for index in range(len(chunks(filters, passes)))]
            spilled = [0] * len(sets)
            if masked is not None and masked.room is not None:
                sets, spilled = fill(shape, mapping, chunks(filters, passes), (rows_, images), (kept, masked, paired))
            channel_tiles = chunks(channels, mapping.q * mapping.r)
            for which, over, of_pass in zip(sets, spilled, chunks(filters, passes), strict=True):
                for turn, of_channels in enumerate(channel_tiles):
                    tile = (of_pass, of_channels, rows_, images)
                    # The mask is known when the pattern is final: with the last channels.
                    known = kept if turn + 1 == len(channel_tiles) or not gate else np.ones_like(kept)
                    if run_pass(shape, mapping, buses, tile, (known, gate, nonzero, paired, masked), seen):
                        load_strips(shape, tile, which, in_glb)
                        pointers = 0
                        if masked is not None and masked.room is not None:
                            pointers = pe_columns(mapping, of_pass, rows_, paired)
                        seen.counts["glb_reads"] += pointers
                        seen.counts["glb_writes"] += 0 if turn else pointers
                        seen.counts["dram_reads"] += over if turn else 0
                        seen.counts["dram_writes"] += over if turn + 1 < len(channel_tiles) else 0
        seen.counts["dram_reads"] += len(in_glb)
    return seen


def pe_columns(mapping, filters, rows, paired):
    """Count the PE columns of a pass."""
    return len(deal(filters, mapping.t)) * (len(halves(rows)) if paired else len(rows))


def fill(shape, mapping, passes, place, how):
    """Put the filters of one pass after the other into the GLB, and begin anew whenever they are too much.

    Return the number of each pass's set, and the psums that do not fit even alone.
    """
    rows, images = place
    kept, masked, paired = how
    sets, spilled, number, held = [], [], 0, 0
    for filters in passes:
        psums = [1 for n, y, x, k in product(images, rows, range(shape.Q), filters) if kept[n, y, x, k]]
        words = len(psums) + (pe_columns(mapping, filters, rows, paired) if psums else 0)
        if held and held + words > masked.room:
            number, held = number + 1, 0
        held += words
        sets.append(number)
        spilled.append(max(words - masked.room, 0))
    return sets, spilled


def run_pass(shape, mapping, buses, tile, demand, seen):
    """Run one pass; return whether there was anything to do."""
    filters, channels, rows, images = tile
    kept, gate, nonzero, paired, masked = demand
    computed = np.ones_like(kept) if gate else kept
    psums = [(n, y, x, k) for n, y, x, k in product(images, rows, range(shape.Q), filters) if computed[n, y, x, k]]
    if not psums:
        return False
    of_column = halves(rows) if paired else [[y] for y in rows]
    columns = [(ys, hand) for hand in deal(filters, mapping.t) for ys in of_column]
    sets = deal(channels, mapping.r)
    slowest = pes = 0
    fetched = {}  # turn, (row, column) of the padded ifmap -> PEs that want it, of one channel, image and filter column
    for ys, hand in columns:
        for of_pe, i in product(sets, range(shape.R)):
            work = 0
            for n, y, x, k in product(images, ys, range(shape.Q), hand):
                if computed[n, y, x, k]:
                    for c, j in product(of_pe, range(shape.S)):
                        work += 1
                        multiply(shape, (n, y, x, k), (c, i, j), kept[n, y, x, k], nonzero, seen.counts)
            slowest = max(slowest, work)
            pes += 1
            seen.counts["filter_spad_writes"] += len(hand) * len(of_pe) * shape.S
            seen.counts["bus_deliveries"] += len(hand) * len(of_pe) * shape.S
    for turn, y, x in [(turn, y, x) for ys in of_column for turn, y in enumerate(ys) for x in range(shape.Q)]:
        for i, j in product(range(shape.R), range(shape.S)):
            place = (y * shape.stride[0] + i * shape.dilation[0], x * shape.stride[1] + j * shape.dilation[1])
            fetched.setdefault((turn, place), set()).add((y, i))
    hands = len({tuple(hand) for _, hand in columns})
    ifmap_words = len(fetched) * len(channels) * len(images)
    weights = len(filters) * len(channels) * shape.R * shape.S
    mask_words = 0
    if masked is not None:
        places = product(images, rows, range(shape.Q), filters)
        bits = len([1 for _, y, x, _ in places if masked.pixels[y, x]])
        mask_words = bus_cycles(bits, masked.word) if masked.word else 0
        seen.counts["mask_bits_read"] += bits
        seen.counts["ifmap_bus_words"] += mask_words
        seen.counts["bus_deliveries"] += mask_words * len(sets) * shape.R
    for _listener in [pe for listeners in fetched.values() for pe in listeners]:
        seen.counts["ifmap_spad_writes"] += len(channels) * len(images) * hands
        seen.counts["bus_deliveries"] += len(channels) * len(images) * hands
    seen.counts["ifmap_bus_words"] += ifmap_words
    seen.counts["filter_bus_words"] += weights
    seen.counts["dram_reads"] += weights
    seen.counts["psum_bus_words"] += 2 * len(psums)
    seen.counts["glb_reads"] += ifmap_words + len(psums)
    seen.counts["glb_writes"] += len(psums)
    for _psum in psums:
        seen.counts["bus_deliveries"] += 1 + 1  # to the foot of its column, and away from its head
        seen.counts["pe_to_pe_words"] += len([pe for pe in product(sets, range(shape.R))][1:])
    seen.active_pes = max(seen.active_pes, pes)
    before = seen.cycles.total()

    first_windows = len({row for turn, (row, _) in fetched if turn == 0}) * shape.S * len(channels)
    until_first = bus_cycles(first_windows, buses[0])
    after_last = bus_cycles(len(filters) * len(of_column), buses[2])
    ends = {
        "compute": until_first + slowest + after_last,
        "psum_bus": until_first + bus_cycles(len(psums), buses[2]),
        "ifmap_bus": bus_cycles(ifmap_words + mask_words, buses[0]) + after_last,
    }
    seen.cycles["compute"] += slowest
    seen.cycles["ramp"] += until_first + after_last
    late = max(ends["psum_bus"], ends["ifmap_bus"]) - ends["compute"]
    if late > 0:
        seen.cycles["psum_bus" if ends["psum_bus"] >= ends["ifmap_bus"] else "ifmap_bus"] += late
    seen.cycles["filter_load"] += bus_cycles(weights, buses[1])
    seen.counts["pe_active_cycles"] += pes * (seen.cycles.total() - before)
    return True


def multiply(shape, output, weight, wanted, nonzero, counts):
    """Do one MAC, or find it gated."""
    n, y, x, _ = output
    c, i, j = weight
    switches = bool(wanted)
    if wanted:
        counts["ifmap_spad_reads"] += 1
        row = y * shape.stride[0] + i * shape.dilation[0] - shape.padding[0]
        column = x * shape.stride[1] + j * shape.dilation[1] - shape.padding[2]
        if nonzero is not None:
            inside = 0 <= row < shape.H and 0 <= column < shape.W
            switches = inside and bool(nonzero[n, row, column, c])
    if switches:
        for action in ("macs_executed", "filter_spad_reads", "psum_spad_reads", "psum_spad_writes"):
            counts[action] += 1
    else:
        counts["macs_gated"] += 1


def load_strips(shape, tile, which, in_glb):
    """Note the ifmap words, whole rows without padding, that the GLB must have got for these filters."""
    _, channels, rows, images = tile
    for y, i in product(rows, range(shape.R)):
        row = y * shape.stride[0] + i * shape.dilation[0] - shape.padding[0]
        if 0 <= row < shape.H:
            in_glb.update((which, rows[0], n, c, row, x) for n, c, x in product(images, channels, range(shape.W)))
