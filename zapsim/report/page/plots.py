"""Plots as plotly.js takes them, in one style: the colours of Okabe and Ito, units in words, exact figures on hover."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from zapsim.report.page.contents import Plot

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito, "Color Universal Design" (2008): people with any colour vision tell them apart."""

HATCHES: Final = ("", "/", ".", "x", "\\", "-", "+", "|")
"""The same order in grey: each colour of bars has a hatch of its own."""

GAIN: Final = "#0072B2"
LOSS: Final = "#D55E00"
TEXT: Final = "#1b2733"
QUIET: Final = "#5b6875"
GRID: Final = "#e3e8ed"

FONT: Final = {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13, "color": TEXT}


def plot_text(text: object) -> str:
    """Write a name so that plotly, which knows a few tags, shows it as it is."""
    return escape(str(text), quote=False)


def base_layout(x: str, y: str, **changes: Any) -> dict[str, Any]:
    """Return the layout that all plots share.

    Parameters
    ----------
    x, y
        What the axes show, with units in words.
    changes
        Further keys of the layout; those of ``xaxis`` and ``yaxis`` are added to the shared ones.
    """
    axis = {
        "automargin": True, "gridcolor": GRID, "zerolinecolor": QUIET, "linecolor": QUIET, "ticks": "outside",
        "tickcolor": QUIET, "ticklen": 4,
    }  # fmt: skip
    axes = {
        "xaxis": axis | {"title": {"text": plot_text(x), "standoff": 10}} | changes.pop("xaxis", {}),
        "yaxis": axis | {"title": {"text": plot_text(y), "standoff": 8}} | changes.pop("yaxis", {}),
    }
    return {
        "font": FONT,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "colorway": list(COLOURS),
        "margin": {"l": 56, "r": 14, "t": 34, "b": 48 if x else 24},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12},
            "traceorder": "normal",
        },
        "hoverlabel": {"font": {"size": 13, "color": TEXT}, "bgcolor": "#ffffff", "bordercolor": QUIET},
        "bargap": 0.25,
        **axes,
        **changes,
    }


def categories(names: Sequence[str]) -> dict[str, Any]:
    """Return an axis on which names stand as they are, in their order, also if they look like numbers or dates."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(map(plot_text, names)),
        "gridcolor": "#fff",
    }


def bars(
    name: str, caption: str, names: Sequence[str], series: Mapping[str, Sequence[float]], unit: str, y: str
) -> Plot:
    """Draw bars side by side, one group per name.

    Parameters
    ----------
    name, caption
        Of the plot.
    names
        Along the axis.
    series
        A height per name, for each series by its label.
    unit
        Of the heights, for the reader who points at a bar.
    y
        What the vertical axis shows.
    """
    traces = [
        _bar(label, index, names, heights, unit) | {"offsetgroup": str(index)}
        for index, (label, heights) in enumerate(series.items())
    ]
    layout = base_layout("", y, xaxis=categories(names), barmode="group", hovermode="x unified")
    return Plot(name, caption, traces, layout)


def stacks(
    name: str,
    caption: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    unit: str,
    y: str,
    before: Sequence[float] = (),
) -> Plot:
    """Draw parts on top of one another, one stack per name, with a mark at the height that each had before.

    Parameters
    ----------
    name, caption, names, unit, y
        As for :func:`bars`.
    series
        The parts, by label; parts that are nowhere are left out.
    before
        Height of the mark over each name; empty: no marks.
    """
    parts = {label: heights for label, heights in series.items() if any(heights)}
    traces = [_bar(label, index, names, heights, unit) for index, (label, heights) in enumerate(parts.items())]
    if before:
        traces.append({
            "type": "scatter", "mode": "markers", "name": "baseline, all parts", "x": list(map(plot_text, names)),
            "y": rounded(before), "hovertemplate": f"%{{y:,.4~r}} {unit}",
            "marker": {"symbol": "line-ew", "size": 18, "line": {"width": 2.5, "color": TEXT}},
        })  # fmt: skip
    layout = base_layout("", y, xaxis=categories(names), barmode="stack", hovermode="x unified")
    return Plot(name, caption, traces, layout)


def _bar(label: str, index: int, names: Sequence[str], heights: Sequence[float], unit: str) -> dict[str, Any]:
    colour = COLOURS[index % len(COLOURS)]
    hatch = {
        "shape": HATCHES[index % len(HATCHES)], "fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.55,
        "size": 6, "solidity": 0.25,
    }  # fmt: skip
    return {
        "type": "bar",
        "name": plot_text(label),
        "x": list(map(plot_text, names)),
        "y": rounded(heights),
        "marker": {"color": colour, "line": {"width": 0.5, "color": TEXT}, "pattern": hatch},
        "hovertemplate": f"%{{y:,.4~r}} {unit}",
    }


def waterfall(name: str, caption: str, steps: Mapping[str, float], end: str, y: str) -> Plot:
    """Draw steps from nothing to their sum.

    Parameters
    ----------
    name, caption, y
        As for :func:`bars`.
    steps
        What each step adds, in percentage points; steps of less than 0.05 are left out.
    end
        What the sum is called.
    """
    drawn = {label: points for label, points in steps.items() if abs(points) >= 0.05}
    names, total = [*drawn, end], math.fsum(steps.values())
    reached, tops = 0.0, [total, 0.0]
    for points in drawn.values():
        reached += points
        tops.append(reached)
    reach = max(tops) - min(tops) or 1.0
    trace = {
        "type": "waterfall",
        "x": list(map(plot_text, names)),
        "y": rounded([*drawn.values(), total]),
        "measure": [*["relative"] * len(drawn), "total"],
        "text": [*(f"{points:+.1f}" for points in drawn.values()), f"{total:.1f}"],
        "textposition": "outside",
        "cliponaxis": False,
        "connector": {"line": {"color": QUIET, "width": 1, "dash": "dot"}},
        "increasing": {"marker": {"color": GAIN}},
        "decreasing": {"marker": {"color": LOSS}},
        "totals": {"marker": {"color": TEXT}},
        "hovertemplate": "%{x}: %{text} %<extra></extra>",
    }
    reach_below, reach_above = min(tops) - 0.12 * reach, max(tops) + 0.12 * reach
    layout = base_layout(
        "", y, xaxis=categories(names), yaxis={"range": rounded([min(reach_below, 0.0), reach_above])}, showlegend=False
    )
    return Plot(name, caption, [trace], layout)


def rounded(values: Sequence[float]) -> list[float]:
    """Keep six significant digits: more than a plot shows, and a page is smaller for it."""
    return [float(f"{value:.6g}") for value in values]
