"""Fronts of two explorations: what each attains of every pair of goals, and how it grew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from zapsim.report.attainment import Record, goal_heading
from zapsim.report.style import LOOKS, SMALL, Layout, add_legend, grid, legend_handles, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 2.4
"""Inches of a row of panels."""


@styled
def draw_fronts(record: Record, layout: Layout) -> Figure:
    """Draw the attainment surfaces in every pair of goals, and the hypervolume against the designs evaluated.

    Parameters
    ----------
    record
        What :meth:`zapsim.exploration.fronts.FrontsSideBySide.record` returns.
    layout
        Width and title.
    """
    pairs = list(combinations(range(len(record["goals"])), 2))
    across = min(len(pairs) + 1, 3) if layout.is_wide else 1
    down = -(-(len(pairs) + 1) // across)
    figure = new_figure(layout, _PANEL * down + 0.4)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (x, y) in zip(panels, pairs, strict=False):
        _draw_surfaces(axes, record, x, y)
    course = panels[len(pairs)]
    _draw_courses(course, record)
    for axes in panels[len(pairs) + 1 :]:
        axes.set_axis_off()
    add_legend(figure, legend_handles(course), 2 if layout.is_wide else 1)
    return figure


def _draw_surfaces(axes: Axes, record: Record, x: int, y: int) -> None:
    """Draw the border of what each front attains of two goals, up to the reference point."""
    goals = [record["goals"][place] for place in (x, y)]
    end = record["reference_point"][x], record["reference_point"][y]
    for side, look in zip("ab", LOOKS, strict=False):
        points = [(row[goals[0]["column"]], row[goals[1]["column"]]) for row in record[side]["front"]]
        corners = attainment_corners(points, [goal["maximise"] for goal in goals])
        xs, ys = (
            [corners[0][0], *(corner[0] for corner in corners), end[0]],
            [end[1], *(corner[1] for corner in corners)],
        )
        axes.step(xs, [*ys, ys[-1]], where="post", color=look.colour, linestyle=look.line)
        axes.plot(*zip(*corners, strict=True), linestyle="none", marker=look.marker, color=look.colour)
    axes.plot(*end, marker="+", color="black", markersize=8)
    axes.annotate("reference point", end, textcoords="offset points", xytext=(-4, 5), ha="right", fontsize=SMALL)
    labels = [goal_heading(goal["column"]) + (" (more is better)" if goal["maximise"] else "") for goal in goals]
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.margins(0.08)
    grid(axes)


def attainment_corners(points: Sequence[tuple[float, float]], maximise: Sequence[bool]) -> list[tuple[float, float]]:
    """Return the points of two goals that no other dominates, from the best to the worst in the first goal."""
    signs = [-1 if is_more_better else 1 for is_more_better in maximise]
    corners: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda values: (signs[0] * values[0], signs[1] * values[1])):
        if not corners or signs[1] * point[1] < signs[1] * corners[-1][1]:
            corners.append(point)
    return corners


def _draw_courses(axes: Axes, record: Record) -> None:
    """Draw how the hypervolume grows with the designs that were evaluated."""
    for side, look in zip("ab", LOOKS, strict=False):
        course = record[side]["course"]
        designs = [stage["designs"] for stage in course]
        shares = [100 * stage["hypervolume"] for stage in course]
        name = f"{side.upper()}: {record[side]['name']} ({shares[-1]:.1f} %)"
        axes.step(designs, shares, where="post", color=look.colour, linestyle=look.line, label=name)
        axes.plot(designs[-1:], shares[-1:], marker=look.marker, color=look.colour)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("feasible designs evaluated")
    axes.set_ylabel("hypervolume, % of the box")
    grid(axes)
