"""When array, DRAM channel and predictor are busy, as a plot: the whole network, or one layer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zapsim.report.page.contents import Plot
from zapsim.report.page.plots import COLOURS, QUIET, TEXT, base_layout, plot_text
from zapsim.report.timeline_file import TimedLayer, slices

_ALL: Final = "all layers"
_BINS: Final = 360
_ALL_LAYERS_BINS: Final = 6000
_FEWEST_BINS: Final = 40
_NARROWEST_LABEL: Final = 0.045
"""A layer that takes a smaller share of the width has no label."""

_COLOUR_OF: Final = {1: COLOURS[0], 2: COLOURS[1], 3: COLOURS[2]}
"""Colours by the track of :func:`zapsim.report.timeline_file.slices`: array, DRAM channel, predictor."""

_PREFIX: Final = {1: "array", 2: "DRAM", 3: "predictor"}

Shares = NDArray[np.float64]


def timeline_plot(layers: Sequence[TimedLayer], clock_hz: float) -> Plot:
    """Show how busy each resource is in short spans of time.

    A span's colour is the share of its cycles in which the resource works. So the plot is as small for a layer of a
    million tiles as for one of ten.

    Parameters
    ----------
    layers
        One batch's layers, which run one after the other.
    clock_hz
        Clock of the array.
    """
    rows = list(dict.fromkeys(row for layer in layers for row, *_ in _busy(layer)))
    rows.sort(reverse=True)  # the array on top
    ends = np.cumsum([layer.timeline.times.end for layer in layers])
    starts = ends - [layer.timeline.times.end for layer in layers]
    bins = min(_BINS, max(_FEWEST_BINS, _ALL_LAYERS_BINS // len(layers)))
    traces = [
        *_view(0, layers, starts, int(ends[-1]), rows, _BINS, clock_hz),
        *_borders(layers, starts, ends, rows, clock_hz),
    ]
    for view, layer in enumerate(layers, start=1):
        traces += _view(view, [layer], np.zeros(1, np.int64), layer.timeline.times.end, rows, bins, clock_hz)
    bare = {"showgrid": False, "zeroline": False}
    tracks = {
        "tickvals": list(range(len(rows))), "ticktext": list(map(_label, rows)), "range": [-0.5, len(rows) + 0.1],
        "fixedrange": True,
    }  # fmt: skip
    layout = base_layout("time, milliseconds", "", xaxis=bare, yaxis=bare | tracks, showlegend=False)
    caption = (
        "How busy the array, the DRAM channel and the predictor are: the darker, the larger the share of the span in "
        "which they work. Pick a layer to see its stages."
    )
    views = [_ALL, *(layer.name for layer in layers)]
    return Plot("timeline", caption, traces, layout, 90 + 38 * len(rows), views)


def _label(row: tuple[int, str]) -> str:
    track, name = row
    return _PREFIX[track] if track == 3 else f"{_PREFIX[track]}: {name}"


def _busy(layer: TimedLayer) -> Iterator[tuple[tuple[int, str], int, int]]:
    """Yield track and name, first cycle and end of everything that works, in order within each track."""
    for track, name, begin, end, _ in slices(layer):
        if track:
            yield (track, name), begin, end


def _view(
    view: int,
    layers: Sequence[TimedLayer],
    starts: NDArray[np.int64],
    end: int,
    rows: Sequence[tuple[int, str]],
    bins: int,
    clock_hz: float,
) -> Iterator[dict[str, Any]]:
    """Yield a strip per resource that works in these layers."""
    edges = np.linspace(0, end, bins + 1)
    busy: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for layer, start in zip(layers, starts.tolist(), strict=True):
        for row, begin, stop in _busy(layer):
            busy.setdefault(row, []).append((start + begin, start + stop))
    middles = (edges[:-1] + edges[1:]) / 2
    names = [plot_text(layers[index].name) for index in np.searchsorted(starts, middles, side="right") - 1]
    width = end / bins * 1e3 / clock_hz
    for index, row in enumerate(rows):
        if row not in busy:
            continue
        shares = _shares(np.array(sorted(busy[row]), dtype=np.float64), edges)
        yield {
            "type": "heatmap", "view": view, "x0": width / 2, "dx": width, "y": [index],
            "z": [np.rint(100 * shares).astype(int).tolist()], "zmin": 0, "zmax": 100, "showscale": False, "ygap": 6,
            "colorscale": [[0, "#f1f4f7"], [1, _COLOUR_OF[row[0]]]],
            "text": [names],
            "hovertemplate": f"{_label(row)}: busy %{{z}} %<br>%{{text}}, %{{x:,.4~r}} ms<extra></extra>",
        }  # fmt: skip


def _shares(busy: Shares, edges: Shares) -> Shares:
    """Return the share of each bin that spans cover, which do not overlap; (spans, 2) and (bins + 1,) to (bins,)."""
    covered = np.concatenate([[0.0], np.cumsum(busy[:, 1] - busy[:, 0])])
    points = busy.reshape(-1)
    values = np.stack([covered[:-1], covered[1:]], axis=1).reshape(-1)
    shares: Shares = np.diff(np.interp(edges, points, values)) / np.diff(edges)
    return shares


def _borders(
    layers: Sequence[TimedLayer],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    rows: Sequence[tuple[int, str]],
    clock_hz: float,
) -> list[dict[str, Any]]:
    """Draw a line between layers, and the names of those that are wide enough above."""
    scale, top = 1e3 / clock_hz, len(rows) - 0.5
    x: list[float | None] = []
    for end in ends[:-1].tolist():
        x += [end * scale, end * scale, None]
    line = {"type": "scatter", "view": 0, "mode": "lines", "x": x, "y": [-0.5, top, None] * (len(ends) - 1),
            "line": {"color": QUIET, "width": 0.8}, "hoverinfo": "skip"}  # fmt: skip
    wide = [index for index in range(len(layers)) if ends[index] - starts[index] >= _NARROWEST_LABEL * ends[-1]]
    label = {
        "type": "scatter", "view": 0, "mode": "text", "x": [float(starts[one] + ends[one]) / 2 * scale for one in wide],
        "y": [top + 0.25] * len(wide), "text": [plot_text(layers[one].name) for one in wide], "hoverinfo": "skip",
        "textfont": {"size": 11, "color": TEXT}, "cliponaxis": False,
    }  # fmt: skip
    return [line, label]
