"""What a layer costs under each of many row-stationary mappings, and a quick lower bound of it.

:func:`layer_totals` sums the equations of :mod:`zapsim.arrays.row_stationary.equations` over all passes;
:func:`least_totals` bounds each of these sums from below, without going through the passes.

A layer runs in one or more stages (:class:`zapsim.arrays.row_stationary.strips.Stage`), each of which computes a share
of the outputs of its rows. The sums are exact for the dense layer; for a share, every column is assumed to have that
share of its outputs to compute, which is all that can be known before the mask is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.arrays.row_stationary.equations import (
    column_outputs,
    mask_words,
    pass_actions,
    pass_costs,
)
from zapsim.arrays.row_stationary.mapping import Ints, Resources, ceil, pass_sizes, set_columns, tile_classes, touched
from zapsim.arrays.row_stationary.strips import (
    SHARES,
    WHOLE,
    Stage,
    StripTable,
    glb_table,
    stage_rows,
    strip_table,
    widest_strip,
)
from zapsim.workload import ConvShape

Stages = tuple[Stage, ...]
"""The stages that have one mapping."""

DENSE: Stages = (WHOLE,)
"""One stage that computes everything."""


class Candidates(NamedTuple):
    """Mappings as int64 arrays of one length; of m, which costs only DRAM words, the best follows from the others."""

    n: Ints
    e: Ints
    p: Ints
    q: Ints
    r: Ints
    t: Ints

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Candidates:
        """Select some of the candidates."""
        return Candidates(*(values[chosen] for values in self))


class Totals(NamedTuple):
    """Cycles of the layer, and its actions that depend on the mapping, of each candidate."""

    cycles: Ints
    actions: dict[str, Ints]


def layer_totals(shape: ConvShape, array: Resources, candidates: Candidates, stages: Stages = DENSE) -> Totals:
    """Sum cycles and actions over all stages: all classes of full and partial passes, each as often as it occurs."""
    m = best_m(shape, array, candidates, stages)
    return _summed([_stage_totals(shape, array, candidates, stage, m) for stage in stages])


def _summed(stages: list[Totals]) -> Totals:
    """Add up the stages."""
    cycles, actions = stages[0]
    for stage in stages[1:]:
        cycles = cycles + stage.cycles
        actions = {name: words + stage.actions[name] for name, words in actions.items()}
    return Totals(cycles, actions)


def _stage_totals(shape: ConvShape, array: Resources, candidates: Candidates, stage: Stage, m: Ints) -> Totals:
    _, e, p, q, r, t = candidates
    table = _strips(shape, array, candidates, stage)
    pt, pt_times = _classes(shape.K_per_group, p * t)
    qr, qr_times = _classes(shape.C_per_group, q * r)
    n, n_times = _classes(shape.N, candidates.n)
    strip_times = table.times[:, e]
    kinds = strip_times.any(axis=1)
    # Axes: classes of filter tiles, of channel tiles, of strips, of image tiles; candidates.
    times = pt_times[:, None, None, None] * qr_times[:, None, None] * strip_times[kinds][:, None] * n_times
    rows, streamed, first = table.sizes[kinds].transpose(1, 0, 2)[:, :, np.newaxis, e]
    pointed = set_columns(array, rows) * (array.compact and stage.by_mask)
    strip = rows, streamed, first, _masked(shape, stage, rows), pointed
    sizes = pass_sizes(pt[:, None, None, None], t, qr[:, None, None], r, n, strip)
    busiest = ceil(column_outputs(shape, array, sizes) * stage.share, SHARES)
    demanded = ceil(sizes.pt * sizes.e * shape.Q * sizes.n * stage.share, SHARES)
    costs = pass_costs(shape, array, sizes, busiest, demanded)
    per_pass = pass_actions(shape, array, sizes, costs) | {"cycles": costs.cycles}
    totals = {
        name: np.asarray(shape.groups * (values * times).sum(axis=(0, 1, 2, 3)), dtype=np.int64)
        for name, values in per_pass.items()
    }
    totals["dram_reads"] = totals["filter_bus_words"] + _ifmap_loads(shape, table, e, m)
    return Totals(totals.pop("cycles"), totals)


def _strips(shape: ConvShape, array: Resources, candidates: Candidates, stage: Stage) -> StripTable:
    """Tabulate a stage's strips of all widths that candidates may have."""
    widest = max(int(candidates.e.max()), widest_strip(shape, array, (stage,)))
    return strip_table(shape, stage.pixels, array.rows_per_column, widest)


