"""CSV tables with a heading, read strictly: every fault is one line that names the file, the line and the remedy."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from zapsim.errors import ConfigError, did_you_mean, printable, shown
from zapsim.reading.regular_file import MOST_OF_CSV, read_regular
from zapsim.reading.text import LONGEST_LINE

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MOST = 10**9
"""The largest whole number of a table; a layer has no larger dimension."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table: where it stands (file and line, for messages), and its cells by column."""

    where: str
    cells: dict[str, str]

    def number(self, column: str, default: float | None = None) -> float:
        """Read a finite number; an empty cell, or a column that is not there, is `default`.

        Raises
        ------
        ConfigError
            If it is none.
        """
        text = self.cells.get(column, "")
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise ConfigError(f"{self.where}, column {column}: expected a finite number, got {shown(text)}")
        return value

    def whole(self, column: str, least: int = 1, default: int | None = None) -> int:
        """Read a whole number from `least` on, as :meth:`number` does."""
        value = self.number(column, default)
        if value != int(value) or not least <= value <= _MOST:
            raise ConfigError(f"{self.where}, column {column}: expected a whole number from {least}, got {value:g}")
        return int(value)

    def share(self, column: str) -> float:
        """Read a share from 0 to 1 (0 by default), as :meth:`number` does."""
        value = self.number(column, 0.0)
        if not 0 <= value <= 1:
            raise ConfigError(f"{self.where}, column {column}: expected a share from 0 to 1, got {value:g}")
        return value


def read_table(path: Path, required: Collection[str]) -> list[TableRow]:
    """Read a CSV file in UTF-8 (with a byte order mark or not) or UTF-16 (with one).

    Lines that begin with ``#`` and empty lines are left out. Rows have as many cells as the heading.

    Raises
    ------
    ConfigError
        If the file is missing or of another encoding; a required column is missing; a column comes twice or has no
        name; a row has other cells than the heading; a cell is more than one printable line; or there is no row.
    """
    name = printable(path.name)
    rows = _rows(_decode(read_regular(path, MOST_OF_CSV, "CSV", ConfigError), name), name)
    line, heading = next(rows, (1, []))
    for number, column in enumerate(heading, start=1):
        if not column:
            raise ConfigError(f"{name}: line {line}: column {number} has no name")
        if heading.count(column) > 1:
            raise ConfigError(f"{name}: line {line}: column {shown(column)} comes twice; leave one")
    missing = [column for column in required if column not in heading]
    if heading and missing:
        hint = did_you_mean(missing[0], [column for column in heading if column not in required])
        raise ConfigError(f"{name}: line {line}: missing column {', '.join(missing)}{hint}")
    table: list[TableRow] = []
    for line, cells in rows:
        if len(cells) != len(heading):
            raise ConfigError(
                f"{name}: line {line}: expected {len(heading)} cells, as in the heading, got {len(cells)}"
                f"{' (quote a cell that holds a comma)' if len(cells) > len(heading) else ''}"
            )
        table.append(TableRow(f"{name}: line {line}", dict(zip(heading, cells, strict=True))))
    if not table:
        raise ConfigError(f"{name}: expected a heading and at least one row of figures, got no row")
    return table


def read_text_lines(path: Path) -> list[str]:
    """Read the lines of a text file in UTF-8 (with a byte order mark or not) or UTF-16 (with one).

    Raises
    ------
    ConfigError
        If the file is missing or of another encoding.
    """
    text = _decode(read_regular(path, MOST_OF_CSV, "CSV", ConfigError), printable(path.name))
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise ConfigError(f"{name}: line {line}: not {kind} text; save the table as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError(f"{name}: line {line}: holds a zero byte (UTF-16 without a mark?); save the table as UTF-8")
    return text


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the cells of every row, without the blanks around them."""
    line = 0

    def lines() -> Iterator[str]:
        nonlocal line
        for content in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            line += 1
            if content.strip() and not content.startswith("#"):
                yield f"{content}\n"

    reader = csv.reader(lines(), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(f"{name}: line {line}: not CSV ({printable(str(error))})") from None
        first = line - sum(cell.count("\n") for cell in cells)
        for cell in cells:
            if not cell.isprintable() or len(cell) > LONGEST_LINE:
                raise ConfigError(
                    f"{name}: line {first}: a cell must be one printable line of at most {LONGEST_LINE:,} characters, "
                    f"got {shown(cell)}"
                )
        yield line, [cell.strip() for cell in cells]
