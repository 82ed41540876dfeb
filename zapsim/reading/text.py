"""Text of files: one printable line of bounded length, since names and notes are printed in tables and messages."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from zapsim.errors import shown

LONGEST_LINE = 2_000
"""Characters of a name or a note."""

LONGEST_TEXT = 20_000
"""Characters of any text of a file."""


def one_line(text: str) -> str:
    """Refuse text that would break a table's line, control a terminal or fill a screen, since it is printed as it is.

    Raises
    ------
    ValueError
        If it is not one printable line of at most :data:`LONGEST_LINE` characters.
    """
    if not text.isprintable():
        raise ValueError(f"must be one printable line, got {shown(text)}")
    if len(text) > LONGEST_LINE:
        raise ValueError(f"must have at most {LONGEST_LINE:,} characters, got {len(text):,}")
    return text


Line = Annotated[str, AfterValidator(one_line)]
"""One printable line of bounded length."""


def text_fault(text: str, lines: bool = False) -> str | None:
    """Say what is wrong with any text of a file; None if nothing is.

    Parameters
    ----------
    text
        The text.
    lines
        Whether it may have several lines.
    """
    if len(text) > LONGEST_TEXT:
        return f"text of {len(text):,} characters; at most {LONGEST_TEXT:,} are read"
    plain = text.replace("\n", "").replace("\t", "") if lines else text
    if not plain.isprintable():
        return f"text must be {'printable' if lines else 'one printable line'}, got {shown(text)}"
    return None
