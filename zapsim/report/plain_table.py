"""Tables as bare text: the lines that rich prints where there is no terminal, without loading rich."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest

Heading = tuple[str, bool]
"""Text of a heading, which may have several lines, and whether its column is aligned to the left."""


def is_plain(texts: Iterable[str]) -> bool:
    """Tell whether every character takes one place, so that the length of a text is its width."""
    return all(text.isprintable() and (text.isascii() or all(map(_is_one_place, text))) for text in texts)


def _is_one_place(character: str) -> bool:
    wide = unicodedata.east_asian_width(character) in ("W", "F")
    return not wide and unicodedata.category(character) not in ("Mn", "Me", "Mc", "Co")


def table_lines(headings: Sequence[Heading], rows: Sequence[Sequence[str]], last_apart: bool) -> list[str]:
    """Set a table under its headings: ``rich.box.SIMPLE_HEAD``, with spaces around columns but not beyond the edges.

    Parameters
    ----------
    headings
        Of the columns; a short heading stands on the last line of the tallest.
    rows
        Texts of the cells, each one line.
    last_apart
        Whether an empty line stands above the last row.
    """
    tops = [heading.split("\n") for heading, _ in headings]
    height = max(map(len, tops))
    head = zip_longest(*([""] * (height - len(top)) + top for top in tops), fillvalue="")
    head_rows = list(head)
    widths = [max(len(row[place]) for row in (*head_rows, *rows)) for place in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, (_, left) in zip(cells, widths, headings, strict=True)
        )
        return f" {'  '.join(padded)} "

    body = [line(row) for row in rows]
    whole = sum(widths) + 2 * len(widths)
    empty = " " * whole
    if last_apart:
        body.insert(-1, empty)
    return [empty, *map(line, head_rows), f" {'─' * (whole - 2)} ", *body, empty]
