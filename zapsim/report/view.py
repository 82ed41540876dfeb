"""What of a result a table shows: its columns, its rows, and the width that it keeps to."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from zapsim.errors import ZapsimError, did_you_mean

WIDTH = 100
"""Characters that tables and text keep to unless they are asked for in full."""

_Column = TypeVar("_Column")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a result.

    Attributes
    ----------
    columns
        Names of the columns that were asked for; empty: those that are shown by default.
    wide
        Whether all columns are shown, however wide the table becomes.
    totals
        Whether only the total is shown.
    whole_provenance
        Whether the provenance is written in full, as into a file; else one line says what ran.

    Raises
    ------
    ZapsimError
        If columns are named and all are asked for.
    """

    columns: tuple[str, ...] = ()
    wide: bool = False
    totals: bool = False
    whole_provenance: bool = False

    def __post_init__(self) -> None:
        if self.columns and self.wide:
            raise ZapsimError("--columns and --wide exclude each other: name the columns, or show them all")

    @property
    def fits(self) -> bool:
        """Whether columns may be left out for the table to keep to :data:`WIDTH`."""
        return not (self.columns or self.wide)

    def check_whole(self, form: str, whole: Sequence[str]) -> None:
        """Check that nothing is selected of a format that always holds everything, one of `whole`.

        Raises
        ------
        ZapsimError
            If something is.
        """
        if form in whole and (self.columns or self.wide or self.totals):
            raise ZapsimError(f"--format {form} holds everything; leave out --columns, --wide and --totals")

    def chosen(
        self,
        known: Mapping[str, _Column],
        default: Sequence[str],
        every: Sequence[str],
        aliases: Mapping[str, str] | None = None,
    ) -> list[_Column]:
        """Return the columns that are shown, in the order in which they are named.

        Parameters
        ----------
        known
            All columns by name.
        default, every
            Names of those that are shown if none is named, and of those of a wide table.
        aliases
            Other names of columns.

        Raises
        ------
        ZapsimError
            For a name that is not known; it suggests the closest.
        """
        names = [(aliases or {}).get(name, name) for name in self.columns]
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known)
                listed = (one for one in known if not one.startswith("counts."))  # these are too many to read
                raise ZapsimError(f"--columns: no column '{name}'{hint}; known: {', '.join(listed)}")
        return [known[name] for name in dict.fromkeys(names or (every if self.wide else default))]


def wrapped(lines: Iterable[str], view: View, width: int) -> list[str]:
    """Break lines of text at spaces to keep to :data:`WIDTH` and to `width`; those of a file stay as they are."""
    if view.whole_provenance:
        return list(lines)
    most = min(WIDTH, width)
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, most, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def footer(provenance: Mapping[str, Any]) -> str:
    """Say in one line what ran: version, architecture, trace, methods and seed; files hold everything."""
    parts = [f"zapsim {provenance.get('zapsim', '?')}"]
    for name in ("arch", "trace"):
        digest = str(provenance.get(f"{name}_sha256", ""))[:8]
        file = f" {provenance['trace']}" if name == "trace" and "trace" in provenance else ""
        parts += [f"{name}{file} {digest}"] if digest else []
    parts += [f"{name} {provenance[name]}" for name in ("methods", "seed") if provenance.get(name) is not None]
    return " · ".join(parts)
