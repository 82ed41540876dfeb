"""A systolic array that moves operands from PE to PE, cycle by cycle, and so computes a convolution.

Nothing here is a formula for cycles or words: cycles pass because words move, and words are counted as they do.
"""

from dataclasses import dataclass, field

import numpy as np

from tests.reference.systolic_walker import Fold, folds
from zapsim.arch.arrays import SystolicArray
from zapsim.workload import ConvShape


@dataclass
class Word:
    """A value on its way; padding of an idle row or column moves too, but is not counted."""

    value: int
    real: bool


@dataclass
class Ran:
    ofmap: np.ndarray  # int64 (N, P, Q, K); 0 where nothing was computed
    computed: np.ndarray  # bool (N, P, Q, K)
    cycles: int = 0
    from_glb: dict[str, int] = field(default_factory=lambda: dict.fromkeys(["ifmap", "filter", "psum"], 0))
    to_glb: int = 0
    handed_on: int = 0
    multiplied: int = 0


def run(
    shape: ConvShape,
    array: SystolicArray,
    kept: np.ndarray,
    ifmap: np.ndarray,
    weights: np.ndarray,
    block: int | None = None,
) -> Ran:
    """Run a stage.

    Parameters
    ----------
    shape, array
        The layer and the array.
    kept
        Bool (N, P, Q, K).
    ifmap
        Integers (N, H, W, C).
    weights
        Integers (K, C / groups, R, S).
    block
        Vectors that stream through all folds of a tile before the next ones; None: all.
    """
    done = Ran(np.zeros(kept.shape, dtype=np.int64), np.zeros(kept.shape, dtype=np.bool_))
    for fold in folds(shape, array, kept, block):
        pixels = [_products(shape, ifmap, fold, pixel) for pixel in fold.pixels]
        filters = [[int(weights[(k, *product)]) for product in fold.products] for k in fold.filters]
        if array.dataflow == "output-stationary":
            outputs = _output_stationary(array, pixels, filters, done)
        elif array.dataflow == "weight-stationary":
            before = [[_psum(done, fold, pixel, k) for k in fold.filters] for pixel in fold.pixels]
            outputs = _operand_stationary(array, "filter", filters, "ifmap", pixels, before, done)
        else:
            before = [[_psum(done, fold, pixel, k) for pixel in fold.pixels] for k in fold.filters]
            outputs = np.transpose(_operand_stationary(array, "ifmap", pixels, "filter", filters, before, done))
        for pixel, row in zip(fold.pixels, outputs, strict=True):
            for k, value in zip(fold.filters, row, strict=True):
                done.ofmap[pixel][k] = value
                done.computed[pixel][k] = True
    done.cycles -= 1 if done.cycles else 0  # the number of the last cycle, the first being 0
    return done


