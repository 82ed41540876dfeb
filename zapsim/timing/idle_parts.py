"""Architectures with a part left idle, for layers that are faster so.

A row-stationary array keeps every strip of ifmaps and psums as often in the GLB as tiles are ahead of the array or
behind it; what a mapper would not fetch ahead need not be fetched ahead (docs/models/row-stationary.md). A weight- or
input-stationary array of more rows has larger folds and fewer of them; where each waits for its own words from DRAM,
fewer rows are faster (docs/models/systolic.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from zapsim.arch.arrays import RowStationaryArray, SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.systolic.mapping import map_systolic
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape


def with_idle_parts(arch: ArchSpec, layer: str) -> tuple[ArchSpec, ...]:
    """List the architecture, and then with halves of what a layer may leave idle.

    Only itself where nothing is searched: on other arrays, without blocks, if the mapping of `layer` is pinned, and, of
    systolic arrays, if the predictor runs on the array, too, or every fold fills and drains over all rows.
    """
    match arch.array:
        case RowStationaryArray() as array if layer not in array.mapping.pinned:
            return _less_ahead(arch)
        case SystolicArray(
            blocking="searched", partial_folds="shrunk", dataflow="weight-stationary" | "input-stationary"
        ):
            return (arch,) if arch.predictor.unit == "array" else _fewer_rows(arch)
        case _:
            return (arch,)


def least_cycles(arch: ArchSpec, shape: ConvShape) -> int:
    """Return cycles that the dense layer takes at least, however its words come: a cycle for each vector of a fold.

    0 on arrays of which nothing so simple is known.
    """
    if not isinstance(arch.array, SystolicArray):
        return 0
    mapping = map_systolic(shape, arch.array)
    return mapping.groups * mapping.row_folds * mapping.col_folds * mapping.T // arch.array.count


@once_per_object
def _less_ahead(arch: ArchSpec) -> tuple[ArchSpec, ...]:
    """List the architecture with the depths of prefetching halved down to 0 in all combinations."""
    ahead, buffers = arch.buffers.prefetch, arch.buffers
    filters = [*_halves(ahead.filter), 0] if buffers.filters is not None else [ahead.filter]
    depths = product([*_halves(ahead.ifmap), 0], filters, [*_halves(ahead.ofmap), 0])
    next(depths)  # the architecture itself comes first
    less = [
        ahead.model_copy(update={"ifmap": ifmap, "filter": filter_, "ofmap": ofmap}) for ifmap, filter_, ofmap in depths
    ]
    return arch, *(
        arch.model_copy(update={"buffers": buffers.model_copy(update={"prefetch": prefetch})}) for prefetch in less
    )


@once_per_object
def _fewer_rows(arch: ArchSpec) -> tuple[ArchSpec, ...]:
    """List the architecture with its rows halved down to 1."""
    assert isinstance(arch.array, SystolicArray)
    _, *fewer = _halves(arch.array.rows)
    return arch, *(arch.model_copy(update={"array": arch.array.model_copy(update={"rows": rows})}) for rows in fewer)


def _halves(size: int) -> Iterator[int]:
    """Yield `size`, half of it, and so on to 1; nothing of 0."""
    while size:
        yield size
        size //= 2