def _masked(shape: ConvShape, stage: Stage, rows: Ints) -> Ints:
    """Count the masked pixels of strips of so many rows, as if all rows had equally many."""
    if not stage.by_mask:
        return np.zeros_like(rows)
    pixels = shape.P * shape.Q if stage.pixels is None else sum(stage.pixels)
    return ceil(rows * pixels, len(stage_rows(shape, stage.pixels)))


def _classes(total: int, tile: Ints) -> tuple[Ints, Ints]:
    """Return sizes and numbers of full and partial tiles; without the partial ones if there are none."""
    sizes, times = tile_classes(total, tile)
    return (sizes, times) if times[1].any() else (sizes[:1], times[:1])


def least_totals(
    shape: ConvShape, array: Resources, candidates: Candidates, stages: Stages = DENSE, m: Ints | None = None
) -> Totals:
    """Bound what :func:`layer_totals` returns from below.

    Each equation is summed over all passes before the larger of compute and bus time is taken, and before quotients are
    rounded up. Each sum but the ifmap words from DRAM falls as n and p grow, so a bound with the largest n and p holds
    for all, given an `m` that none of them exceeds.

    Parameters
    ----------
    shape, array, candidates, stages
        The layer, the array, the candidates, and the stages.
    m
        Filters whose psums stay in the GLB; None: the best m of each candidate.
    """
    m = best_m(shape, array, candidates, stages) if m is None else m
    return _summed([_least_of_stage(shape, array, candidates, stage, m) for stage in stages])