def _products(shape: ConvShape, ifmap: np.ndarray, fold: Fold, pixel: tuple[int, int, int]) -> list[int]:
    n, y, x = pixel
    words = []
    for c, r, s in fold.products:
        row = y * shape.stride[0] + r * shape.dilation[0] - shape.padding[0]
        col = x * shape.stride[1] + s * shape.dilation[1] - shape.padding[2]
        inside = 0 <= row < shape.H and 0 <= col < shape.W
        words.append(int(ifmap[n, row, col, fold.group * (shape.C // shape.groups) + c]) if inside else 0)
    return words


def _psum(done: Ran, fold: Fold, pixel: tuple[int, int, int], k: int) -> int | None:
    """Return what was accumulated before, or None if this is the output's first fold."""
    return None if fold.first_products else int(done.ofmap[pixel][k])


def _size(array: SystolicArray, on_rows: int, on_cols: int) -> tuple[int, int]:
    return (array.rows, array.cols) if array.partial_folds == "full" else (on_rows, on_cols)


def _grid(rows: int, cols: int) -> list[list[Word | None]]:
    return [[None] * cols for _ in range(rows)]


def _step_right(done: Ran, grid: list[list[Word | None]], entering: list[Word | None], cols: int) -> None:
    """Move every word one PE to the right; those that enter come from the buffer (`cols`: columns at work)."""
    for row, word in zip(grid, entering, strict=True):
        row[:] = [word, *row[:-1]]
        done.handed_on += sum(1 for old in row[1:cols] if old and old.real)


def _step_down(done: Ran, grid: list[list[Word | None]], entering: list[Word | None], rows: int) -> None:
    grid[:] = [entering, *grid[:-1]]
    done.handed_on += sum(1 for row in grid[1:rows] for old in row if old and old.real)


def _operand_stationary(array, stays, held, streams, vectors, before, done) -> list[list[int]]:
    """`held` (columns at work, rows at work) is loaded and stays; `vectors` (each: rows at work) stream past."""
    used_cols, used_rows = len(held), len(held[0])
    rows, cols = _size(array, used_rows, used_cols)
    still = _grid(rows, cols)
    for load in range(rows):  # the last row's words go first, and are pushed down by the others
        row = rows - 1 - load
        entering = [
            Word(held[c][row], True) if row < used_rows and c < used_cols else Word(0, False) for c in range(cols)
        ]
        _step_down(done, still, entering, rows)
        done.from_glb[stays] += sum(word.real for word in entering)
        done.cycles += 1
    moving, psums = _grid(rows, cols), _grid(rows, cols)
    out = [[0] * used_cols for _ in vectors]
    finished, cycle = 0, 0
    while finished < len(vectors) * cols:
        entering = [_skewed(vectors, cycle - row, row, used_rows) for row in range(rows)]
        done.from_glb[streams] += sum(1 for word in entering if word and word.real)
        _step_right(done, moving, entering, used_cols)
        top = [_entering_psum(before, cycle - c, c, used_cols) for c in range(cols)]
        done.from_glb["psum"] += sum(1 for word in top if word and word.real and word.value is not None)
        _step_down(done, psums, top, used_rows)
        for row in range(rows):
            for c in range(cols):
                if moving[row][c] is not None:
                    at_work = row < used_rows and c < used_cols
                    done.multiplied += at_work
                    psum = psums[row][c]
                    psums[row][c] = Word((psum.value or 0) + moving[row][c].value * still[row][c].value, c < used_cols)
        for c in range(cols):  # what the last row has computed leaves
            vector = cycle - c - (rows - 1)
            if 0 <= vector < len(vectors):
                finished += 1
                if c < used_cols:
                    out[vector][c] = psums[rows - 1][c].value
                    done.to_glb += 1
        cycle += 1
    done.cycles += cycle
    return out


def _skewed(vectors: list[list[int]], index: int, place: int, used: int) -> Word | None:
    if not 0 <= index < len(vectors):
        return None
    return Word(vectors[index][place], True) if place < used else Word(0, False)


def _entering_psum(before, index: int, c: int, used_cols: int) -> Word | None:
    if not 0 <= index < len(before):
        return None
    return Word(before[index][c], True) if c < used_cols else Word(None, False)


def _output_stationary(array, pixels, filters, done) -> list[list[int]]:
    """`pixels` (rows at work, T) enter at the left, `filters` (columns at work, T) at the top; psums stay."""
    used_rows, used_cols, length = len(pixels), len(filters), len(pixels[0])
    rows, cols = _size(array, used_rows, used_cols)
    left, above = _grid(rows, cols), _grid(rows, cols)
    psums = np.zeros((rows, cols), dtype=np.int64)
    finished = np.zeros((rows, cols), dtype=np.int64)
    cycle = 0
    while finished.min() < length:
        from_left = [_streamed(pixels, row, cycle - row, length) for row in range(rows)]
        from_above = [_streamed(filters, c, cycle - c, length) for c in range(cols)]
        done.from_glb["ifmap"] += sum(1 for word in from_left if word and word.real)
        done.from_glb["filter"] += sum(1 for word in from_above if word and word.real)
        _step_right(done, left, from_left, used_cols)
        _step_down(done, above, from_above, used_rows)
        for row in range(rows):
            for c in range(cols):
                if left[row][c] is not None:
                    psums[row, c] += left[row][c].value * above[row][c].value
                    finished[row, c] += 1
                    done.multiplied += row < used_rows and c < used_cols
        cycle += 1
    done.cycles += cycle
    return _drain(array, psums, used_rows, used_cols, done)


def _streamed(vectors: list[list[int]], place: int, index: int, length: int) -> Word | None:
    if not 0 <= index < length:
        return None
    return Word(vectors[place][index], True) if place < len(vectors) else Word(0, False)


def _drain(array, psums, used_rows, used_cols, done) -> list[list[int]]:
    """Shift the results down and out; with an overlapped drain while the next fold fills."""
    rows, cols = psums.shape
    leaving = [[Word(int(psums[r, c]), r < used_rows and c < used_cols) for c in range(cols)] for r in range(rows)]
    out = np.zeros((used_rows, used_cols), dtype=np.int64)
    for row in reversed(range(rows)):
        if row < used_rows:
            out[row] = [word.value for word in leaving[-1][:used_cols]]
            done.to_glb += used_cols
        _step_down(done, leaving, [None] * cols, used_rows)
        done.cycles += array.drain == "serial"
    return out.tolist()
