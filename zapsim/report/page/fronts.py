"""The page of two explorations: what each front attains, how it grew, its designs, and what was searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from zapsim.report.attainment import Record, figure_rows, fronts_conclusion, goal_heading, points_text, searched
from zapsim.report.figures.fronts import attainment_corners
from zapsim.report.page.contents import Cell, Column, Figure, Page, Plot, Section, Table
from zapsim.report.page.plots import COLOURS, TEXT, base_layout, plot_text
from zapsim.report.pareto import cell

_LINES: Final = (("solid", "circle"), ("dash", "square"))
"""Line and marker of A and of B."""

_MOST_ROWS: Final = 300
"""Rows of the table of each front."""


def fronts_page(record: Record) -> Page:
    """Show two explorations side by side.

    Parameters
    ----------
    record
        What :meth:`zapsim.exploration.fronts.FrontsSideBySide.record` returns.
    """
    pairs = combinations(range(len(record["goals"])), 2)
    plots = [*(_surfaces(record, x, y) for x, y in pairs), _courses(record)]
    tables = [_front(record, letter) for letter in "ab"]
    return Page(
        kind="zapsim compare",
        title=" and ".join(record[letter]["name"] for letter in "ab"),
        conclusion=fronts_conclusion(record),
        figures=[
            Figure(f"{100 * record[letter]['hypervolume']:.1f} %", f"hypervolume of {letter.upper()}")
            for letter in "ab"
        ],
        sections=[
            Section("plots", "What each front attains", points_text(record), plots),
            Section("figures", "Figures", "", [_rows("figures", "Both fronts in figures", figure_rows(record))]),
            Section("fronts", "Designs on the fronts", "", tables),
            Section("configuration", "Configuration", "", [_searched(record)], is_folded=True),
        ],
        provenance={
            f"{letter.upper()}: {name}": text for letter in "ab" for name, text in record[letter]["conditions"].items()
        },
        warnings=record["warnings"],
    )


def _sides(record: Record) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Yield each exploration with what its lines look like."""
    for letter, colour, (dash, symbol) in zip("ab", COLOURS, _LINES, strict=False):
        name = plot_text(f"{letter.upper()}: {record[letter]['name']}")
        look = {
            "type": "scatter", "mode": "lines+markers", "name": name,
            "line": {"color": colour, "dash": dash, "shape": "hv"}, "marker": {"symbol": symbol, "size": 8},
        }  # fmt: skip
        yield record[letter], look


def _surfaces(record: Record, x: int, y: int) -> Plot:
    """Draw the border of what each front attains of two goals, up to the reference point."""
    goals = [record["goals"][place] for place in (x, y)]
    columns = [goal["column"] for goal in goals]
    end = record["reference_point"][x], record["reference_point"][y]
    traces = []
    for side, look in _sides(record):
        points = [(float(row[columns[0]]), float(row[columns[1]])) for row in side["front"]]
        corners = attainment_corners(points, [goal["maximise"] for goal in goals])
        xs = [corners[0][0], *(corner[0] for corner in corners), end[0]]
        ys = [end[1], *(corner[1] for corner in corners), corners[-1][1]]
        traces.append({**look, "x": xs, "y": ys})
    traces.append({
        "type": "scatter", "mode": "markers", "name": "reference point", "x": [end[0]], "y": [end[1]],
        "marker": {"symbol": "cross-thin", "size": 12, "color": TEXT, "line": {"width": 2, "color": TEXT}},
    })  # fmt: skip
    labels = [goal_heading(goal["column"]) + (" (more is better)" if goal["maximise"] else "") for goal in goals]
    caption = f"What each front attains: {labels[0]} and {labels[1]}."
    return Plot(f"front-{x}-{y}", caption, traces, base_layout(*labels))


def _courses(record: Record) -> Plot:
    """Draw how the hypervolumes grow with the designs that were evaluated."""
    traces = [
        {
            **look,
            "x": [stage["designs"] for stage in side["course"]],
            "y": [100 * stage["hypervolume"] for stage in side["course"]],
        }
        for side, look in _sides(record)
    ]
    layout = base_layout("feasible designs evaluated", "hypervolume, % of the box", xaxis={"type": "log"})
    return Plot("course", "How much each exploration had found after how many designs.", traces, layout)


def _rows(name: str, caption: str, rows: list[list[str]]) -> Table:
    """Make a table of texts, the headings first."""
    headings = [Column(heading or "what", is_number=bool(place)) for place, heading in enumerate(rows[0])]
    return Table(name, caption, headings, [[Cell(text, text) for text in row] for row in rows[1:]])


def _searched(record: Record) -> Table:
    columns = [Column(heading, is_number=False) for heading in ("what", "A", "B")]
    rows = [[Cell(text, text) for text in (name, *both)] for name, both in searched(record).items()]
    return Table("searched", "What was searched, and under what", columns, rows)


def _front(record: Record, letter: str) -> Table:
    """List the designs of a front, by their goals."""
    front = record[letter]["front"]
    goals = [goal["column"] for goal in record["goals"]]
    columns = [Column("design", is_number=False), *(Column(goal_heading(column)) for column in goals)]
    rows = [
        [Cell(str(row["id"])[:8], str(row["id"])), *(Cell(cell(row[column]), float(row[column])) for column in goals)]
        for row in front[:_MOST_ROWS]
    ]
    left_out = f"; {len(front) - len(rows):,} more are in the plots only" if len(front) > len(rows) else ""
    return Table(f"front-{letter}", f"{letter.upper()}: {record[letter]['name']}{left_out}", columns, rows)
