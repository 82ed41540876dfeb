"""Results of an exploration: on disk as Parquet files, one per finished chunk of designs, or in memory."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from zapsim.errors import ZapsimError, printable, shown
from zapsim.exploration.arrow_tables import column_of, table_of
from zapsim.exploration.evaluated import LAYER_METRICS, EvaluatedDesign
from zapsim.exploration.lock import keep_alive
from zapsim.exploration.space import CHOICES, Space
from zapsim.exploration.strategies import Costs
from zapsim.files import write_atomically
from zapsim.metrics import BY_COLUMN, METRICS, Metric
from zapsim.reading.regular_file import check_regular, os_fault
from zapsim.reading.text import text_fault

DESIGNS, LAYERS = "designs", "layers"
"""Folders of the two tables."""

_REQUIRED: dict[str, dict[str, pa.DataType]] = {
    DESIGNS: {"design": pa.int64(), "id": pa.string(), "status": pa.string()},
    LAYERS: {"design": pa.int64(), "id": pa.string(), "layer": pa.string()},
}
"""Columns of each table that have no empty cell."""

_STATUSES = {"ok", "invalid", "infeasible", "error"}
_PART = re.compile(r"(?:part|merged)-(?P<number>[0-9]{8,18})(?:-[0-9a-f]{8})?\.parquet")
_MOST_ROWS = 50_000_000
_MOST_BYTES = 16 * 1024**3
_TRIES = 20

_MOST_PARTS = 200
"""Part files are merged when there are more."""


class Store:
    """The results of one exploration, in a folder of its own; a file is whole or not there.

    Attributes
    ----------
    done
        Costs of every design on disk, by number (none unless it is ``ok``).
    """

    def __init__(self, folder: Path, space: Space) -> None:
        self._folder, self._space = folder, space
        self._schema = schema(space)
        self._layer_schema = layer_schema()
        self._writer = uuid4().hex[:8]
        self._next = 1 + max((_place(path) for path in parts(folder, DESIGNS)), default=0)
        self.done: dict[int, Costs] = self._read_done()

    def add(self, designs: Sequence[EvaluatedDesign]) -> None:
        """Write finished designs; when this returns, they are on disk.

        Raises
        ------
        ZapsimError
            If they cannot be written (a full disk); earlier files stay whole.
        """
        if not designs:
            return
        self._write(LAYERS, [row(design) | layer for design in designs for layer in design.layers], self._layer_schema)
        self._write(DESIGNS, [row(design) for design in designs], self._schema)
        self._next += 1
        self.done |= {design.number: design.costs for design in designs}
        if self._next % _MOST_PARTS == 0:
            self.merge()

    def merge(self) -> None:
        """Merge the many small files of each table; a crash in between leaves rows twice, which reading drops."""
        for kind in (DESIGNS, LAYERS):
            small = [path for path in parts(self._folder, kind) if not path.name.startswith("merged")]
            tables = {path: table for path in small if (table := _read_part(path, kind)) is not None}
            if len(tables) < 2:
                continue
            _check_alike({path: table.schema for path, table in tables.items()})
            self._put(kind, self._name("merged"), pa.concat_tables(list(tables.values())))
            for path in tables:
                with suppress(OSError):  # rows that stay behind are only copies
                    path.unlink()
        self._next += 1

    def table(self) -> pa.Table:
        """Return the table of all designs, after merging its files."""
        self.merge()
        table = read_table(self._folder, DESIGNS)
        return self._schema.empty_table() if table is None else table

    def _write(self, kind: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
        if rows:
            self._put(kind, self._name("part"), table_of(rows, schema))

    def _name(self, what: str) -> str:
        """Name the next file of a table; no other writer's file can have the name."""
        return f"{what}-{self._next:08d}-{self._writer}.parquet"

    def _put(self, kind: str, name: str, table: pa.Table) -> None:
        keep_alive(self._folder)
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        try:
            write_atomically(self._folder / kind / name, content.getvalue(), parents=True)
        except ZapsimError as error:
            raise ZapsimError(f"{error}; all files are whole, and the same command continues from there") from None

    def _read_done(self) -> dict[int, Costs]:
        names = [f"objective.{objective.text}" for objective in self._space.objectives]
        table = read_table(self._folder, DESIGNS, ["design", "status", *names])
        if table is None:
            return {}
        columns = [table[name].to_pylist() for name in ("design", "status", *names)]
        done: dict[int, Costs] = {}
        for number, status, *values in zip(*columns, strict=True):
            pairs = zip(self._space.objectives, values, strict=True)
            done[number] = tuple(objective.cost(value) for objective, value in pairs) if status == "ok" else ()
        return done