def _least_of_stage(shape: ConvShape, array: Resources, candidates: Candidates, stage: Stage, m: Ints) -> Totals:
    K, C, R, S, F = shape.K_per_group, shape.C_per_group, shape.R, shape.S, shape.Q
    n, e, p, q, r, t = candidates
    table = _strips(shape, array, candidates, stage)
    ofmap_rows = len(stage_rows(shape, stage.pixels))
    filter_tiles, channel_tiles, image_tiles = ceil(K, p * t), ceil(C, q * r), ceil(shape.N, n)
    columns = touched(shape, np.array(F), axis=1)
    psums = -(-K * ofmap_rows * F * shape.N * stage.share // SHARES)
    bits = K * shape.N * _masked(shape, stage, np.array(ofmap_rows)) * channel_tiles

    # The equations in their order. Of a partial tile of filters (channels), the busiest PE has its even share or more.
    compute = ceil(S * F * shape.N * ceil(K, t) * ceil(C, r) * table.turns[e] * stage.share, SHARES)
    psum = psums * channel_tiles
    ifmap = C * shape.N * table.streamed[e] * columns * filter_tiles
    masks = mask_words(array, bits)
    filter_ = K * C * R * S * table.strips[e] * image_tiles
    first = ceil(table.first[e] * S * C * filter_tiles * image_tiles, array.ifmap_bus)
    last = ceil(K * table.columns[e] * channel_tiles * image_tiles, array.psum_bus)
    buses = np.maximum(ceil(psum, array.psum_bus) + first, ceil(ifmap + masks, array.ifmap_bus) + last)
    pass_ = np.maximum(first + compute + last, buses) + ceil(filter_, array.filter_bus)

    # The actions (`pass_actions`), in their order.
    ifmap_taken = R * ofmap_rows * C * shape.N * columns * ceil(K, p)
    filters_taken = K * C * R * S * table.columns[e] * image_tiles
    pointers = ceil(K, p) * table.columns[e] * channel_tiles * image_tiles * (array.compact and stage.by_mask)
    per_group = {
        "cycles": pass_,
        "ifmap_spad_writes": ifmap_taken,
        "filter_spad_writes": filters_taken,
        "ifmap_bus_words": ifmap + masks,
        "filter_bus_words": filter_,
        "psum_bus_words": 2 * psum,
        "bus_deliveries": ifmap_taken + filters_taken + 2 * psum + masks * R,
        "pe_to_pe_words": psums * _hops(shape, candidates),
        "glb_reads": psum + ifmap + pointers,
        "glb_writes": psum,
        "mask_bits_read": bits,
        # A MAC takes its PE a cycle, and all PEs of a pass wait while it is filled.
        "pe_active_cycles": psums * C * R * S + _least_filling(shape, array, candidates, table),
    }
    totals = {name: shape.groups * value for name, value in per_group.items()}
    totals["dram_reads"] = totals["filter_bus_words"] + _ifmap_loads(shape, table, e, m)
    return Totals(totals.pop("cycles"), totals)


def _least_filling(shape: ConvShape, array: Resources, candidates: Candidates, table: StripTable) -> Ints:
    """Bound `active_pes` · (`first` + `last` + `filter` / `filter_bus`) from below, by its sum over full passes.

    What full passes hold is bounded itself, so that the bound falls as n and p grow, as the others do.
    """
    n, e, p, q, r, t = candidates
    pt, qr, columns = p * t, q * r, set_columns(array, e)
    filters, channels = np.maximum(shape.K_per_group - pt + 1, 0), shape.C_per_group - shape.C_per_group % qr
    image_tiles = shape.N // n
    first = table.full_first[e] * shape.S * channels * (shape.K_per_group // pt)
    last = filters * columns * (shape.C_per_group // qr)
    cycles = (
        ceil(filters * channels * shape.R * shape.S * table.full[e] * image_tiles, array.filter_bus)
        + ceil(first * image_tiles, array.ifmap_bus)
        + ceil(last * table.full[e] * image_tiles, array.psum_bus)
    )
    return np.asarray(shape.R * r * t * columns * cycles, dtype=np.int64)


def best_m(shape: ConvShape, array: Resources, candidates: Candidates, stages: Stages = DENSE) -> Ints:
    """Find the m that loads ifmaps least often: of the largest that fits the GLB, the smallest that is as good."""
    n, e, p, q, r, t = candidates
    K, pt = shape.K_per_group, p * t
    strips = glb_table(shape, array, stages).take(e)
    tile_words = t * (p * n * strips.psums + strips.pointers)
    largest = np.minimum((array.glb_words - n * q * r * strips.ifmap) // tile_words, ceil(K, pt)) * pt
    return ceil(ceil(K, ceil(K, largest)), pt) * pt


def _hops(shape: ConvShape, candidates: Candidates) -> Ints:
    """Count how often a psum is handed from PE to PE (R · r − 1 per pass), over all tiles of channels."""
    full_tiles, channels_left = np.divmod(shape.C_per_group, candidates.q * candidates.r)
    sets_left = ceil(channels_left, np.maximum(ceil(channels_left, candidates.r), 1))
    in_last = (channels_left > 0) * (shape.R * sets_left - 1)
    return np.asarray(full_tiles * (shape.R * candidates.r - 1) + in_last, dtype=np.int64)


def _ifmap_loads(shape: ConvShape, table: StripTable, e: Ints, m: Ints) -> Ints:
    """Count the plain words of ifmap strips that DRAM gives: each strip once for every m filters."""
    return ceil(shape.K_per_group, m) * table.read[e] * (shape.C * shape.W * shape.N)
