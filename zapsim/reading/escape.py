"""Text of files in what is written: one printable line everywhere, and no formula, markup or command of a format."""

from __future__ import annotations

from zapsim.errors import printable

_FORMULA = ("=", "+", "-", "@")
"""How a cell begins that spreadsheets compute."""

_LATEX_SPECIAL = {char: "\\" + char for char in "&%$#_{}"} | {
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "×": r"$\times$", "µ": r"$\mu$", "·": r"$\cdot$",
}  # fmt: skip

_MARKDOWN_SPECIAL = {"|": r"\|", "<": "&lt;", "`": r"\`"}


def csv_cell(value: object) -> object:
    """Escape a cell of a CSV table: text that a spreadsheet would compute gets a ``'`` before it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return "".join(_LATEX_SPECIAL.get(char, char) for char in printable(text))


def markdown(text: str) -> str:
    """Escape text for a cell or a paragraph of Markdown: no new cell, no HTML."""
    return "".join(_MARKDOWN_SPECIAL.get(char, char) for char in printable(text))