class MemoryStore:
    """The results of an exploration without a folder; `done` as in :class:`Store`."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.done: dict[int, Costs] = {}
        self.designs: list[EvaluatedDesign] = []

    def add(self, designs: Sequence[EvaluatedDesign]) -> None:
        """Keep finished designs."""
        self.designs += designs
        self.done |= {design.number: design.costs for design in designs}

    def table(self) -> pa.Table:
        """Return the table of all designs, in the order of their numbers."""
        ordered = sorted(self.designs, key=lambda design: design.number)
        return table_of([row(design) for design in ordered], schema(self._space))


def row(design: EvaluatedDesign) -> dict[str, Any]:
    """Return a design as a row of the table."""
    return {"design": design.number, "status": design.status, "reason": design.reason, **design.values}


def schema(space: Space) -> pa.Schema:
    """Return names and types of the table of designs."""
    metrics = [METRICS[name] for name in space.record]
    fields: list[tuple[str, pa.DataType]] = [
        ("design", pa.int64()),
        ("id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        *((name, pa.string()) for name in CHOICES),
        *((parameter.path, _type(parameter.values)) for parameter in space.parameters),
        *((f"objective.{objective.text}", pa.float64()) for objective in space.objectives),
        *((metric.column, _metric_type(metric)) for metric in metrics),
        ("arch_sha256", pa.string()),
        ("trace_sha256", pa.string()),
        ("zapsim", pa.string()),
        ("seconds", pa.float64()),
        ("finished", pa.string()),
    ]
    return pa.schema(fields)


def layer_schema() -> pa.Schema:
    """Return names and types of the table of layers."""
    columns = [(METRICS[name].column, _metric_type(METRICS[name])) for name in LAYER_METRICS]
    return pa.schema([("design", pa.int64()), ("id", pa.string()), ("layer", pa.string()), *columns])


def _metric_type(metric: Metric) -> pa.DataType:
    return {int: pa.int64(), float: pa.float64(), str: pa.string()}[metric.kind]


def _type(values: Iterable[object]) -> pa.DataType:
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def parts(folder: Path, kind: str) -> list[Path]:
    """Return the files of a table, oldest first.

    Raises
    ------
    ZapsimError
        If there is a Parquet file that zapsim did not name.
    """
    paths = list((folder / kind).glob("*.parquet"))
    for path in paths:
        if _PART.fullmatch(path.name) is None:
            raise ZapsimError(
                f"{printable(str(path))}: not a file of these results (part-NUMBER.parquet); move it away"
            )
    return sorted(paths, key=lambda path: (_place(path), path.name))


def _place(path: Path) -> int:
    match = _PART.fullmatch(path.name)
    return int(match["number"]) if match else 0


def read_table(folder: Path, kind: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Read a table in the order of the designs' numbers, each design once; None if nothing is written yet.

    Raises
    ------
    ZapsimError
        If a file cannot be read, is too large, or holds other columns than the results' or than its neighbours.
    """
    for _ in range(_TRIES):
        tables = {path: _read_part(path, kind) for path in parts(folder, kind)}
        if None not in tables.values():
            break  # else an exploration that goes on merged files meanwhile
    whole = {path: table for path, table in tables.items() if table is not None}
    if not whole:
        return None
    _check_alike({path: table.schema for path, table in whole.items()})
    table = pa.concat_tables(list(whole.values()))
    if columns is not None:
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise ZapsimError(f"{next(iter(whole))}: has no column {shown(missing[0])}; move it away, or explore again")
        table = table.select(list(columns))
    keys = ["design"] if kind == DESIGNS else ["design", "layer"]
    first: dict[tuple[object, ...], int] = {}
    for index, key in enumerate(zip(*(table[name].to_pylist() for name in keys), strict=True)):
        first.setdefault(key, index)
    numbers = table["design"].to_pylist()
    return table.take(column_of(sorted(first.values(), key=lambda index: int(numbers[index])), pa.int64()))


