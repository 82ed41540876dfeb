"""PE utilisation and imbalance over the array: a heat map of the whole network, or one per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.arrays import OutputLanesArray, SystolicArray
from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ZapsimError, did_you_mean
from zapsim.report.figures.layer_bars import short_name
from zapsim.report.figures.pe_work import pe_macs
from zapsim.report.style import Layout, new_figure, styled
from zapsim.simulation import layer_timing
from zapsim.tracefile.reader import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class ArrayUse:
    """How busy the PEs are with useful MACs: those of outputs that the policy demands.

    Attributes
    ----------
    name
        The layer, or ``network``.
    share
        float64 (rows, columns): demanded MACs of each PE over the cycles, 0 to 1.
    imbalance
        Work of the slowest PE over that of the mean PE in the passes, folds or rounds that wait for it.
    rows, columns
        What they are, in words.
    """

    name: str
    share: NDArray[np.float64]
    imbalance: float
    rows: str
    columns: str


def array_use(
    arch: ArchSpec, trace: Trace, policy: Policy, layers: Sequence[str] = (), point: str | None = None, image: int = 0
) -> list[ArrayUse]:
    """Run one image of a trace, and put its work on the PEs.

    Parameters
    ----------
    arch, trace, policy
        What runs.
    layers
        One heat map for each of these; empty: one for the whole network.
    point, image
        Operating point (None: the first) and index of the image.

    Raises
    ------
    ZapsimError
        If the trace has no such layer, point or image, or PEs have no places of their own.
    """
    names = [layer.shape.name for layer in trace.header.layers]
    for name in layers:
        if name not in names:
            remedy = did_you_mean(name, names) or f"; its layers are {', '.join(names)}"
            raise ZapsimError(f"{trace.path}: no layer '{name}'{remedy}")
    ran = {}
    for layer in trace.layers(point, [image]):
        if not layers or layer.shape.name in layers:
            timing = layer_timing(arch, layer, policy)
            ran[layer.shape.name] = pe_macs(arch, layer, policy, timing), timing.cycles
    rows, columns = _axes(arch)
    capacity = arch.array.mac_units / (arch.array.pe_count / getattr(arch.array, "count", 1))
    if not layers:
        macs, cycles = zip(*ran.values(), strict=True)
        total = cycles[0].sum_of(cycles)
        share = sum(macs) / (max(total.total, 1) * capacity)
        return [ArrayUse("network", share, total.imbalance_ratio, rows, columns)]
    return [
        ArrayUse(name, ran[name][0] / (max(ran[name][1].total, 1) * capacity), ran[name][1].imbalance_ratio, rows,
                 columns)
        for name in layers
    ]  # fmt: skip


def _axes(arch: ArchSpec) -> tuple[str, str]:
    """Name rows and columns of the heat map."""
    array = arch.array
    if isinstance(array, OutputLanesArray):
        return "PE", "lane"
    several = f", mean of {array.count} arrays" if isinstance(array, SystolicArray) and array.count > 1 else ""
    return "PE row", f"PE column{several}"


@styled
def draw_utilisation(uses: Sequence[ArrayUse], layout: Layout, note: str = "") -> Figure:
    """Draw a heat map each: dark PEs are busy, pale ones wait or have nothing to do.

    Parameters
    ----------
    uses
        At least one.
    layout
        Width and title; up to three heat maps stand side by side on a page.
    note
        What must be known of the masks.
    """
    from matplotlib.ticker import MaxNLocator

    across = min(len(uses), 3) if layout.is_wide else 1
    down = -(-len(uses) // across)
    rows, columns = uses[0].share.shape
    side = min((layout.inches - 1.0) / across - 0.4, 3.4)
    height = float(np.clip(side * rows / columns, 0.7, 2.4))
    figure = new_figure(layout, 0.25 + (height + 0.75) * down, note)
    panels = figure.subplots(down, across, squeeze=False)
    most = max(float(use.share.max()) for use in uses) or 1.0
    for axes, use in zip(panels.ravel(), uses, strict=False):
        image = axes.imshow(100 * use.share, cmap="cividis_r", vmin=0, vmax=100 * most, aspect="auto",
                            interpolation="nearest")  # fmt: skip
        mean, busiest = 100 * use.share.mean(), 100 * use.share.max()
        axes.set_title(
            f"{short_name(use.name)}, imbalance {use.imbalance:.2f}\nmean {mean:.0f} %, busiest PE {busiest:.0f} %"
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel(use.columns)
        axes.set_ylabel(use.rows)
        for spine in axes.spines.values():
            spine.set_visible(True)
    for axes in panels.ravel()[len(uses) :]:
        axes.set_axis_off()
    bar = figure.colorbar(image, ax=panels, pad=0.02)
    bar.set_label("demanded MACs, % of the cycles")
    bar.outline.set_linewidth(0.6)
    return figure
