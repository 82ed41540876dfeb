"""A picture of one predicted layer: what array and predictor do in hardware, above what zapsim's timeline says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.bench.waves import bits_by_cycle

WIDTH, LEFT, RIGHT, HEIGHT, GAP = 720, 150, 30, 18, 8
SLOTS = 190
_COLOURS = {"pattern": "#4477aa", "prediction": "#ccbb44", "rest": "#66ccee", "wait": "#cccccc"}
_STAGES = {"stage A": "pattern", "stage B": "rest", "prediction": "prediction"}


@dataclass(frozen=True)
class Band:
    """A row of the picture: its name, its kind, and its first cycles and ends."""

    name: str
    kind: str
    spans: tuple[tuple[int, int], ...]


def draw(folder: Path, rest_at: int) -> Path:
    """Draw the files that ``rtl.predicted_layer`` leaves in a folder; return the picture's path.

    Parameters
    ----------
    folder
        Holds ``pattern.vcd``, ``predictor.vcd``, ``rest.vcd`` and ``timeline.json``.
    rest_at
        The cycle in which the hardware begins with the rest: when the last mask bit is there.
    """
    bands = [*_hardware(folder, rest_at), *_model(json.loads((folder / "timeline.json").read_text()))]
    end = max(span[1] for band in bands for span in band.spans)
    path = folder / "predicted-layer.svg"
    path.write_text(_svg(bands, end))
    return path


def _hardware(folder: Path, rest_at: int) -> Iterator[Band]:
    for stage, start in (("pattern", 0), ("rest", rest_at)):
        running, waiting = bits_by_cycle(folder / f"{stage}.vcd", "clk", "busy", ("is_running", "is_waiting"))
        yield Band(f"RTL array, {stage}", stage, _spans(running, start))
        yield Band(f"RTL array waits, {stage}", "wait", _spans(waiting, start))
    (working,) = bits_by_cycle(folder / "predictor.vcd", "clk", "busy", ("is_working",))
    yield Band("RTL predictor", "prediction", _spans(working, 0))


def _model(record: dict[str, Any]) -> Iterator[Band]:
    spans: dict[str, list[tuple[int, int]]] = {"pattern": [], "rest": [], "prediction": []}
    for event in record["traceEvents"]:
        kind = _STAGES.get(event["name"])
        if event["ph"] == "X" and kind:
            first = int(event["args"]["cycle"])
            spans[kind].append((first, first + int(event["args"]["cycles"])))
    for name, kind in (("array, stage A", "pattern"), ("array, stage B", "rest"), ("predictor", "prediction")):
        yield Band(f"zapsim {name}", kind, tuple(spans[kind]))


def _spans(bits: NDArray[np.bool_], start: int) -> tuple[tuple[int, int], ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bits.astype(np.int8), [0]])))
    return tuple((start + int(first), start + int(end)) for first, end in edges.reshape(-1, 2))


def _svg(bands: list[Band], end: int) -> str:
    height = len(bands) * (HEIGHT + GAP) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for row, band in enumerate(bands):
        top = row * (HEIGHT + GAP) + GAP
        lines.append(f'<text x="{LEFT - 6}" y="{top + 13}" text-anchor="end">{band.name}</text>')
        lines += _bars(band, end, top)
    bottom = len(bands) * (HEIGHT + GAP) + GAP
    for cycle in range(0, end, 5000):
        x = LEFT + cycle * (WIDTH - LEFT - RIGHT) / end
        lines.append(f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="middle">{cycle:,}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bars(band: Band, end: int, top: int) -> Iterator[str]:
    """Yield bars as high as the share of a slot's cycles in which something happens."""
    share = np.zeros(SLOTS)
    for first, last in band.spans:
        for slot in range(first * SLOTS // end, -(-last * SLOTS // end)):
            share[slot] += min(last, (slot + 1) * end / SLOTS) - max(first, slot * end / SLOTS)
    share *= SLOTS / end
    across = (WIDTH - LEFT - RIGHT) / SLOTS
    levels = np.round(np.where(share > 0, np.maximum(share, 0.06), 0), 2)
    for first, last in _runs(levels):
        tall, wide = levels[first] * HEIGHT, (last - first) * across
        yield (
            f'<rect x="{LEFT + first * across:.1f}" y="{top + HEIGHT - tall:.1f}" width="{wide:.1f}" '
            f'height="{tall:.1f}" fill="{_COLOURS[band.kind]}"/>'
        )


def _runs(levels: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Yield first slot and end of equal neighbours that are not 0."""
    breaks = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    for first, last in pairwise(breaks):
        if levels[first] > 0:
            yield first, last