def _read_part(path: Path, kind: str) -> pa.Table | None:
    """Read one file of a table; None if it is gone, because another process has merged it.

    Raises
    ------
    ZapsimError
        As :func:`read_table`.
    """
    if not os.path.lexists(path):
        return None
    check_regular(path, _MOST_BYTES, "Parquet")
    name = printable(str(path))
    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > _MOST_ROWS or _unpacked(file.metadata) > _MOST_BYTES:
            raise ZapsimError(f"{name}: holds {file.metadata.num_rows:,} rows; at most {_MOST_ROWS:,} are read")
        _check_columns(name, file.schema_arrow, kind)
        table = file.read()
        table.validate(full=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, pa.ArrowException, MemoryError) as error:
        raise ZapsimError(f"{name}: cannot be read ({os_fault(error)}); move it away, and explore again") from None
    for column in _REQUIRED[kind]:
        if table[column].null_count:
            raise ZapsimError(f"{name}: column {column} has an empty cell; move it away, and explore again")
    if kind == DESIGNS and (other := set(table["status"].to_pylist()) - _STATUSES):
        raise ZapsimError(f"{name}: column status: expected {', '.join(sorted(_STATUSES))}, got {shown(min(other))}")
    _check_texts(name, table)
    return table


def _unpacked(metadata: pq.FileMetaData) -> int:
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def _check_columns(name: str, schema: pa.Schema, kind: str) -> None:
    """Refuse a file without the columns that every reader needs, or with one of another type than zapsim writes."""
    required = _REQUIRED[kind]
    for column in (*required, *schema.names):
        if schema.names.count(column) != 1:
            state = "twice" if column in schema.names else "not"
            raise ZapsimError(f"{name}: column {shown(column)} is {state} there; move the file away, and explore again")
    for field in schema:
        expected = _expected_type(field.name, required)
        if field.type not in expected:
            types = " or ".join(map(str, expected))
            raise ZapsimError(f"{name}: column {shown(field.name)} must be {types}, got {shown(str(field.type))}")


def _expected_type(column: str, required: Mapping[str, pa.DataType]) -> tuple[pa.DataType, ...]:
    if column in required:
        return (required[column],)
    if column in BY_COLUMN:
        return (_metric_type(BY_COLUMN[column]),)
    if column.startswith("objective.") or column == "seconds":
        return (pa.float64(),)
    if column in (*CHOICES, "reason", "arch_sha256", "trace_sha256", "zapsim", "finished"):
        return (pa.string(),)
    return pa.int64(), pa.float64(), pa.string()


def _check_alike(schemas: Mapping[Path, pa.Schema]) -> None:
    """Refuse files of which one has other columns than the first."""
    (first, schema), *others = schemas.items()
    for path, other in others:
        if not other.equals(schema):
            odd = sorted({*map(str, schema)} ^ {*map(str, other)}) or ["their order"]
            raise ZapsimError(
                f"{path}: has other columns than {first.name} ({printable(odd[0])[:60]}); move one of them away"
            )


def _check_texts(name: str, table: pa.Table) -> None:
    """Refuse text that is not one printable line of bounded length; it is shown in tables."""
    for column in table.schema.names:
        if table.schema.field(column).type == pa.string():
            for text in table[column].unique().to_pylist():
                if text is not None and (fault := text_fault(text)):
                    raise ZapsimError(f"{name}: column {shown(column)}: {fault}")
