"""The pass model beside a machine that moves every word and computes the convolution, on random small layers."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from tests.conftest import SEED
from tests.reference.row_stationary_cases import arch_of
from tests.reference.row_stationary_machine import Machine, convolution
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.reference, pytest.mark.slow]


@dataclass(frozen=True)
class Outcome:
    """Cycles of both for one layer, and whether the machine's ofmap is the convolution."""

    model: int
    machine: int
    right: bool

    @property
    def error(self) -> float:
        return self.model / self.machine - 1


def run_both(rng: np.random.Generator, sides: tuple[int, int, int]) -> Outcome:
    """Draw a layer with H, W from `sides` (least, end of H, end of W), an array and a mask, and run it twice."""
    R, S, N = (int(rng.integers(1, most)) for most in (4, 4, 3))
    groups, stride, padding = (int(rng.choice(of)) for of in ([1, 1, 1, 2], [1, 1, 1, 2], [0, 1]))
    shape = ConvShape(
        "drawn",
        N=N,
        C=groups * int(rng.integers(1, 5)),
        H=int(rng.integers(max(R, sides[0]), sides[1])),
        W=int(rng.integers(max(S, sides[0]), sides[2])),
        K=groups * int(rng.integers(1, 9)),
        R=R,
        S=S,
        stride=(stride, stride),
        padding=(padding, padding, 0, 0),
        groups=groups,
    )
    have = Resources(
        rows=R * int(rng.integers(1, 3)),
        cols=int(rng.integers(2, 6)),
        ifmap_spad=S * int(rng.integers(1, 4)),
        filter_spad=64,
        psum_spad=8,
        ifmap_bus=int(rng.integers(1, 3)),
        filter_bus=int(rng.integers(2, 5)),
        psum_bus=int(rng.integers(2, 5)),
        glb_words=4000,
    )
    mapping = search(shape, have, Objective())
    kept = rng.random((N, shape.P, shape.Q, shape.K)) < rng.choice([0.3, 0.5, 0.7, 1.0, 1.0])
    ifmap = rng.integers(-5, 6, (N, shape.H, shape.W, shape.C))
    weights = rng.integers(-5, 6, (shape.K, shape.C_per_group, R, S))

    machine = Machine(shape, have, ifmap, weights)
    cycles = machine.run(mapping, kept)
    right = bool((machine.ofmap == convolution(shape, ifmap, weights) * kept).all())
    model = RowStationaryEngine().time_stage(shape, arch_of(have), mapping, Demand(PackedMap.from_bool(kept)))
    return Outcome(model.cycles.total, max(cycles, 1), right)


@cache
def outcomes(layers: int, *sides: int) -> list[Outcome]:
    rng = np.random.default_rng(SEED)
    drawn = [run_both(rng, (sides[0], sides[1], sides[2])) for _ in range(layers)]
    return [outcome for outcome in drawn if outcome.model]


TINY = (220, 4, 9, 13)
"""Layers, least side, ends of H and W: layers of some hundred cycles, in which a pass is short beside its ramp."""

SMALL = (24, 16, 25, 33)
"""Layers of some thousand cycles."""


@pytest.mark.parametrize("size", [TINY, SMALL])
def test_the_machine_computes_the_convolution(size: tuple[int, ...]) -> None:
    assert all(outcome.right for outcome in outcomes(*size))


def test_error_on_tiny_layers() -> None:
    """At least 200 layers: docs/models/row-stationary.md states what was found, this holds it."""
    errors = np.array([outcome.error for outcome in outcomes(*TINY)])
    assert len(errors) >= 200
    assert errors.min() > -0.16, "the model is seldom faster than the machine, and then by a few cycles of latency"
    assert np.abs(errors).mean() < 0.07
    total = sum(outcome.model for outcome in outcomes(*TINY)) / sum(outcome.machine for outcome in outcomes(*TINY)) - 1
    assert 0 < total < 0.05, "what it is too slow by is the ramp, which the machine partly overlaps"


def test_error_shrinks_as_layers_grow() -> None:
    errors = np.array([outcome.error for outcome in outcomes(*SMALL)])
    assert np.abs(errors).mean() < 0.025
    assert np.abs(errors).max() < 0.06
