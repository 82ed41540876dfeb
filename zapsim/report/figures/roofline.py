"""Roofline: MACs per cycle over MACs per byte of DRAM traffic, below what the array and DRAM allow.

Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009. A layer's MACs are those that take a
cycle: executed and gated ones. Skipping lowers them and the cycles alike, so that a layer under prediction stays below
the same roof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Outcome
from zapsim.errors import ZapsimError
from zapsim.report.figures.layer_bars import panel_name
from zapsim.report.figures.synthetic import synthetic_note
from zapsim.report.style import LOOKS, Layout, add_legend, grid, legend_handles, new_figure, plain_log, styled
from zapsim.results import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Roof:
    """What bounds an accelerator: MACs per cycle of its array, bytes per cycle from DRAM, bytes of a word."""

    macs_per_cycle: float
    bytes_per_cycle: float
    word_bytes: float

    @classmethod
    def of(cls, arch: ArchSpec) -> Roof:
        """Take the roof of an architecture; DRAM refreshes are no bandwidth."""
        usable = arch.dram.bandwidth * (1 - arch.dram.refresh)
        return cls(arch.array.mac_units, usable / arch.clock, arch.word_bytes)

    def intensity(self, outcome: Outcome) -> float:
        """Return MACs that take a cycle per byte of DRAM traffic."""
        traffic = (outcome.counts.dram_reads + outcome.counts.dram_writes) * self.word_bytes
        return _timed_macs(outcome) / traffic if traffic else 0.0


def _timed_macs(outcome: Outcome) -> int:
    return outcome.counts.macs_executed + outcome.counts.macs_gated


@styled
def draw_roofline(results: Sequence[RunResult], archs: Sequence[ArchSpec], layout: Layout) -> Figure:
    """Draw the layers of each result below the roof of its accelerator.

    Parameters
    ----------
    results, archs
        At least one, and the architecture of each.
    layout
        Width and title; panels stand side by side on a page.
    """
    across = min(len(results), 2) if layout.is_wide else 1
    down = -(-len(results) // across)
    figure = new_figure(layout, 2.3 * down, synthetic_note(results))
    panels = figure.subplots(down, across, squeeze=False)
    for axes, result, arch in zip(panels.ravel(), results, archs, strict=False):
        roof = Roof.of(arch)
        _draw(axes, result, roof)
        bounds = f"{roof.macs_per_cycle:,g} MACs and {roof.bytes_per_cycle:,.3g} bytes per cycle"
        lines = (panel_name(result, results), bounds)
        axes.set_title("\n".join(filter(None, lines)), loc="left")
    for axes in panels.ravel()[len(results) :]:
        axes.set_axis_off()
    add_legend(figure, legend_handles(panels[0, 0]), 2)
    return figure


def _draw(axes: Axes, result: RunResult, roof: Roof) -> None:
    marks = []
    sides = (
        (result.baseline, LOOKS[1], "white", [layer.comparison.baseline for layer in result.layers]),
        (result.policy, LOOKS[0], LOOKS[0].colour, [layer.comparison.policy for layer in result.layers]),
    )
    for name, look, face, outcomes in sides:
        places = [(roof.intensity(one), _timed_macs(one) / max(one.cycles.total, 1)) for one in outcomes]
        places = [(x, y) for x, y in places if x and y]
        axes.plot([x for x, _ in places], [y for _, y in places], linestyle="none", marker=look.marker, label=name,
                  color=look.colour, markerfacecolor=face, markersize=4.5)  # fmt: skip
        marks += places
    if not marks:
        raise ZapsimError("no layer has both MACs and DRAM traffic, so there is no roofline")
    knee = roof.macs_per_cycle / roof.bytes_per_cycle
    left, right = min(knee, *(x for x, _ in marks)) / 2, max(knee, *(x for x, _ in marks)) * 3
    low = min(y for _, y in marks) / 1.8
    slope = [(left, left * roof.bytes_per_cycle), (knee, roof.macs_per_cycle), (right, roof.macs_per_cycle)]
    axes.plot([x for x, _ in slope], [y for _, y in slope], color="black", linewidth=1.2)
    axes.set_xlim(left, right)
    axes.set_ylim(low, roof.macs_per_cycle * 2.2)
    for axis in "xy":
        plain_log(axes, axis)
    axes.set_xlabel("MACs per byte of DRAM traffic")
    axes.set_ylabel("MACs per cycle")
    grid(axes, "both")
