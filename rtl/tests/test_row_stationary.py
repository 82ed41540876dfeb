"""A row-stationary array in SystemVerilog: the convolution's values, and its cycles beside zapsim's pass equations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rtl.bench.hexfile import read_words, signed, write_words
from rtl.bench.simulator import Testbench, build, job_folder
from rtl.tests.checks import assert_clean, assert_refused, chosen
from rtl.tests.convolution import Layer, with_operands
from zapsim.arch.arrays import PassParameters
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

NUMBERS = ("cycles", "worked")
MEMORIES = ("psums.hex", "spans.hex")
ROWS, COLS = 6, 10
ENGINE = RowStationaryEngine()
BUSES = {"psum 4, filter 4": (4, 4), "psum 2, filter 2": (2, 2)}


@dataclass
class Job:
    """One stage as streams of words: passes, filters, ifmaps, lists of windows; and where each psum lies."""

    layer: Layer
    mapping: PassParameters
    wanted: np.ndarray  # bool (P, Q, K)
    passes: list[int] = field(default_factory=list)
    filters: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    lists: list[int] = field(default_factory=list)
    outputs: list[tuple[int, int, int]] = field(default_factory=list)
    ramps: list[tuple[int, int, int]] = field(default_factory=list)
    column_sums: list[np.ndarray] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        shape = self.layer.shape
        top, bottom, left, right = shape.padding
        self.ifmap = np.pad(self.layer.ifmap[0], ((top, bottom), (left, right), (0, 0)))
        places: dict[tuple[int, ...], tuple[int, int, list[int], list[int]]] = {}
        for g, filters, rows, channels in self.tiles():
            columns = [(y, hand) for hand in deal(filters, self.mapping.t) for y in rows]
            if not any(self.wanted[y, :, hand].any() for y, hand in columns):
                continue
            key = (g, filters[0], rows[0])
            if key not in places:
                places[key] = self.place(columns)
            self.add_pass(filters, rows, channels, columns, places[key])

    def tiles(self) -> Iterator[tuple[int, list[int], list[int], list[int]]]:
        """Yield passes in zapsim's order: groups, m filters, strips, channels, filters."""
        shape, of = self.layer.shape, self.mapping
        K, C = shape.K_per_group, shape.C_per_group
        for g, m, y, c in product(
            range(shape.groups), range(0, K, of.m), range(0, shape.P, of.e), range(0, C, of.q * of.r)
        ):
            for k in range(m, min(m + of.m, K), of.p * of.t):
                filters = range(g * K + k, g * K + min(k + of.p * of.t, K))
                channels = range(g * C + c, g * C + min(c + of.q * of.r, C))
                yield g, list(filters), list(range(y, min(y + of.e, shape.P))), list(channels)

    def place(self, columns):
        """Make the lists of windows of a tile's columns and give its psums places."""
        base, list_base, list_at, sums_at = len(self.outputs), len(self.lists), [], []
        for y, hand in columns:
            list_at.append(len(self.lists) - list_base)
            sums_at.append(len(self.outputs) - base)
            for x in np.flatnonzero(self.wanted[y][:, hand].any(axis=1)):
                bits = [f for f, k in enumerate(hand) if self.wanted[y, x, k]]
                self.lists.append(sum(1 << f for f in bits) << 16 | int(x))
                self.outputs += [(y, int(x), hand[f]) for f in bits]
        return base, list_base, [*list_at, len(self.lists) - list_base], [*sums_at, len(self.outputs) - base]

    def add_pass(self, filters, rows, channels, columns, place) -> None:
        """Append one pass: its settings and the words that its buses carry."""
        shape = self.layer.shape
        sets = deal(channels, self.mapping.r)
        base, list_base, list_at, sums_at = place
        pe_rows = [(index, i, of_set) for index, of_set in enumerate(sets) for i in range(shape.R)]
        tops = [(y - rows[0]) * shape.stride[0] for y, _ in columns]
        hands = deal(filters, self.mapping.t)
        before = len(self.words), len(self.filters)
        listened = {(s, c, top + i): None for top in tops for s, i, of_set in pe_rows for c in of_set}
        for x in range((shape.Q - 1) * shape.stride[1] + shape.S):
            for s, c, row in listened:
                value = int(self.ifmap[rows[0] * shape.stride[0] + row, x, c])
                self.words.append(s << 24 | row << 16 | value & 255)
        for (h, hand), (r, (_, i, of_set)) in product(enumerate(hands), enumerate(pe_rows)):
            for (f, k), (n, c), tap in product(enumerate(hand), enumerate(of_set), range(shape.S)):
                value = int(self.layer.weights[k, c % shape.C_per_group, i, tap])
                self.filters.append(r << 24 | h << 16 | ((f * len(of_set) + n) * shape.S + tap) << 8 | value & 255)
        words, loads = len(self.words) - before[0], len(self.filters) - before[1]
        fields = [len(pe_rows), len(columns), shape.S, shape.stride[1], *halves(loads), words]
        fields += [*halves(list_base), *halves(base), 0]
        fields += padded([s for s, _, _ in pe_rows], ROWS) + padded([i for _, i, _ in pe_rows], ROWS)
        fields += padded([len(of_set) for _, _, of_set in pe_rows], ROWS)
        fields += padded(tops, COLS) + padded([hands.index(hand) for _, hand in columns], COLS)
        fields += padded(np.diff(list_at), COLS) + padded(np.diff(sums_at), COLS)
        fields += padded(list_at[:-1], COLS) + padded(sums_at[:-1], COLS)
        self.passes += fields
        first = ((len(rows) - 1) * shape.stride[0] + shape.R) * shape.S * len(channels)
        self.ramps.append((first, len(filters) * len(rows), len(pe_rows)))  # words, words, PEs of a column
        self.column_sums.append(np.diff(sums_at))
        self.count += 1

    def write(self, folder: Path) -> dict[str, int]:
        write_words(folder / "pass.hex", self.passes, 16)
        write_words(folder / "filter.hex", self.filters, 32)
        write_words(folder / "ifmap.hex", self.words, 32)
        write_words(folder / "lists.hex", self.lists, 32)
        return {"passes": self.count, "psums": len(self.outputs)}

    def check(self, folder: Path) -> None:
        expected = self.layer.ofmap()[0]
        sums = signed(read_words(folder / "psums.hex", 24), 24)
        np.testing.assert_array_equal(sums, [expected[place] for place in self.outputs])


