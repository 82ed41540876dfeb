"""An array engine that remembers: a stage that asks the same of the same array is timed once.

In a sweep most designs share their array with others, and differ in DRAM, predictor or prices; and layers of one shape
are the same where no mask matters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Generic

import numpy as np

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand, Engine, Mapping, Served, StageResult
from zapsim.workload import ConvShape

ROOM = 96 * 2**20
"""Bytes of tiles that are kept; the stages that were not asked for the longest go first."""

_MOST_MAPPINGS, _MOST_ARCHS = 16384, 256

READ: Final[dict[str, Any]] = {"array": True, "word": True, "buffers": True, "dram": {"compression"}}
"""What engines read of an architecture when they time a stage (a test holds them to it)."""

READ_TO_MAP: Final[dict[str, Any]] = READ | {"dram": True, "clock": True, "energy": True}
"""What they read when they map a layer: a search looks at the DRAM channel and, for least energy, at prices."""


class RememberingEngine(Generic[Mapping]):
    """Gives what `engine` gives, from memory where it can."""

    def __init__(self, engine: Engine[Mapping], room: int = ROOM) -> None:
        self._engine = engine
        self._left = room
        self._mappings: OrderedDict[Hashable, Mapping] = OrderedDict()
        self._one_of_equals: dict[Mapping, Mapping] = {}
        self._stages: OrderedDict[Hashable, _Known[Mapping]] = OrderedDict()
        self._read: OrderedDict[int, tuple[ArchSpec, str, str]] = OrderedDict()
        self._nameless: dict[ConvShape, ConvShape] = {}

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
            found = self._engine.map_layer(shape, arch, shares, coded)
            self._mappings[key] = self._one_of_equals.setdefault(found, found)
            if len(self._mappings) > _MOST_MAPPINGS:
                self._mappings.popitem(last=False)
        self._mappings.move_to_end(key)
        return self._mappings[key]

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: Mapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage."""
        if shape not in self._nameless:
            self._nameless[shape] = replace(shape, name="")
        key = self._nameless[shape], id(mapping), self._keys(arch)[0], _same(demand)
        known = self._stages.get(key)
        if known is None:
            # What keys name by identity is kept with the result: while it lives, its identity is its own.
            found = self._engine.time_stage(shape, arch, mapping, demand)
            known = self._stages[key] = _Known(found, demand, mapping)
            self._left -= known.size
            while self._left < 0:
                self._left += self._stages.popitem(last=False)[1].size
        else:
            self._stages.move_to_end(key)
        return known.result

    def _keys(self, arch: ArchSpec) -> tuple[str, str]:
        """Return what is read of `arch` to time a stage, and to map a layer."""
        if id(arch) not in self._read:  # kept with the architecture, so that its identity is its own
            to_time, to_map = (arch.model_dump_json(include=read) for read in (READ, READ_TO_MAP))
            self._read[id(arch)] = arch, to_time, to_map
            if len(self._read) > _MOST_ARCHS:
                self._read.popitem(last=False)
        return self._read[id(arch)][1:]


@dataclass(frozen=True, slots=True, eq=False)
class _Known(Generic[Mapping]):
    """A stage that was timed, and what it was timed for."""

    result: StageResult
    demand: Demand
    mapping: Mapping

    @property
    def size(self) -> int:
        """Bytes of its tiles."""
        tiles = self.result.tiles
        arrays = (getattr(tiles, one.name) for one in fields(tiles))
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def _same(demand: Demand) -> tuple[Hashable, ...]:
    """Return what makes a demand the same as another: the same maps (not: maps with the same bits), the same values."""
    positions = None if demand.positions is None else demand.positions.tobytes()
    maps = (demand.mask, demand.window_nonzero, demand.ifmap_nonzero, demand.exit_macs)
    return (*map(id, maps), positions, demand.gate, demand.ifmap_coded_words)
