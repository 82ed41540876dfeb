"""Output lanes, walked cycle by cycle: every lane is an object that takes outputs and works them off.

Written from the description of the array alone: it knows coordinates, queues and barriers, and no formula.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

LEVELS = ("clusters", "pes", "lanes")
DEPTH = {"lane": 3, "pe": 2, "cluster": 1, "array": 0}

Output = tuple[int, int]  # filter, pixel


@dataclass
class Lane:
    """One lane (or the lanes of a PE that share outputs): what it still has to do, and what it does now."""

    place: tuple[int, ...]
    blocks: dict[int, deque[Output]] = field(default_factory=lambda: defaultdict(deque))
    left: list[int] = field(default_factory=list)

    def work(self, rate: int) -> bool:
        """Do one cycle; return whether there was anything to do."""
        if not any(self.left):
            return False
        self.left = [max(0, macs - rate) for macs in self.left]
        return True


@dataclass
class Walk:
    """What was seen: cycles, busy lane-cycles, (part, filter) loads, and the longest output of each weight stream."""

    cycles: int = 0
    busy: int = 0
    loads: set[tuple[object, int]] = field(default_factory=set)
    streams: dict[tuple[object, int, int], int] = field(default_factory=dict)


def walk(array: Mapping[str, object], macs: Mapping[Output, list[int]], filters: int, pixels: int) -> Walk:
    """Walk through a stage.

    Parameters
    ----------
    array
        The values of the array's section: clusters, pes, lanes, macs_per_lane, spread, sync, dispatch.
    macs
        MACs of each kept output, of each lane that shares it.
    filters, pixels
        Of the layer.
    """
    spread = [array["spread"][level] for level in LEVELS]
    sizes = [1 if kind == "slices" else array[level] for level, kind in zip(LEVELS, spread, strict=True)]
    lanes = [Lane(place) for place in product(*(range(size) for size in sizes))]
    depth = DEPTH[array["sync"]]
    domains: dict[tuple[int, ...], list[Lane]] = defaultdict(list)
    for lane in lanes:
        domains[lane.place[:depth]].append(lane)
    loader = min(depth, DEPTH["pe"])
    if array["dispatch"] == "static":
        _deal(lanes, spread, macs, filters, pixels)
        return _run_static(domains, macs, array["macs_per_lane"], loader)
    waiting = deque((k, i) for k in range(filters) for i in range(pixels) if (k, i) in macs)
    return _run_queue(domains, waiting, macs, array["macs_per_lane"])


def _deal(lanes: list[Lane], spread: list[object], macs: Mapping[Output, list[int]], filters: int, pixels: int) -> None:
    """Give every lane its outputs by block of filters."""

    def part(place: tuple[int, ...], kind: str) -> tuple[int, ...]:
        return tuple(at for at, here in zip(place, spread, strict=True) if here == kind)

    filter_parts = sorted({part(lane.place, "filters") for lane in lanes})
    pixel_parts = sorted({part(lane.place, "pixels") for lane in lanes})
    at = {(part(lane.place, "filters"), part(lane.place, "pixels")): lane for lane in lanes}
    for k in range(filters):
        for i in range(pixels):
            if (k, i) in macs:
                lane = at[filter_parts[k % len(filter_parts)], pixel_parts[i % len(pixel_parts)]]
                lane.blocks[k // len(filter_parts)].append((k, i))


def _start(lanes: Iterable[tuple[Lane, Output]], macs: Mapping[Output, list[int]], seen: Walk, key: object) -> None:
    """Let lanes start outputs together."""
    step = len(seen.streams)
    for lane, output in lanes:
        lane.left = list(macs[output])
        stream = (key, step, output[0])
        seen.streams[stream] = max(seen.streams.get(stream, 0), sum(macs[output]))


def _run_static(
    domains: Mapping[tuple[int, ...], list[Lane]], macs: Mapping[Output, list[int]], rate: int, loader: int
) -> Walk:
    """Walk until no lane has anything left."""
    seen = Walk()
    for lanes in domains.values():
        for lane in lanes:
            for outputs in lane.blocks.values():
                seen.loads |= {(lane.place[:loader], k) for k, _ in outputs}
    while True:
        for key, lanes in domains.items():
            while not any(any(lane.left) for lane in lanes):
                blocks = [block for lane in lanes for block, outputs in lane.blocks.items() if outputs]
                if not blocks:
                    break
                now = min(blocks)
                _start([(lane, lane.blocks[now].popleft()) for lane in lanes if lane.blocks[now]], macs, seen, key)
        if not _cycle(domains, rate, seen):
            return seen


def _run_queue(
    domains: Mapping[tuple[int, ...], list[Lane]], waiting: deque[Output], macs: Mapping[Output, list[int]], rate: int
) -> Walk:
    """Walk with one queue for all."""
    seen = Walk()
    while True:
        for key, lanes in domains.items():
            while waiting and not any(any(lane.left) for lane in lanes):
                taken = [waiting.popleft() for _ in range(min(len(lanes), len(waiting)))]
                _start(zip(lanes, taken, strict=False), macs, seen, key)
        if not _cycle(domains, rate, seen):
            return seen


def _cycle(domains: Mapping[tuple[int, ...], list[Lane]], rate: int, seen: Walk) -> bool:
    """Let every lane work one cycle; return whether any did."""
    worked = sum(lane.work(rate) for lanes in domains.values() for lane in lanes)
    seen.busy += worked
    seen.cycles += 1 if worked else 0
    return worked > 0


def window_macs(
    nonzero: list[list[list[bool]]], shape: object, group: int, y: int, x: int, brick: int, slices: int
) -> list[int]:
    """Return the non-zero inputs that each of `slices` lanes gets of one window, walking it value by value.

    `nonzero` is (rows, columns, channels) of one image; bricks are dealt out as rows, columns, channels pass by.
    """
    share = [0] * slices
    dealt = 0
    size = shape.C // shape.groups
    for r in range(shape.R):
        for s in range(shape.S):
            row = y * shape.stride[0] - shape.padding[0] + r * shape.dilation[0]
            col = x * shape.stride[1] - shape.padding[2] + s * shape.dilation[1]
            inside = 0 <= row < shape.H and 0 <= col < shape.W
            for first in range(0, size, brick):
                for c in range(first, min(first + brick, size)):
                    if inside and nonzero[row][col][group * size + c]:
                        share[dealt % slices] += 1
                dealt += 1
    return share
