"""The table and the plot of docs/performance.md: ``python -m benchmarks --page docs/performance.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.measure import Row
from zapsim.report import style

BEGIN, END = "<!-- made by make bench -->", "<!-- end of what make bench made -->"
PLOT = "images/performance.svg"
KINDS = ("remembered", "unread")


def update(page: Path, measured: Sequence[Row], machine: Mapping[str, str]) -> None:
    """Put table and plot between the page's two marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    on = ", ".join(f"{name} {value}" for name, value in machine.items())
    parts = [f"Processor time, medians; {on}.", "", *table(measured)]
    points = {row.name: row for row in measured if row.name.endswith(KINDS)}
    if points:
        style.save_figure(draw(points), page.parent / PLOT)
        parts += ["", f"![A network's processor time on each shipped architecture]({PLOT})"]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n\n{END}{after}", encoding="utf-8")


def table(measured: Sequence[Row]) -> list[str]:
    """Write one table, a line per figure."""
    lines = ["| what | figure | beside | rounds |", "|---|---:|---|---:|"]
    for group, rows in groupby(measured, key=lambda row: row.group):
        lines.append(f"| **{group}** | | | |")
        lines += [f"| {row.name} | {row.text} | {row.beside} | {row.rounds} |" for row in rows]
    return lines


@style.styled
def draw(points: Mapping[str, Row]) -> Figure:
    """Draw a pair of bars per architecture: maps remembered and unread."""
    labels = list(dict.fromkeys(name.rpartition(", ")[0] for name in points))
    layout = style.Layout("page", "VGG-16 under zap, one picture: processor time of a network")
    figure = style.new_figure(layout, 0.22 * len(labels) + 0.5)
    axes = figure.subplots()
    for place, kind in enumerate(KINDS):
        values = [points[f"{label}, {kind}"].value for label in labels]
        heights = [number + 0.38 * (place - 0.5) for number in range(len(labels))]
        axes.barh(heights, values, height=0.38, label=f"masks {kind}", **style.bar_look(place))
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("processor time, ms")
    axes.set_xlim(left=1)
    style.plain_log(axes, "x")
    style.grid(axes, "x")
    style.add_legend(figure, style.legend_handles(axes), columns=2)
    return figure
