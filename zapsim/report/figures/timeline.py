"""Timeline: what the array, the DRAM channel and the predictor do when, from the file of ``zapsim run --timeline``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ZapsimError, did_you_mean
from zapsim.report.figures.layer_bars import short_name
from zapsim.report.style import SMALL, Layout, add_legend, bar_look, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TRACKS: Final = ("array", "DRAM", "predictor")
_KINDS: Final = (
    ("stage A", "array: stage A"), ("stage Z", "array: stage Z"), ("stage B", "array: stage B"),
    ("ifmap", "DRAM: ifmap"), ("filters", "DRAM: filters"), ("psums and mask bits", "DRAM: psums, mask bits"),
    ("ofmap", "DRAM: ofmap"), ("prediction", "predictor"),
)  # fmt: skip
_MOST_BOXES = 500
_BINS = {"column": 300, "page": 700}
_UNITS = (("cycles", 1), ("thousand cycles", 1_000), ("million cycles", 1_000_000))


@dataclass(frozen=True, slots=True)
class Slice:
    """Something that lasts: its track (0 the layer itself), its kind, its layer, first cycle and end."""

    track: int
    kind: str
    layer: str
    begin: int
    end: int


def read_slices(record: Mapping[str, Any]) -> list[Slice]:
    """Take the slices of a timeline file.

    Raises
    ------
    KeyError, TypeError
        If something is missing or of another type.
    """
    return [
        Slice(
            event["tid"],
            event["name"],
            event["args"]["layer"],
            event["args"]["cycle"],
            event["args"]["cycle"] + event["args"]["cycles"],
        )
        for event in record["traceEvents"]
        if event["ph"] == "X"
    ]


@styled
def draw_timeline(
    slices: Sequence[Slice], layout: Layout, layers: Sequence[str] = (), cycles: tuple[int, int] | None = None
) -> Figure:
    """Draw a lane each for the array, the DRAM channel and the predictor.

    A lane with few slices has a box for each. One with many has narrow columns, which are filled up to the share of
    the time in which something of a kind happens.

    Parameters
    ----------
    slices
        Of :func:`read_slices`.
    layout
        Width and title.
    layers
        Draw these, which follow one another, instead of the whole network.
    cycles
        First cycle and end of what is drawn, counted from the first cycle of the (first) layer; None: everything.

    Raises
    ------
    ZapsimError
        If there is no such layer, or nothing between these cycles.
    """
    whole = [one for one in slices if one.track == 0]
    begin, end = _window(whole, layers, cycles)
    shown = [one for one in slices if one.end > begin and one.begin < end]
    unit, scale = next(pair for pair in reversed(_UNITS) if end - begin >= 2 * pair[1] or pair[1] == 1)
    figure = new_figure(layout, 2.0)
    axes = figure.subplots()
    handles: dict[str, Any] = {}
    tracks = [track for track in range(1, 4) if any(one.track == track for one in shown)]
    for lane, track in enumerate(tracks):
        on_track = [one for one in shown if one.track == track]
        for index, (kind, label) in enumerate(_KINDS):
            if any(one.kind == kind for one in on_track):
                handles[label] = bar_look(index)
        draw = _boxes if len(on_track) <= _MOST_BOXES else _columns
        draw(axes, on_track, lane, (begin, end), scale, _BINS[layout.width])
    _name_layers(axes, [one for one in whole if one in shown], begin, end, scale, layout)
    axes.set_yticks(range(len(tracks)), [_TRACKS[track - 1] for track in tracks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(tracks) - 0.5, -0.5)
    axes.set_xlim(0, (end - begin) / scale)
    axes.set_xlabel(f"time, {unit}" + (" from the layer's start" if layers else ""))
    from matplotlib.patches import Patch

    patches = [Patch(**shown_as, label=label) for label, shown_as in handles.items()]
    add_legend(figure, patches, 4 if layout.is_wide else 2, "lower")
    return figure


def _window(whole: Sequence[Slice], layers: Sequence[str], cycles: tuple[int, int] | None) -> tuple[int, int]:
    """Return first cycle and end of what is drawn."""
    names = list(dict.fromkeys(one.layer for one in whole))
    for name in layers:
        if name not in names:
            remedy = did_you_mean(name, names) or f"; its layers are {', '.join(names)}"
            raise ZapsimError(f"the timeline has no layer '{name}'{remedy}")
    # A layer runs once per image: the first run is drawn.
    firsts = [next(one for one in whole if one.layer == name) for name in layers] or list(whole)
    if not firsts:
        raise ZapsimError("the timeline is empty: no layer takes time")
    begin, end = min(one.begin for one in firsts), max(one.end for one in firsts)
    if cycles is not None:
        begin, end = begin + cycles[0], min(end, begin + cycles[1])
        if begin >= end or cycles[0] < 0:
            raise ZapsimError(f"nothing happens from cycle {cycles[0]:,} to {cycles[1]:,}: choose others (--cycles)")
    return begin, end


def _boxes(axes: Axes, slices: Sequence[Slice], lane: int, window: tuple[int, int], scale: int, _bins: int) -> None:
    """Draw a box per slice."""
    begin, end = window
    for index, (kind, _) in enumerate(_KINDS):
        pieces = [(max(one.begin, begin), min(one.end, end)) for one in slices if one.kind == kind]
        spans = [((first - begin) / scale, (last - first) / scale) for first, last in pieces]
        if spans:
            axes.broken_barh(spans, (lane - 0.35, 0.7), **bar_look(index))


def _columns(axes: Axes, slices: Sequence[Slice], lane: int, window: tuple[int, int], scale: int, bins: int) -> None:
    """Draw columns, filled up to the share of their time in which there is a slice of each kind."""
    begin, end = window
    edges = np.linspace(begin, end, bins + 1)
    axes.axhline(lane + 0.35, color="0.8", linewidth=0.4)
    bottom = np.zeros(bins)
    for index, (kind, _) in enumerate(_KINDS):
        own = [one for one in slices if one.kind == kind]
        if not own:
            continue
        shares = _busy(np.array([one.begin for one in own]), np.array([one.end for one in own]), edges)
        top = bottom + shares
        axes.fill_between(
            (np.repeat(edges, 2)[1:-1] - begin) / scale, lane + 0.35 - 0.7 * np.repeat(bottom, 2),
            lane + 0.35 - 0.7 * np.repeat(top, 2), **{**bar_look(index), "linewidth": 0.0},
        )  # fmt: skip
        bottom = top


def _busy(begins: NDArray[np.int64], ends: NDArray[np.int64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each bin that is covered by intervals, which do not overlap: float64 (bins,)."""
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], ends[order]
    times = np.column_stack([begins, ends]).ravel()
    covered = np.concatenate([[0], np.cumsum(ends - begins)])
    until = np.repeat(covered, 2)[1:-1]  # busy cycles before each begin and end
    busy = np.interp(edges, times, until)
    return np.asarray(np.diff(busy) / np.diff(edges))


def _name_layers(axes: Axes, whole: Sequence[Slice], begin: int, end: int, scale: int, layout: Layout) -> None:
    """Mark where layers begin, and name those that are wide enough."""
    for one in whole:
        first, last = max(one.begin, begin), min(one.end, end)
        if one.begin > begin:
            axes.axvline((one.begin - begin) / scale, color="black", linewidth=0.4, linestyle=":")
        name = short_name(one.layer)
        inches = (last - first) / (end - begin) * (layout.inches - 0.7)
        if inches > 0.12:
            across = inches > 0.07 * len(name)
            axes.annotate(name, (((first + last) / 2 - begin) / scale, 1.0), xycoords=("data", "axes fraction"),
                          xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=SMALL,
                          rotation=0 if across else 90, annotation_clip=False)  # fmt: skip
