"""Waterfall: from all zero outputs to the cycles and the energy saved, one cause after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zapsim.report.attribution import Explanation, Step
from zapsim.report.figures.energy import COMPONENT_NAMES
from zapsim.report.figures.layer_bars import NOTHING
from zapsim.report.figures.synthetic import NOTE, synthetic_note
from zapsim.report.style import SMALL, Layout, grid, new_figure, pair_look, signed, styled
from zapsim.workloads.synthetic import SYNTHETIC_NOTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.72


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps to draw: those of an explanation, or of the file that `zapsim explain --format json` wrote.

    Attributes
    ----------
    arch
        Name of the architecture.
    note
        What must be known of the masks; empty if nothing.
    cycles, energy
        Shares of the baseline, which sum to what is saved.
    """

    arch: str
    note: str
    cycles: tuple[Step, ...]
    energy: tuple[Step, ...]

    @classmethod
    def of(cls, explanation: Explanation) -> Waterfall:
        """Take the steps of an explanation."""
        run = explanation.run
        return cls(run.arch, synthetic_note([run]), explanation.cycles, explanation.energy)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Waterfall:
        """Take the steps of what JSON holds of an explanation.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError
            If something is missing or of another type.
        """
        cycles, energy = (
            tuple(Step(str(cause), float(share)) for cause, share in record[name].items())
            for name in ("cycles", "energy")
        )
        return cls(str(record["arch"]), NOTE if record["quality_note"] == SYNTHETIC_NOTE else "", cycles, energy)


@styled
def draw_waterfall(waterfalls: Sequence[Waterfall], layout: Layout) -> Figure:
    """Draw each waterfall: cycles, and energy beside (page) or below it (column).

    Parameters
    ----------
    waterfalls
        At least one.
    layout
        Width and title.
    """
    charts = [
        (f"{waterfall.arch}: {name}", name, _visible(steps))
        for waterfall in waterfalls
        for name, steps in (("cycles", waterfall.cycles), ("energy", waterfall.energy))
    ]
    across = 2 if layout.is_wide else 1
    rows = [charts[start : start + across] for start in range(0, len(charts), across)]
    heights = [max(len(steps) + 1 for *_, steps in row) for row in rows]
    note = next((waterfall.note for waterfall in waterfalls if waterfall.note), "")
    figure = new_figure(layout, math.fsum(0.55 + 0.155 * height for height in heights), note)
    grid_of_panels = figure.subplots(len(rows), across, squeeze=False, gridspec_kw={"height_ratios": heights})
    for panels, row in zip(grid_of_panels, rows, strict=True):
        for axes, (heading, name, steps) in zip(panels, row, strict=True):
            _draw(axes, steps)
            axes.set_xlabel(f"saved, % of the baseline's {name}")
            if len(waterfalls) > 1:
                axes.set_title(heading, loc="left")
    return figure


def _visible(steps: Sequence[Step]) -> list[Step]:
    """Put the causes that change nothing in one, which is left out if there is none of them."""
    shown = [step for step in steps if abs(step.share) >= NOTHING]
    hidden = [step.share for step in steps if abs(step.share) < NOTHING]
    if abs(math.fsum(hidden)) >= NOTHING:
        shown.append(Step(f"{len(hidden)} other{'s' * (len(hidden) > 1)}", math.fsum(hidden)))
    return shown


def _draw(axes: Axes, steps: Sequence[Step]) -> None:
    """Draw a bar per step, from what was left before it to what is left after it, and one for what is saved."""
    reached = 0.0
    for place, step in enumerate(steps):
        share = 100 * step.share
        axes.barh(place, share, left=reached, height=_BAR, **pair_look(share >= 0))
        reached += share
        axes.plot([reached, reached], [place - _BAR / 2, place + 1 + _BAR / 2], color="black", linewidth=0.4)
        _value(axes, place, signed(share), max(reached, reached - share))
    axes.barh(len(steps), reached, height=_BAR, facecolor="black" if reached >= 0 else "white", edgecolor="black")
    _value(axes, len(steps), signed(reached), max(reached, 0.0))
    axes.axvline(0, color="black", linewidth=0.6)
    names = [*(COMPONENT_NAMES.get(step.cause, step.cause) for step in steps), "saved"]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(steps) + 0.6, -0.6)
    low, high = axes.dataLim.intervalx
    axes.set_xlim(min(low, 0.0) - 0.03 * (high - low), high + 0.2 * (high - low))  # room for the numbers
    grid(axes, "x")


def _value(axes: Axes, place: int, text: str, right: float) -> None:
    """Write a number to the right of its bar, inside the axes."""
    axes.annotate(text, (right, place), xytext=(2, 0), textcoords="offset points", va="center", fontsize=SMALL)
