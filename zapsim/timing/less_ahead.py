"""Less prefetching than an architecture allows, where the words of the GLB that it takes do more for the mapping.

A row-stationary array keeps every strip of ifmaps and psums as often in the GLB as tiles are ahead of the array or
behind it. What a mapper would not fetch ahead need not be fetched ahead (docs/models/row-stationary.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from zapsim.arch.arrays import RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.remembered import once_per_object


def less_ahead(arch: ArchSpec, layer: str) -> tuple[ArchSpec, ...]:
    """List the architecture, and then with the depths halved down to 0 in all combinations.

    Only itself where prefetching takes nothing from a mapping: on other arrays, and if that of `layer` is pinned.
    """
    array = arch.array
    if not isinstance(array, RowStationaryArray) or layer in array.mapping.pinned:
        return (arch,)
    return _less_ahead(arch)


@once_per_object
def _less_ahead(arch: ArchSpec) -> tuple[ArchSpec, ...]:
    ahead, buffers = arch.buffers.prefetch, arch.buffers
    filters = _halves(ahead.filter) if buffers.filters is not None else iter((ahead.filter,))
    depths = product(_halves(ahead.ifmap), filters, _halves(ahead.ofmap))
    next(depths)  # the architecture itself comes first
    less = [
        ahead.model_copy(update={"ifmap": ifmap, "filter": filter_, "ofmap": ofmap}) for ifmap, filter_, ofmap in depths
    ]
    return arch, *(
        arch.model_copy(update={"buffers": buffers.model_copy(update={"prefetch": prefetch})}) for prefetch in less
    )


def _halves(depth: int) -> Iterator[int]:
    """Yield `depth`, half of it, and so on to 0."""
    while depth:
        yield depth
        depth //= 2
    yield 0
