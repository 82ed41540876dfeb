"""Output lanes, walked cycle by cycle: every lane is an object that takes outputs and works them off.

Written from the description of the array alone: it knows coordinates, queues and barriers, and no formula. Outputs come
in legs: the blocks of filters, and in each block the segments of pixels.
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
    legs: dict[tuple[int, int], deque[Output]] = field(default_factory=lambda: defaultdict(deque))
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


def walk(
    array: Mapping[str, object],
    macs: Mapping[Output, list[int]],
    filters: int,
    pixels: int,
    segment: int | None = None,
    window: int | None = None,
) -> Walk:
    """Walk through a stage.

    Parameters
    ----------
    array
        The values of the array's section: clusters, pes, lanes, macs_per_lane, spread, sync, dispatch.
    macs
        MACs of each kept output, of each lane that shares it.
    filters, pixels
        Of the layer.
    segment
        Pixels after which all lanes wait for one another (static, queue); None: they do not.
    window
        Pixels whose outputs can be at work together (block-queue); None: any.
    """
    spread = [array["spread"][level] for level in LEVELS]
    sizes = [1 if kind == "slices" else array[level] for level, kind in zip(LEVELS, spread, strict=True)]
    lanes = [Lane(place) for place in product(*(range(size) for size in sizes))]
    depth = DEPTH[array["sync"]]
    loader = min(depth, DEPTH["pe"])
    _deal(lanes, spread, macs, filters, pixels, segment or pixels)
    if array["dispatch"] == "static":
        return _run_static(_parts(lanes, depth), macs, array["macs_per_lane"], loader, segment is not None)
    pool = {"queue": DEPTH["pe"], "block-queue": DEPTH["array"]}[array["dispatch"]]
    seen = Walk()
    queues = {place: _Pool(members, depth, macs) for place, members in _parts(lanes, pool).items()}
    for queue in queues.values():
        seen.loads |= {(queue.lanes[0].place[:loader], k) for outputs in queue.legs.values() for k, _ in outputs}
    while True:
        ahead = min((queue.leg() for queue in queues.values() if queue.legs), default=None)
        for queue in queues.values():
            queue.start(seen, ahead if segment is not None else None, window)
        worked = sum(lane.work(array["macs_per_lane"]) for lane in lanes)
        if not worked:
            if not any(queue.legs for queue in queues.values()):
                return seen
            continue
        seen.busy += worked
        seen.cycles += 1


def _parts(lanes: list[Lane], depth: int) -> dict[tuple[int, ...], list[Lane]]:
    """Tell apart the lanes whose places differ above a level."""
    parts: dict[tuple[int, ...], list[Lane]] = defaultdict(list)
    for lane in lanes:
        parts[lane.place[:depth]].append(lane)
    return parts


class _Pool:
    """Lanes with one queue for each leg; a leg ends when nobody works any more and nothing waits."""

    def __init__(self, lanes: list[Lane], depth: int, macs: Mapping[Output, list[int]]) -> None:
        self.lanes = lanes
        self.domains = _parts(lanes, depth)
        self.macs = macs
        self.running: dict[tuple[int, ...], list[Output]] = {}
        self.legs: dict[tuple[int, int], list[Output]] = defaultdict(list)
        for lane in lanes:
            for leg, outputs in lane.legs.items():
                self.legs[leg] += outputs
        for outputs in self.legs.values():
            outputs.sort(key=lambda output: (output[1], output[0]))

    def leg(self) -> tuple[int, int]:
        """Return the leg that is worked on."""
        return min(self.legs)

    def start(self, seen: Walk, allowed: tuple[int, int] | None, window: int | None) -> None:
        """Let every free domain take what it can have."""
        for key, members in self.domains.items():
            if not any(any(lane.left) for lane in members):
                self.running.pop(key, None)
        while self.legs and (allowed is None or self.leg() == allowed):
            self._take(seen, window)
            if self.running or self.legs[self.leg()]:
                return
            del self.legs[self.leg()]

    def _take(self, seen: Walk, window: int | None) -> None:
        """Let free domains take outputs of the present leg, until no more can start."""
        waiting = self.legs[self.leg()]
        started = True
        while started:
            started = False
            for key, members in self.domains.items():
                taken: list[Output] = []
                while key not in self.running and waiting and len(taken) < len(members):
                    if not self._near(waiting[0], taken, window):
                        break
                    taken.append(waiting.pop(0))
                if not taken:
                    continue
                _start(zip(members, taken, strict=False), self.macs, seen, key)
                if any(any(lane.left) for lane in members):
                    self.running[key] = taken
                else:
                    started = True  # outputs without MACs take no time

    def _near(self, output: Output, taken: list[Output], window: int | None) -> bool:
        """Say whether all outputs that are too far behind are done."""
        if window is None:
            return True
        at_work = taken + [one for outputs in self.running.values() for one in outputs]
        return all(output[1] - pixel < window for _, pixel in at_work)


def _deal(
    lanes: list[Lane],
    spread: list[object],
    macs: Mapping[Output, list[int]],
    filters: int,
    pixels: int,
    segment: int,
) -> None:
    """Give every lane its outputs by block of filters and segment of pixels."""

    def part(place: tuple[int, ...], kind: str) -> tuple[int, ...]:
        return tuple(at for at, here in zip(place, spread, strict=True) if here == kind)

    filter_parts = sorted({part(lane.place, "filters") for lane in lanes})
    pixel_parts = sorted({part(lane.place, "pixels") for lane in lanes})
    at = {(part(lane.place, "filters"), part(lane.place, "pixels")): lane for lane in lanes}
    for k in range(filters):
        for i in range(pixels):
            if (k, i) in macs:
                lane = at[filter_parts[k % len(filter_parts)], pixel_parts[i % len(pixel_parts)]]
                lane.legs[k // len(filter_parts), i // segment].append((k, i))


def _start(lanes: Iterable[tuple[Lane, Output]], macs: Mapping[Output, list[int]], seen: Walk, key: object) -> None:
    """Let lanes start outputs together."""
    step = len(seen.streams)
    for lane, output in lanes:
        lane.left = list(macs[output])
        stream = (key, step, output[0])
        seen.streams[stream] = max(seen.streams.get(stream, 0), sum(macs[output]))


def _run_static(
    domains: Mapping[tuple[int, ...], list[Lane]],
    macs: Mapping[Output, list[int]],
    rate: int,
    loader: int,
    together: bool,
) -> Walk:
    """Walk until no lane has anything left; if `together`, nobody begins a leg before all are there."""
    seen = Walk()
    for lanes in domains.values():
        for lane in lanes:
            for outputs in lane.legs.values():
                seen.loads |= {(lane.place[:loader], k) for k, _ in outputs}
    everybody = [lane for lanes in domains.values() for lane in lanes]
    leg_at_work = None
    while True:
        busy = any(any(lane.left) for lane in everybody)
        current = min((leg for lane in everybody for leg, outputs in lane.legs.items() if outputs), default=None)
        if together and busy:
            current = leg_at_work
        started = False
        for key, lanes in domains.items():
            while not any(any(lane.left) for lane in lanes):
                open_legs = [leg for lane in lanes for leg, outputs in lane.legs.items() if outputs]
                if not open_legs or (together and min(open_legs) != current):
                    break
                now = min(open_legs)
                _start([(lane, lane.legs[now].popleft()) for lane in lanes if lane.legs[now]], macs, seen, key)
                started = True
        leg_at_work = current
        if not _cycle(domains, rate, seen) and not started:
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
