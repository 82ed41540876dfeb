"""A small row-stationary array, cycle by cycle: PEs with spads and FIFOs, buses of limited width, real numbers.

It knows nothing of the pass equations: words wait for the bus, PEs wait for words, psums wait for the PEs below and for
room above, and the ofmap that comes out is the convolution. Between passes the array is empty, as in the model.

Every cycle, in this order: psums leave by the bus; each PE hands one finished psum up; psums enter by the bus; each PE
does one MAC; the ifmap bus brings words. What moves in a cycle can be used in the next.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice, product

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.workload import ConvShape

FIFO_DEPTH = 8
"""Psums that wait between two PEs, or at either end of a column; ifmap words that a PE takes in advance, a channel."""


@dataclass
class PE:
    """One PE: a filter row of some filters and channels, on one ofmap row.

    `windows` are (image, ofmap column, filters still wanted there), in the order of work. A window is worked off one
    ifmap value after the other, each for all filters, so its psums are finished one a cycle at its end.
    """

    i: int
    y: int
    channels: list
    windows: deque
    got: dict = field(default_factory=dict)  # (image, channel, column) -> value
    psums: dict = field(default_factory=dict)
    step: int = 0
    finished: deque = field(default_factory=deque)  # (key, value) for the PE above, or for the bus
    below: deque = field(default_factory=deque)

    def first_wanted(self, shape):
        """Return (image, column) before which no ifmap word is wanted any more."""
        if not self.windows:
            return None
        image, x, _ = self.windows[0]
        return image, x * shape.stride[1]


def mac(pe, machine):
    """Let a PE do its next MAC, if what it needs is there."""
    if not pe.windows:
        return
    shape = machine.shape
    image, x, filters = pe.windows[0]
    value_index, f = divmod(pe.step, len(filters))
    tap, c = divmod(value_index, len(pe.channels))
    word = (image, pe.channels[c], x * shape.stride[1] + tap * shape.dilation[1])
    last = value_index == shape.S * len(pe.channels) - 1
    if word not in pe.got or (last and len(pe.finished) >= FIFO_DEPTH):
        return
    key = (image, pe.y, x, filters[f])
    weight = machine.weights[filters[f], pe.channels[c] % shape.C_per_group, pe.i, tap]
    pe.psums[key] = pe.psums.get(key, 0) + pe.got[word] * weight
    pe.step += 1
    if last:
        pe.finished.append((key, pe.psums.pop(key)))
    if pe.step == len(filters) * shape.S * len(pe.channels):
        pe.step = 0
        pe.windows.popleft()


def hand_up(column, top):
    """Let every PE of a column add one finished psum to the one that came from below, and hand it up."""
    for index in reversed(range(len(column))):
        pe = column[index]
        room_above = column[index + 1].below if index + 1 < len(column) else top
        if pe.finished and pe.below and len(room_above) < FIFO_DEPTH:
            (key, own), (other, so_far) = pe.finished.popleft(), pe.below.popleft()
            assert key == other, "psums of a column come in one order"
            room_above.append((key, own + so_far))


class Machine:
    """The array and its buffer, for one layer."""

    def __init__(self, shape: ConvShape, have: Resources, ifmap: np.ndarray, weights: np.ndarray):
        """Take real numbers: int (N, H, W, C) and (K, C / groups, R, S)."""
        self.shape, self.have, self.weights = shape, have, weights
        top, bottom, left, right = shape.padding
        self.ifmap = np.pad(ifmap, ((0, 0), (top, bottom), (left, right), (0, 0)))
        self.ofmap = np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=np.int64)
        self.cycles = 0

    def run(self, mapping: PassParameters, kept: np.ndarray) -> int:
        """Run all passes of one stage and return the cycles."""
        shape = self.shape
        starts = product(
            range(shape.groups),
            range(0, shape.K_per_group, mapping.p * mapping.t),
            range(0, shape.P, mapping.e),
            range(0, shape.N, mapping.n),
            range(0, shape.C_per_group, mapping.q * mapping.r),
        )
        for g, k, y, n, c in starts:
            filters = range(k, min(k + mapping.p * mapping.t, shape.K_per_group))
            channels = range(c, min(c + mapping.q * mapping.r, shape.C_per_group))
            self.run_pass(
                mapping,
                [g * shape.K_per_group + f for f in filters],
                [g * shape.C_per_group + f for f in channels],
                range(y, min(y + mapping.e, shape.P)),
                range(n, min(n + mapping.n, shape.N)),
                kept,
            )
        return self.cycles

    def run_pass(self, mapping, filters, channels, rows, images, kept):
        """Load filters, then let everything move until the last psum is back in the buffer."""
        if not any(kept[n, y, x, k] for n, y, x, k in product(images, rows, range(self.shape.Q), filters)):
            return
        hands, sets = deal(filters, mapping.t), deal(channels, mapping.r)
        columns = [self.column(y, hand, sets, images, kept) for hand in hands for y in rows]
        words = len(filters) * len(channels) * self.shape.R * self.shape.S
        while words > 0:
            words -= self.have.filter_bus
            self.cycles += 1
        waiting = [deque((key, self.ofmap[key]) for key in keys_of(column[0])) for column in columns]
        tops = [deque() for _ in columns]
        stream = deque(self.ifmap_words(channels, rows, images, columns))
        left = sum(map(len, waiting))
        while left or stream:
            left -= self.tick(columns, waiting, tops, stream)

    def tick(self, columns, waiting, tops, stream):
        """Let one cycle pass; return how many psums came back."""
        came = 0
        for top in fair(tops, self.cycles):
            while top and came < self.have.psum_bus:
                key, value = top.popleft()
                self.ofmap[key] = value
                came += 1
        for column, top in zip(columns, tops, strict=True):
            hand_up(column, top)
        sent = 0
        for column, queue in fair(list(zip(columns, waiting, strict=True)), self.cycles):
            while queue and sent < self.have.psum_bus and len(column[0].below) < FIFO_DEPTH:
                column[0].below.append(queue.popleft())
                sent += 1
        for column in columns:
            for pe in column:
                mac(pe, self)
        for word, listeners in list(islice(stream, self.have.ifmap_bus)):
            if not all(self.wants(pe, word) for pe in listeners):
                break
            for pe in listeners:
                pe.got[word[0], word[1], word[3]] = self.ifmap[word[0], word[2], word[3], word[1]]
            stream.popleft()
        self.cycles += 1
        return came

    def column(self, y, hand, sets, images, kept):
        """Return the PEs of one column, lowest first."""
        windows = [(n, x, [k for k in hand if kept[n, y, x, k]]) for n in images for x in range(self.shape.Q)]
        windows = [window for window in windows if window[2]]
        return [PE(i, y, of_set, deque(windows)) for of_set in sets for i in range(self.shape.R)]

    def ifmap_words(self, channels, rows, images, columns):
        """Yield words (image, channel, row, column) as the bus brings them, with the PEs that listen."""
        shape = self.shape
        listeners = {}
        for pe in (pe for column in columns for pe in column):
            row = pe.y * shape.stride[0] + pe.i * shape.dilation[0]
            for c in pe.channels:
                listeners.setdefault((c, row), []).append(pe)
        taps = product(range(shape.Q), range(shape.S))
        read = sorted({x * shape.stride[1] + j * shape.dilation[1] for x, j in taps})
        for image, place in product(images, read):
            for (c, row), pes in listeners.items():
                yield (image, c, row, place), pes

    def wants(self, pe, word):
        """Return whether a PE has room for a word, or lets it pass because its work there is done."""
        first = pe.first_wanted(self.shape)
        if first is None or (word[0], word[3]) < first:
            return True
        waits = [held for held in pe.got if (held[0], held[2]) >= first and held[1] == word[1]]
        span = min(self.shape.S, len(waits) + 1)
        return len(waits) < span + FIFO_DEPTH


def deal(things, hands):
    """Deal things in order, evenly."""
    each = -(-len(things) // hands)
    return [things[start : start + each] for start in range(0, len(things), each)]


def keys_of(pe):
    """Return the psums that a PE will add to, in its order."""
    return [(image, pe.y, x, k) for image, x, filters in pe.windows for k in filters]


def fair(things, turn):
    """Return things in an order that lets another one be first in each turn."""
    start = turn % len(things)
    return things[start:] + things[:start]


def convolution(shape: ConvShape, ifmap: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ofmap, int (N, P, Q, K), straight from the definition."""
    top, bottom, left, right = shape.padding
    padded = np.pad(ifmap, ((0, 0), (top, bottom), (left, right), (0, 0)))
    out = np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=np.int64)
    for k, i, j in product(range(shape.K), range(shape.R), range(shape.S)):
        first = k // shape.K_per_group * shape.C_per_group
        ys = np.arange(shape.P) * shape.stride[0] + i * shape.dilation[0]
        xs = np.arange(shape.Q) * shape.stride[1] + j * shape.dilation[1]
        seen = padded[:, ys][:, :, xs][..., first : first + shape.C_per_group]
        out[..., k] += seen @ weights[k, :, i, j]
    return out
