"""A timeline as a file for Perfetto or chrome://tracing, with one track per resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zapsim.timing.combination import Timeline
from zapsim.timing.timeline.schedule import STAGES

_TRACKS = ("layers", "array", "DRAM channel", "predictor")
_LOADS = ("ifmap", "filters", "psums and mask bits")

Ints = NDArray[np.int64]
Slice = tuple[int, str, int, int, int]


@dataclass(frozen=True, slots=True)
class TimedLayer:
    """One layer of a run, with the times of its tiles."""

    name: str
    timeline: Timeline


def timeline_json(layers: Sequence[TimedLayer], clock_hz: float, title: str) -> str:
    """Write the timeline of layers as JSON: :func:`timeline_record`."""
    return json.dumps(timeline_record(layers, clock_hz, title), ensure_ascii=False) + "\n"


def timeline_record(layers: Sequence[TimedLayer], clock_hz: float, title: str) -> dict[str, Any]:
    """Gather the timeline of layers that run one after the other; times are in µs, with the cycles beside them.

    Slices of one kind that follow one another without a gap become one slice, which says how many they are.
    """
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": title}},
        *(
            {"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": track}}
            for tid, track in enumerate(_TRACKS)
        ),
    ]
    offset = 0
    for layer in layers:
        for tid, name, begin, end, count in slices(layer):
            events.append({
                "ph": "X", "pid": 1, "tid": tid, "name": name,
                "ts": (offset + begin) * 1e6 / clock_hz, "dur": (end - begin) * 1e6 / clock_hz,
                "args": {"layer": layer.name, "cycle": offset + begin, "cycles": end - begin, "tiles": count},
            })  # fmt: skip
        offset += layer.timeline.times.end
    return {"displayTimeUnit": "ns", "traceEvents": events}


def slices(layer: TimedLayer) -> Iterator[Slice]:
    """Yield track, name, first cycle, end and number of tiles of every slice of a layer."""
    plan, times = layer.timeline.schedule, layer.timeline.times
    yield 0, layer.name, 0, times.end, len(plan.cycles)
    finish = times.start + plan.cycles
    names = [f"stage {stage}" for stage in STAGES]
    yield from _merged(1, names, plan.stage, times.start, finish)
    kinds = np.concatenate([np.full(len(plan.cycles), kind) for kind in range(len(_LOADS) + 1)])
    cycles = np.concatenate([*plan.loads.T, plan.stores])
    ends = np.concatenate([*times.load_end.T, times.store_end])
    yield from _merged(2, [*_LOADS, "ofmap"], kinds, ends - cycles, ends)
    begin = times.job_end - plan.job_cycles
    yield from _merged(3, ["prediction"], np.zeros(len(begin), dtype=np.int64), begin, times.job_end)


def _merged(track: int, names: Sequence[str], kind: Ints, begin: Ints, end: Ints) -> Iterator[Slice]:
    """Yield slices that take time, in order; neighbours of one kind that touch become one."""
    order = np.lexsort((end, begin))
    order = order[(end > begin)[order]]
    kind, begin, end = kind[order], begin[order], end[order]
    if not len(order):
        return
    opens = np.flatnonzero(np.concatenate([[True], (begin[1:] > end[:-1]) | (kind[1:] != kind[:-1])]))
    closes = np.append(opens[1:], len(order)) - 1
    for first, last in zip(opens, closes, strict=True):
        yield track, names[kind[first]], int(begin[first]), int(end[last]), int(last - first + 1)
