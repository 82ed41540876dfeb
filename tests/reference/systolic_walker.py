"""Systolic arrays, slowly: fold after fold over unpacked masks, in plain Python, written apart from the kernels.

A fold is a block of outputs and products: some filters × some pixels × some of the C·R·S products of each output.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from zapsim.arch.arrays import SystolicArray
from zapsim.workload import ConvShape

Pixel = tuple[int, int, int]  # image, ofmap row, ofmap column
Product = tuple[int, int, int]  # input channel within the group, filter row, filter column


@dataclass
class Fold:
    group: int
    filters: list[int]
    pixels: list[Pixel]
    products: list[Product]
    first_products: bool  # nothing was accumulated for these outputs before
    tile: int = 0  # number of what shares the columns, in the dense layer


@dataclass
class Walk:
    cycles: int = 0
    streamed: int = 0
    folds: int = 0
    executed: int = 0
    issued: int = 0
    glb: dict[str, int] = field(default_factory=lambda: dict.fromkeys(["ifmap", "filter", "psum_in", "psum_out"], 0))
    hops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(["ifmap", "filter", "psum"], 0))


def folds(shape: ConvShape, array: SystolicArray, kept: np.ndarray, block: int | None = None) -> Iterator[Fold]:
    """Yield the folds of a stage in order.

    `kept` is bool (N, P, Q, K); `block` says how many vectors stream through all folds before the next ones.
    """
    everywhere = [(n, y, x) for n in range(shape.N) for y in range(shape.P) for x in range(shape.Q)]
    size = shape.K // shape.groups
    filters_of = [list(range(group * size, (group + 1) * size)) for group in range(shape.groups)]
    if array.channel_order == "by-density":
        filters_of = [sorted(filters, key=lambda k: -kept[..., k].sum()) for filters in filters_of]
    if array.pixel_order == "grouped":
        in_place = [k for filters in filters_of for k in filters]
        everywhere = sorted(everywhere, key=lambda pixel: _grouping(kept[pixel][in_place]))
    products = [(c, r, s) for c in range(shape.C // shape.groups) for r in range(shape.R) for s in range(shape.S)]
    for group, filters in enumerate(filters_of):
        if array.dataflow == "input-stationary":
            tiles = [(filters, pixels) for pixels in _column_pixels(array, kept, filters, everywhere)]
            per_group = math.ceil(len(everywhere) / array.cols)
        else:
            tiles = [(some, everywhere) for some in _chunks(filters, array.cols)]
            per_group = len(tiles)
        for number, (some_filters, pixels) in enumerate(tiles):
            for fold in _tile(group, array, kept, some_filters, pixels, products, block) if pixels else ():
                fold.tile = group * per_group + number
                yield fold


def _grouping(mask: np.ndarray) -> tuple[int, ...]:
    """Return what pixels are sorted by: eighths needed, most first, then 64 filters at a time as numbers."""
    numbers = [sum(1 << k for k, bit in enumerate(some) if bit) for some in _chunks(mask, 64)]
    return -math.ceil(8 * mask.sum() / len(mask)), *numbers


def _column_pixels(array, kept, filters, pixels) -> list[list[Pixel]]:
    def needed(some: list[Pixel]) -> list[Pixel]:
        return [pixel for pixel in some if any(kept[pixel][k] for k in filters)]

    if array.fold_boundary == "crossed":
        return _chunks(needed(pixels), array.cols)
    return [needed(dense) for dense in _chunks(pixels, array.cols)]


def _tile(group, array, kept, filters, pixels, products, block) -> Iterator[Fold]:
    if array.dataflow == "input-stationary":
        streams = [k for k in filters if any(kept[pixel][k] for pixel in pixels)]
        blocks = [(some, pixels) for some in _chunks(streams, block or len(streams))]
    else:
        needed = [pixel for pixel in pixels if any(kept[pixel][k] for k in filters)]
        size = block if block and array.dataflow == "weight-stationary" else len(needed)
        blocks = [(filters, some) for some in _chunks(needed, size)] if needed else []
    for some_filters, some_pixels in blocks:
        if array.dataflow != "output-stationary":
            for index, some_products in enumerate(_chunks(products, array.rows)):
                yield Fold(group, some_filters, some_pixels, some_products, index == 0)
        elif array.fold_boundary != "kept":
            for on_rows in _chunks(some_pixels, array.rows):
                yield Fold(group, some_filters, on_rows, products, True)
        else:
            for dense in _chunks(pixels, array.rows):
                on_rows = [pixel for pixel in dense if pixel in some_pixels]
                if on_rows:
                    yield Fold(group, some_filters, on_rows, products, True)


def _chunks(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def walk(
    shape: ConvShape,
    array: SystolicArray,
    kept: np.ndarray,
    nonzero: np.ndarray | None = None,
    block: int | None = None,
    drifts: bool = False,
) -> Walk:
    """Count a stage; `nonzero` is bool (N, H, W, C), or None if zero inputs switch like others."""
    found = Walk()
    tiles: dict[int, int] = {}
    for fold in folds(shape, array, kept, block):
        before = found.cycles
        _walk_fold(found, shape, array, fold, nonzero)
        tiles[fold.tile] = tiles.get(fold.tile, 0) + found.cycles - before
    slowest: dict[int, int] = {}  # of the tiles that arrays run side by side
    of_array = [0] * array.count
    for tile, cycles in tiles.items():
        slowest[tile // array.count] = max(slowest.get(tile // array.count, 0), cycles)
        of_array[tile % array.count] += cycles
    found.cycles = max(of_array) if drifts else sum(slowest.values())
    if found.folds:
        found.cycles += 2 * array.rows + array.cols - 2 if array.fill == "overlapped" else 0
        found.cycles -= 1
    return found


def _walk_fold(found: Walk, shape: ConvShape, array: SystolicArray, fold: Fold, nonzero: np.ndarray | None) -> None:
    filters, pixels, products = len(fold.filters), len(fold.pixels), len(fold.products)
    on_rows, on_cols, streams = {
        "output-stationary": (pixels, filters, products),
        "weight-stationary": (products, filters, pixels),
        "input-stationary": (products, pixels, filters),
    }[array.dataflow]
    rows, cols = (array.rows, array.cols) if array.partial_folds == "full" else (on_rows, on_cols)
    found.folds += 1
    found.streamed += streams
    if array.fill == "overlapped":
        found.cycles += max(streams, rows)
    elif array.dataflow == "output-stationary":
        found.cycles += rows + cols + streams - 2 + (rows if array.drain == "serial" else 0)
    else:
        found.cycles += rows + (rows + cols + streams - 2)
    found.issued += filters * pixels * products
    for n, y, x in fold.pixels:
        for c, r, s in fold.products:
            if nonzero is None or _is_nonzero(shape, nonzero, fold.group, (n, y, x), (c, r, s)):
                found.executed += filters
    _walk_words(found, array.dataflow, fold)


def _is_nonzero(shape: ConvShape, nonzero: np.ndarray, group: int, pixel: Pixel, product: Product) -> bool:
    (n, y, x), (c, r, s) = pixel, product
    row = y * shape.stride[0] + r * shape.dilation[0] - shape.padding[0]
    col = x * shape.stride[1] + s * shape.dilation[1] - shape.padding[2]
    inside = 0 <= row < shape.H and 0 <= col < shape.W
    return inside and bool(nonzero[n, row, col, group * (shape.C // shape.groups) + c])


def _walk_words(found: Walk, dataflow: str, fold: Fold) -> None:
    filters, pixels, products = len(fold.filters), len(fold.pixels), len(fold.products)
    found.glb["ifmap"] += pixels * products
    found.glb["filter"] += filters * products
    found.glb["psum_out"] += filters * pixels
    if not fold.first_products:
        found.glb["psum_in"] += filters * pixels
    down = {"output-stationary": pixels}.get(dataflow, products)
    for row in range(down):
        if dataflow == "output-stationary":
            found.hops["filter"] += filters * products if row else 0
            found.hops["psum"] += filters * row
        elif dataflow == "weight-stationary":
            found.hops["filter"] += filters * row
            found.hops["psum"] += filters * pixels if row else 0
        else:
            found.hops["ifmap"] += pixels * row
            found.hops["psum"] += filters * pixels if row else 0
    if dataflow == "input-stationary":
        found.hops["filter"] += filters * products * (pixels - 1)
    else:
        found.hops["ifmap"] += pixels * products * (filters - 1)
