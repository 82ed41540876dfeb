"""An array engine that remembers: a stage that asks the same of the same array is timed once.

In a sweep most designs share their array with others, and differ in DRAM, predictor or prices; and layers of one shape
are the same where no mask matters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import fields, replace
from typing import Any, Final, Generic

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.timing.engine import Demand, Engine, Mapping, Served, StageResult
from zapsim.trace.packed import PackedMap
from zapsim.workload import ConvShape

MOST = 65536
"""Stages remembered at most; the one that was not asked for the longest goes first."""

READ: Final[dict[str, Any]] = {"array": True, "word": True, "buffers": True, "dram": {"compression"}}
"""What engines read of an architecture when they time a stage (a test holds them to it)."""

READ_TO_MAP: Final[dict[str, Any]] = READ | {"dram": True, "clock": True, "energy": True}
"""What they read when they map a layer: a search looks at the DRAM channel and, for least energy, at prices."""


class RememberingEngine(Generic[Mapping]):
    """Gives what `engine` gives, from memory where it can."""

    def __init__(self, engine: Engine[Mapping], most: int = MOST) -> None:
        self._engine = engine
        self._most = most
        self._mappings: OrderedDict[Hashable, Mapping] = OrderedDict()
        self._stages: OrderedDict[Hashable, tuple[Demand, StageResult]] = OrderedDict()
        self._last: tuple[ArchSpec, str, str] | None = None

    @property
    def served(self) -> Served:
        """Policies that the engine serves."""
        return self._engine.served

    def map_layer(
        self, shape: ConvShape, arch: ArchSpec, shares: Sequence[float] = (1.0,), coded: float = 1.0, /
    ) -> Mapping:
        """Return how `shape` is put on the array."""
        key = shape, tuple(shares), coded, self._keys(arch)[1]
        if key not in self._mappings:
            self._mappings[key] = self._engine.map_layer(shape, arch, shares, coded)
            _forget(self._mappings, self._most)
        self._mappings.move_to_end(key)
        return self._mappings[key]

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: Mapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage."""
        key = replace(shape, name=""), mapping, self._keys(arch)[0], _same(demand)
        if key not in self._stages:
            # The demand is kept with the result: while its maps live, their identities are theirs alone.
            self._stages[key] = demand, self._engine.time_stage(shape, arch, mapping, demand)
            _forget(self._stages, self._most)
        self._stages.move_to_end(key)
        return self._stages[key][1]

    def _keys(self, arch: ArchSpec) -> tuple[str, str]:
        """Return what is read of `arch` to time a stage, and to map a layer."""
        if self._last is None or self._last[0] is not arch:
            to_time, to_map = (arch.model_dump_json(include=read) for read in (READ, READ_TO_MAP))
            self._last = arch, to_time, to_map
        return self._last[1:]


def _same(demand: Demand) -> tuple[Hashable, ...]:
    """Return what makes a demand the same as another: the same maps (not: maps with the same bits), the same values."""
    return tuple(_token(getattr(demand, one.name)) for one in fields(demand))


def _token(value: object) -> Hashable:
    if isinstance(value, PackedMap):
        return id(value)
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype == np.bool_ else id(value)
    assert isinstance(value, Hashable)
    return value


def _forget(known: OrderedDict[Hashable, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)
