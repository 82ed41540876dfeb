"""Two sides, layer by layer: a table, CSV, and bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from zapsim.report.plot import save_figure
from zapsim.report.terminal import print_in_parts


@dataclass(frozen=True, slots=True)
class Pair:
    """One layer (or the total) on both sides; `bound` says what most cycles go to ("" for the total)."""

    layer: str
    ms_a: float
    ms_b: float
    mj_a: float
    mj_b: float
    cycles_a: int
    cycles_b: int
    dram_words_a: int
    dram_words_b: int
    bound_a: str
    bound_b: str


def total(pairs: Sequence[Pair]) -> Pair:
    """Return the sum of all layers."""
    sums = {
        one.name: sum(getattr(pair, one.name) for pair in pairs)
        for one in fields(Pair)
        if one.name not in {"layer", "bound_a", "bound_b"}
    }
    return Pair(layer="total", bound_a="", bound_b="", **sums)


def print_sides(pairs: Sequence[Pair], names: tuple[str, str], console: Console) -> None:
    """Print one row a layer and a total: A, B, and B as a multiple of A."""
    a, b = names

    def table(groups: Sequence[str]) -> Table:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        made.add_column("layer", no_wrap=True)
        for group in groups:
            if group == "bound by":
                made.add_column(f"bound by\n{a}", no_wrap=True)
                made.add_column(f"\n{b}", no_wrap=True)
                continue
            for heading in (f"{group}\n{a}", f"\n{b}", "\nB / A"):
                made.add_column(heading, justify="right", no_wrap=True)
        for pair in (*pairs, total(pairs)):
            if pair.layer == "total":
                made.add_section()
            made.add_row(pair.layer, *(text for group in groups for text in _cells(pair, group)))
        return made

    print_in_parts(console, list(_GROUPS), table)


_GROUPS = {
    "time, ms": ("ms", ".3f"),
    "energy, mJ": ("mj", ".4f"),
    "DRAM, k words": ("dram_words", ",.0f"),
    "bound by": None,
}


def _cells(pair: Pair, group: str) -> list[str]:
    known = _GROUPS[group]
    if known is None:
        return [pair.bound_a, pair.bound_b]
    field, form = known
    scale = 1e3 if field == "dram_words" else 1
    one, other = getattr(pair, f"{field}_a"), getattr(pair, f"{field}_b")
    return [format(one / scale, form), format(other / scale, form), f"{other / one:.3g}" if one else "–"]


def sides_csv(pairs: Sequence[Pair], whats: tuple[str, str]) -> str:
    """Return all figures, one row a layer and a total; lines that begin with ``#`` say what A and B are."""
    text = io.StringIO()
    for letter, what in zip("AB", whats, strict=True):
        text.write(f"# {letter}: {what}\n")
    writer = csv.writer(text, lineterminator="\n")
    names = [one.name for one in fields(Pair)]
    writer.writerow(names)
    for pair in (*pairs, total(pairs)):
        writer.writerow([getattr(pair, name) for name in names])
    return text.getvalue()


def plot_sides(pairs: Sequence[Pair], whats: tuple[str, str], path: Path) -> None:
    """Draw time and energy of every layer on both sides as bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 0.7 * len(pairs)), 6.0), layout="constrained")
    for axes, field, label in zip(
        figure.subplots(2, 1, sharex=True), ("ms", "mj"), ("time, ms", "energy, mJ"), strict=True
    ):
        for offset, side in ((-0.2, "a"), (0.2, "b")):
            heights = [getattr(pair, f"{field}_{side}") for pair in pairs]
            axes.bar([place + offset for place in range(len(pairs))], heights, width=0.4, label=whats["ab".index(side)])
        axes.set_ylabel(label)
        axes.set_xticks(range(len(pairs)), [pair.layer for pair in pairs], rotation=45, ha="right", parse_math=False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", fontsize=7)
    save_figure(figure, path)
