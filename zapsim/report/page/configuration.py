"""The configuration of a run as a table: every value of the architecture, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zapsim.arch.document import Document
from zapsim.arch.spec import ArchSpec
from zapsim.report.page.contents import Cell, Column, Table

_DEFAULT = "default of zapsim"
_TEXTS = ("name", "description")


def conditions_table(conditions: Mapping[str, tuple[str, str]]) -> Table:
    """Put what two designs ran under side by side: A's and B's by name."""
    columns = [Column(heading, is_number=False) for heading in ("what", "A", "B")]
    rows = [[Cell(text, text) for text in (name, *both)] for name, both in conditions.items()]
    return Table("conditions", "What A and B ran under", columns, rows)


def configuration_table(arch: ArchSpec, values: Document, letter: str = "") -> Table:
    """List the values of an architecture as its file has them, then those that the file leaves at their defaults.

    Parameters
    ----------
    arch
        The architecture.
    values
        The values of its file, with those of the command line (:func:`zapsim.arch.load.arch_values`).
    letter
        A or B if two designs are compared.
    """
    rows = []
    for path, leaf in values.leaves.items():
        if path[0] not in _TEXTS:
            source = leaf.source or "no source is given"
            rows.append(_row(".".join(path), _written(leaf.value), f"{source} ({leaf.origin})"))
    written = {".".join(path) for path in values.leaves}
    whole = arch.model_dump(mode="json", exclude={"name", "description", "sources"})
    rows += [_row(path, _written(value), _DEFAULT) for path, value in _flat(whole) if not _is_in(path, written)]
    columns = [
        Column("key", is_number=False),
        Column("value", is_number=False),
        Column("source", is_number=False, is_prose=True),
    ]
    name, whose = (f"configuration-{letter.lower()}", f"{letter}: a") if letter else ("configuration", "A")
    return Table(name, f"{whose}rchitecture {arch.name}: {arch.description}", columns, rows)


def _row(path: str, value: str, source: str) -> list[Cell]:
    return [Cell(path, path), Cell(value, value), Cell(source, source)]


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_written(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_written, value))
    return f"{value:,g}" if isinstance(value, float) else str(value)


def _flat(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values of nested sections with their paths."""
    for key, value in section.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and value:
            yield from _flat(value, inner)
        else:
            yield inner, value


def _is_in(path: str, written: set[str]) -> bool:
    """Tell whether a file has this value, or a section or a value in its place."""
    return path in written or any(path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in written)
