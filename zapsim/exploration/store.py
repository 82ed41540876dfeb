"""Results on disk: Parquet files, one a finished chunk, each whole or not there; together a table of designs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zapsim.errors import ZapsimError
from zapsim.exploration.evaluate import Point
from zapsim.exploration.metrics import METRICS, Stage
from zapsim.exploration.space import SPECIAL, Space
from zapsim.exploration.strategies import Costs
from zapsim.files import write_atomically

POINTS, LAYERS = "points", "layers"
"""Folders of the two tables."""

MOST_PARTS = 200
"""Part files are merged when there are more."""


class Store:
    """The results of one exploration, in a folder of its own.

    Attributes
    ----------
    done
        Of every design on disk: its costs (none unless it is ``ok``).
    """

    def __init__(self, folder: Path, space: Space) -> None:
        self._folder, self._space = folder, space
        self._schema = schema(space)
        self._layer_schema = layer_schema()
        self._next = 1 + max((_place(path) for path in parts(folder, POINTS)), default=0)
        self.done: dict[int, Costs] = self._read_done()

    def add(self, points: Sequence[Point]) -> None:
        """Write finished designs: when this returns, they are on disk.

        Raises
        ------
        ZapsimError
            If that cannot be (a full disk); what was written before stays whole.
        """
        if not points:
            return
        self._write(LAYERS, [row(point) | layer for point in points for layer in point.layers], self._layer_schema)
        self._write(POINTS, [row(point) for point in points], self._schema)
        self._next += 1
        self.done |= {point.number: point.costs for point in points}
        if self._next % MOST_PARTS == 0:
            self.merge()

    def merge(self) -> None:
        """Make one file of each table's many small ones; a crash in between leaves rows twice, which reading undoes."""
        for kind in (POINTS, LAYERS):
            small = [path for path in parts(self._folder, kind) if not path.name.startswith("merged")]
            if len(small) < 2:
                continue
            table = pa.concat_tables([pq.read_table(path) for path in small])
            self._put(kind, f"merged-{self._next:08d}.parquet", table)
            for path in small:
                with suppress(OSError):  # it only stays a copy
                    path.unlink()
        self._next += 1

    def _write(self, kind: str, rows: list[dict[str, Any]], of: pa.Schema) -> None:
        if rows:
            self._put(kind, f"part-{self._next:08d}.parquet", pa.Table.from_pylist(rows, schema=of))

    def _put(self, kind: str, name: str, table: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        try:
            write_atomically(self._folder / kind / name, content.getvalue(), parents=True)
        except ZapsimError as error:
            raise ZapsimError(f"{error}; what is written is whole, and the same command goes on from there") from None

    def _read_done(self) -> dict[int, Costs]:
        names = [f"objective.{one.text}" for one in self._space.objectives]
        found = read_table(self._folder, POINTS, ["design", "status", *names])
        if found is None:
            return {}
        values = [found[name].to_pylist() for name in names]
        done: dict[int, Costs] = {}
        for number, status, *each in zip(
            found["design"].to_pylist(), found["status"].to_pylist(), *values, strict=True
        ):
            pairs = zip(self._space.objectives, each, strict=True)
            done[number] = tuple(one.cost(value) for one, value in pairs) if status == "ok" else ()
        return done


def row(point: Point) -> dict[str, Any]:
    """Return a design as a row."""
    return {"design": point.number, "status": point.status, "reason": point.reason, **point.values}


def schema(space: Space) -> pa.Schema:
    """Return names and types of the table of designs."""
    metrics = [METRICS[name] for name in space.record]
    fields: list[tuple[str, pa.DataType]] = [
        ("design", pa.int64()),
        ("id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        *((name, pa.string()) for name in SPECIAL),
        *((one.path, _type(one.values)) for one in space.parameters),
        *((f"objective.{one.text}", pa.float64()) for one in space.objectives),
        *((one.column, pa.int64() if one.whole else pa.float64()) for one in metrics),
        ("arch_sha256", pa.string()),
        ("trace_sha256", pa.string()),
        ("zapsim", pa.string()),
        ("seconds", pa.float64()),
        ("finished", pa.string()),
    ]
    return pa.schema(fields)


def layer_schema() -> pa.Schema:
    """Return names and types of the table of layers."""
    metrics = [one for one in METRICS.values() if one.stage == Stage.RUN]
    columns = [(one.column, pa.int64() if one.whole else pa.float64()) for one in metrics]
    return pa.schema([("design", pa.int64()), ("id", pa.string()), ("layer", pa.string()), *columns])


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
    """Return a table in the order of the designs' numbers, each design once; None if nothing is written yet.

    Raises
    ------
    ZapsimError
        If a file cannot be read.
    """
    found = []
    for path in parts(folder, kind):
        try:
            found.append(pq.read_table(path, columns=None if columns is None else list(columns)))
        except (OSError, pa.ArrowException) as error:
            raise ZapsimError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    if not found:
        return None
    table = pa.concat_tables(found, promote_options="permissive")
    keys = ["design"] if kind == POINTS else ["design", "layer"]
    first: dict[tuple[object, ...], int] = {}
    for index, key in enumerate(zip(*(table[name].to_pylist() for name in keys), strict=True)):
        first.setdefault(key, index)
    numbers = table["design"].to_pylist()
    return table.take(sorted(first.values(), key=lambda index: int(numbers[index])))


def as_table(points: Iterable[Point], space: Space) -> pa.Table:
    """Return designs as a table, in the order of their numbers."""
    ordered = sorted(points, key=lambda point: point.number)
    return pa.Table.from_pylist([row(point) for point in ordered], schema=schema(space))
