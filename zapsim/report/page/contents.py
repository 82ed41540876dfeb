"""What a page holds: sections of tables and plots. Nothing here knows HTML, and all text is plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

SortKey: TypeAlias = str | float | None
"""What a cell is sorted by; None: always last."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text
        As people read it.
    key
        What the cell is sorted by.
    share
        Length of a bar behind the text, as a share of the cell; negative: of what is lost. None: no bar.
    """

    text: str
    key: SortKey = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    heading
        Its heading.
    is_number
        Whether it holds numbers, which stand on the right.
    is_prose
        Whether it holds sentences, which need some width.
    """

    heading: str
    is_number: bool = True
    is_prose: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows the reader can sort.

    Attributes
    ----------
    name
        Identifies it on the page: letters and dashes.
    caption
        Says what it shows.
    columns
        The first one names the rows.
    rows
        As many cells each as there are columns.
    total
        A last row that stays where it is; empty: there is none.
    opens
        The design that each row opens, by its place among the designs of the page; empty: rows open nothing.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    opens: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of plotly.

    Attributes
    ----------
    name
        Identifies it on the page: letters and dashes.
    caption
        Says what it shows.
    traces, layout
        As plotly.js takes them; every text in them has passed :func:`zapsim.report.page.plots.plot_text`.
    height
        In pixels.
    views
        Names of groups of traces of which one is shown at a time, the first one first; each trace then has a ``view``.
        Empty: all are shown.
    """

    name: str
    caption: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int = 340
    views: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under a heading.

    Attributes
    ----------
    name
        Identifies it on the page: letters and dashes.
    title
        Its heading.
    lead
        Says how to read what follows.
    blocks
        Plots and tables, from top to bottom.
    is_folded
        Whether the tables are folded away until the reader opens them.
    has_designs
        Whether the explorer of designs stands here, above the blocks.
    """

    name: str
    title: str
    lead: str = ""
    blocks: Sequence[Plot | Table] = ()
    is_folded: bool = False
    has_designs: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures that a reader sees first: its value with its unit, and what it is."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes
    ----------
    kind
        The command whose result it shows.
    title
        What the result is of.
    conclusion
        One sentence.
    figures
        What a reader sees first.
    sections
        From top to bottom.
    provenance
        Names and values by which the result can be traced back.
    notes
        What must be known to read the result rightly.
    warnings
        What a reader must see before any figure.
    designs
        The designs of an exploration as :mod:`zapsim.report.page.designs` gives them to the browser; empty: none.
    """

    kind: str
    title: str
    conclusion: str
    figures: Sequence[Figure] = ()
    sections: Sequence[Section] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    designs: Mapping[str, Any] = field(default_factory=dict)
