"""The passes of a row-stationary stage on whole arrays, by the page of the equations: against the compiled walk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.builders import random_map
from tests.reference.row_stationary_cases import arch_of, layers, mappings, resources
from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.equations import active_pes, pass_actions, pass_costs, psum_pointers
from zapsim.arrays.row_stationary.mapping import (
    Ints,
    PassSizes,
    Resources,
    pass_sizes,
    set_columns,
    tile_classes,
    tiles,
)
from zapsim.arrays.row_stationary.sets import filter_sets
from zapsim.arrays.row_stationary.strips import Pixels, Stage, strips_of
from zapsim.arrays.row_stationary.tiles import StagePasses
from zapsim.arrays.row_stationary.timing import stage_frame, stage_passes, work_per_pass
from zapsim.workload import ConvShape


def layer_passes(
    shape: ConvShape, mapping: PassParameters, rows_per_column: int = 1, pixels: Pixels = None
) -> tuple[PassSizes, Ints]:
    """Return the passes of one group of a layer, and how often each occurs.

    Returns
    -------
    sizes
        Arrays that broadcast to (2, 1, filter tiles, row strips, image tiles); the first axis holds the full tiles of
        channels and the last, partial one; the second is for groups, which are alike. None waits for a mask.
    times
        int64 (2, 1, 1, 1, 1): number of channel tiles of each class.
    """
    qr, times = tile_classes(shape.C_per_group, np.array(mapping.q * mapping.r))
    strips = strips_of(shape, mapping.e, pixels, rows_per_column)
    none = np.zeros_like(strips.e)
    sizes = pass_sizes(
        tiles(shape.K_per_group, mapping.p * mapping.t)[:, None, None],
        np.array(mapping.t),
        qr[:, None, None, None, None],
        np.array(mapping.r),
        tiles(shape.N, mapping.n),
        tuple(part[:, np.newaxis] for part in (strips.e, strips.streamed, strips.first, none, none)),
    )
    return sizes, times[:, None, None, None, None]


@dataclass(frozen=True)
class OnArrays:
    """Sums, cycles of each pass (0 without work), and the table of tiles."""

    sums: dict[str, int]
    cycles: Ints
    table: Ints


def draw_stage(draw: DrawFn) -> tuple[ConvShape, ArchSpec, PassParameters, Demand]:
    """Draw a layer, an array on which a mapping fits, and what a stage computes."""
    shape = draw(layers())
    mapping = draw(mappings(shape))
    have = replace(
        draw(resources(shape, mapping)), compact=draw(st.booleans()), mask_word=draw(st.sampled_from([0, 8]))
    )
    demand = Demand()
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        size = (shape.N, shape.P, shape.Q, shape.K)
        mask = random_map(rng, size, draw(st.sampled_from([0.0, 0.2, 1.0])), correlated=True)
        everywhere = np.ones(size[1:3], dtype=np.bool_)
        demand = Demand(mask, mask_pixels=everywhere if draw(st.booleans()) else None, gate=draw(st.booleans()))
    return shape, arch_of(have), mapping, demand


def walked(shape: ConvShape, spec: ArchSpec, mapping: PassParameters, demand: Demand) -> StagePasses:
    """Walk over the passes of the stage."""
    return stage_passes(stage_frame(shape, spec, mapping, demand), demand)


def on_arrays(shape: ConvShape, spec: ArchSpec, mapping: PassParameters, demand: Demand) -> OnArrays:
    """Evaluate the equations of all passes at once."""
    array, by_mask = Resources.of(spec), demand.mask_pixels is not None and not demand.gate
    sizes, times = layer_passes(shape, mapping, array.rows_per_column)
    e = strips_of(shape, mapping.e).e[:, np.newaxis]
    if demand.mask_pixels is not None:
        pointed = set_columns(array, e) * (array.compact and by_mask)
        sizes = sizes._replace(masked=e * shape.Q, pointed=pointed)
    grid = (shape.groups, *(np.broadcast_shapes(sizes.pt.shape, e.shape, sizes.n.shape)))
    if demand.mask is None or demand.gate:
        costs = pass_costs(shape, array, sizes)
        present = np.ones(grid, dtype=np.int64)
    else:
        balance = "row-pairing" if array.rows_per_column == 2 else "none"
        busiest, outputs = work_per_pass(shape, mapping, demand.mask, balance)
        costs = pass_costs(shape, array, sizes, busiest, outputs)
        present = (outputs > 0).astype(np.int64)
    often = times * present

    def total(per_pass: Ints) -> int:
        return int((per_pass * often).sum())

    parts = {part: total(getattr(costs, part)) for part in ("compute", "psum_bus", "ifmap_bus", "filter_load", "ramp")}
    actions = {name: total(per_pass) for name, per_pass in pass_actions(shape, array, sizes, costs).items()}
    more = {
        "waiting": total(costs.compute * sizes.t * set_columns(array, sizes.e)),
        "working": total(shape.S * sizes.q * costs.psum),
        "active_pes": int((active_pes(shape, array, sizes) * (often > 0)).max()),
        "pointers": int((psum_pointers(sizes) * present).sum()),
        "residencies": int(present.sum()),
    }
    cycles = np.broadcast_to(costs.cycles, (2, *grid)) * (often > 0)
    return OnArrays(
        parts | actions | more, cycles, _table(shape, array, mapping, demand, sizes, costs.psum, present, cycles)
    )


def _table(
    shape: ConvShape, array: Resources, mapping: PassParameters, demand: Demand,
    sizes: PassSizes, psums: Ints, present: Ints, cycles: Ints,
) -> Ints:  # fmt: skip
    """List the passes one by one."""
    psums = np.broadcast_to(psums, cycles.shape)[0] * present
    stage = Stage(by_mask=demand.mask_pixels is not None and not demand.gate)
    sets = filter_sets(shape, array, mapping, stage, psums, psum_pointers(sizes))
    strips, images = strips_of(shape, mapping.e).read, tiles(shape.N, mapping.n)
    channels = tiles(shape.C_per_group, mapping.q * mapping.r)
    filters = tiles(shape.K_per_group, mapping.p * mapping.t)
    full = shape.C_per_group // (mapping.q * mapping.r)
    rows = []
    for block, (g, k, s, i) in enumerate(np.ndindex(sets.ends.shape)):
        of_set = range(int(sets.ends[g, k - 1, s, i]) if k else 0, int(sets.ends[g, k, s, i]))
        busy = [f for f in of_set if present[g, f, s, i]]
        for c, f in product(range(len(channels)), busy):
            beyond = int(sets.overflow[g, f, s, i]) if sets.overflow.size else 0
            first, last = c == 0, c == len(channels) - 1
            rows.append([
                cycles[int(c >= full), g, f, s, i],
                strips[s] * images[i] * shape.W * channels[c] * (f == busy[0]),
                filters[f] * channels[c] * shape.R * shape.S,
                0 if first else beyond,
                0 if last else beyond,
                psums[g, f, s, i] * last,
                block,
            ])  # fmt: skip
    table = np.array(rows, dtype=np.int64).reshape(-1, 7).T
    return table
