"""Results of an exploration: on disk as Parquet files, one per finished chunk of designs, or in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zapsim.errors import ZapsimError
from zapsim.exploration.evaluate import LAYER_METRICS, EvaluatedDesign
from zapsim.exploration.space import CHOICES, Space
from zapsim.exploration.strategies import Costs
from zapsim.files import write_atomically
from zapsim.metrics import METRICS, Metric

DESIGNS, LAYERS = "designs", "layers"
"""Folders of the two tables."""

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
            if len(small) < 2:
                continue
            table = pa.concat_tables([pq.read_table(path) for path in small])
            self._put(kind, f"merged-{self._next:08d}.parquet", table)
            for path in small:
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
            self._put(kind, f"part-{self._next:08d}.parquet", pa.Table.from_pylist(rows, schema=schema))

    def _put(self, kind: str, name: str, table: pa.Table) -> None:
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
        return pa.Table.from_pylist([row(design) for design in ordered], schema=schema(self._space))


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
    """Return the files of a table, oldest first."""
    return sorted((folder / kind).glob("*.parquet"), key=lambda path: (_place(path), path.name))


def _place(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def read_table(folder: Path, kind: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Read a table in the order of the designs' numbers, each design once; None if nothing is written yet.

    Raises
    ------
    ZapsimError
        If a file cannot be read.
    """
    tables = []
    for path in parts(folder, kind):
        try:
            tables.append(pq.read_table(path, columns=None if columns is None else list(columns)))
        except (OSError, pa.ArrowException) as error:
            raise ZapsimError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    if not tables:
        return None
    table = pa.concat_tables(tables, promote_options="permissive")
    keys = ["design"] if kind == DESIGNS else ["design", "layer"]
    first: dict[tuple[object, ...], int] = {}
    for index, key in enumerate(zip(*(table[name].to_pylist() for name in keys), strict=True)):
        first.setdefault(key, index)
    numbers = table["design"].to_pylist()
    return table.take(sorted(first.values(), key=lambda index: int(numbers[index])))
