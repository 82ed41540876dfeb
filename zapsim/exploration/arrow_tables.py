"""Rows as Arrow tables, of which each column is made of its buffers.

Arrow's own conversion of Python's lists loads pandas, which takes half a second and 40 MiB in a process that needs no
more of it. Reading tables loads nothing.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

_CODES = {pa.int64(): "q", pa.float64(): "d"}
"""Codes of :mod:`struct` for the kinds of numbers."""


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows, whose missing cells are empty; columns are int64, float64 or text.

    Raises
    ------
    TypeError, struct.error
        If a cell does not fit its column.
    """
    if not rows:
        return schema.empty_table()
    blank, cells = dict.fromkeys(schema.names), itemgetter(*schema.names)
    by_column = zip(*[cells({**blank, **row}) for row in rows], strict=True)
    columns = [column_of(values, field.type) for values, field in zip(by_column, schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def column_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Make a column; None is an empty cell. Errors are those of :func:`table_of`."""
    count, empty = len(values), None
    if None in values:
        empty = pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
        nothing = 0 if kind in _CODES else ""
        values = [nothing if value is None else value for value in values]
    if kind in _CODES:
        numbers = struct.pack(f"={count}{_CODES[kind]}", *values)
        return pa.Array.from_buffers(kind, count, [empty, pa.py_buffer(numbers)])
    joined = "".join(values)
    encoded = joined.encode()
    texts: Iterable[str | bytes] = values if len(encoded) == len(joined) else map(str.encode, values)
    ends = array("i", accumulate(map(len, texts), initial=0))
    return pa.Array.from_buffers(kind, count, [empty, pa.py_buffer(ends), pa.py_buffer(encoded)])