def arch_of(have: Resources) -> ArchSpec:
    """Return an architecture of these resources, and nothing special else."""
    spads = {"ifmap": have.ifmap_spad, "filter": have.filter_spad, "psum": have.psum_spad}
    buses = {"ifmap": have.ifmap_bus, "filter": have.filter_bus, "psum": have.psum_bus}
    return ArchSpec.model_validate({
        "name": "rtl", "description": "as built", "word": "8 bit", "clock": "1 GHz",
        "array": {
            "dataflow": "row-stationary", "rows": have.rows, "cols": have.cols, "buses": buses,
            "spads": {name: f"{words} words" for name, words in spads.items()},
        },
        "buffers": {"glb": {"size": f"{have.glb_words} B"}, "prefetch": {"ifmap": 0, "filter": 1, "ofmap": 0}},
        "dram": {"bandwidth": "1 GB/s"}, "predictor": {"unit": "ideal"},
        "energy": {"technology": "none", "actions": {}},
    })  # fmt: skip


def deal(things: list[int], hands: int) -> list[list[int]]:
    """Deal things in order, evenly."""
    each = -(-len(things) // hands)
    return [things[start : start + each] for start in range(0, len(things), each)]


def halves(number: int) -> list[int]:
    return [number & 0xFFFF, number >> 16]


def padded(values, length: int) -> list[int]:
    return [*map(int, values), *[0] * (length - len(values))]


def unfilled_bus(sums: np.ndarray, width: int) -> int:
    """Count the cycles that psum buses lose because each column takes one word a cycle, the longest ones at the end.

    Columns with psums left share the buses evenly.
    """
    time, before = 0.0, 0
    for index, length in enumerate(np.sort(sums)):
        time += (length - before) * max((len(sums) - index) / width, 1)
        before = length
    return int(np.ceil(time - max(sums.sum() / width, sums.max())))


def random_job(rng: np.random.Generator, buses: tuple[int, int], sides: tuple[int, int, int]) -> tuple[Job, object]:
    """Draw a layer, an array that the hardware has room for, and a mask; return the job and zapsim's result."""
    while True:
        R, S = (int(rng.integers(1, 4)) for _ in range(2))
        groups, stride = int(rng.choice([1, 1, 1, 2])), int(rng.choice([1, 1, 1, 2]))
        stride = min(stride, R, S)
        side = int(rng.choice([0, 1]))
        shape = ConvShape(
            "drawn", C=groups * int(rng.integers(1, 5)), H=int(rng.integers(max(R, sides[0]), sides[1])),
            W=int(rng.integers(max(S, sides[0]), sides[2])), K=groups * int(rng.integers(1, 9)), R=R, S=S,
            stride=(stride, stride), padding=(side, side, 0, 0), groups=groups,
        )  # fmt: skip
        have = Resources(
            rows=R * int(rng.integers(1, 3)), cols=int(rng.integers(2, 6)), ifmap_spad=S * int(rng.integers(1, 4)),
            filter_spad=64, psum_spad=8, ifmap_bus=1, filter_bus=buses[1], psum_bus=buses[0], glb_words=4000,
        )  # fmt: skip
        mapping = search(shape, have, Objective())
        if mapping.e * mapping.t > COLS or mapping.r * R > ROWS:
            continue
        wanted = rng.random((1, shape.P, shape.Q, shape.K)) < rng.choice([0.3, 0.5, 0.7, 1.0, 1.0])
        if not wanted.any():
            continue
        model = ENGINE.time_stage(shape, arch_of(have), mapping, Demand(PackedMap.from_bool(wanted)))
        return Job(with_operands(rng, shape), mapping, wanted[0]), model


@pytest.fixture(scope="module", params=BUSES)
def buses(request: pytest.FixtureRequest, everything: bool) -> tuple[int, int]:
    return BUSES[chosen(request, everything, ["psum 4, filter 4"])]


@pytest.fixture(scope="module")
def bench(buses: tuple[int, int]) -> Testbench:
    parameters = {"ROWS": ROWS, "COLS": COLS, "PSUM_BUS": buses[0], "FILTER_BUS": buses[1]}
    return build("tb_row_stationary", parameters, numbers=NUMBERS, memories=MEMORIES)


@pytest.mark.parametrize(("name", "layers", "sides"), [("tiny", 200, (4, 9, 13)), ("small", 24, (16, 25, 33))])
def test_random_layers(bench: Testbench, buses, tmp_path: Path, table, name: str, layers: int, sides) -> None:
    """Values are the convolution's; the equations' errors are what docs/models/rtl.md states."""
    rng = np.random.default_rng(5)
    drawn = [random_job(rng, buses, sides) for _ in range(layers)]
    settings = [job.write(job_folder(tmp_path, index)) for index, (job, _) in enumerate(drawn)]
    rows, pass_errors, passes = [], [], []
    for index, ((job, model), result) in enumerate(zip(drawn, bench.run(tmp_path, settings), strict=True)):
        job.check(job_folder(tmp_path, index))
        shape = job.layer.shape
        assert result["worked"] == job.wanted.sum() * shape.macs_per_output
        spans = np.array(read_words(job_folder(tmp_path, index) / "spans.hex", 32))
        modelled = model.tiles.cycles
        assert len(spans) == len(modelled)
        pass_errors += list(modelled / spans - 1)
        # The equations never overlap a pass's first windows and last psums with its work, as hardware partly does, and
        # leave out the hops up a column, the cycles of FIFOs, and that the last columns with psums cannot fill the bus.
        # That is all by which they are off, in every pass.
        heights = np.array([height for _, _, height in job.ramps])
        ramps = np.array([first + -(-psums // buses[0]) for first, psums, _ in job.ramps])
        assert (modelled - spans <= ramps).all()
        unfilled = np.array([unfilled_bus(sums, buses[0]) for sums in job.column_sums])
        assert (modelled - spans >= -(heights + 7 + unfilled)).all()
        passes += [
            {"layer": index, "model": int(m), "rtl": int(r), "first": f, "last": -(-o // buses[0]), "column": height}
            for m, r, (f, o, height) in zip(modelled, spans, job.ramps, strict=True)
        ]
        rows.append({
            "passes": job.count, "wanted": f"{job.wanted.mean():.2f}", "model": model.cycles.total,
            "rtl": result["cycles"], "error": f"{model.cycles.total / result['cycles'] - 1:.4f}",
        })  # fmt: skip
    table(f"row-stationary-{name}-{buses[0]}-{buses[1]}", rows)
    table(f"row-stationary-passes-{name}-{buses[0]}-{buses[1]}", passes)
    errors, of_passes = np.array([float(row["error"]) for row in rows]), np.array(pass_errors)
    total = sum(row["model"] for row in rows) / sum(row["rtl"] for row in rows) - 1
    summary = {"layers": layers, "passes": len(of_passes), "total": f"{total:.4f}"}
    for of, values in (("layer", errors), ("pass", of_passes)):
        summary[f"{of}_mean_abs"] = f"{np.abs(values).mean():.4f}"
        for quantile in (0, 5, 25, 50, 75, 95, 100):
            summary[f"{of}_q{quantile}"] = f"{np.percentile(values, quantile):.4f}"
    table(f"row-stationary-errors-{name}-{buses[0]}-{buses[1]}", [summary])


def test_unsupported_parameters_are_refused() -> None:
    assert_refused("row_stationary", {"IFMAP_WORDS": 60}, "IFMAP_WORDS = 60: expected a power of two")


def test_lint_is_clean() -> None:
    for parameters in ({}, {"ROWS": 3, "COLS": 2, "PSUM_BUS": 1, "FILTER_BUS": 1}):
        assert_clean("row_stationary", parameters)
