"""An array engine that remembers earlier results: equal questions about equal arrays are answered once.

In a sweep most designs share their array with others, and differ in DRAM, predictor or prices; layers of one shape are
equal where no mask matters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Generic

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import WHOLE_LAYER, Demand, Engine, Mapping, Served, StageResult, StageShare
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape

CAPACITY = 48 * 2**20
"""Bytes of tiles that are kept: about those of one layer on a few kinds of arrays."""

_MOST_MAPPINGS = 16384


@dataclass(frozen=True, slots=True)
class EngineInputs:
    """Everything that an engine may read of an architecture (a test holds the engines to it).

    The values are JSON, which is hashed and compared faster than nested sections.

    Attributes
    ----------
    to_map
        What a mapping depends on: a search looks at the DRAM channel and, for least energy, at prices.
    to_time
        What cycles and actions of a stage depend on, its mapping aside.
    """

    to_map: bytes
    to_time: bytes


def engine_inputs(arch: ArchSpec) -> EngineInputs:
    """Gather what an engine may read of `arch`; names, which only messages mention, are left out."""
    to_time = [arch.array, arch.word, arch.buffers, arch.dram.compression, arch.predictor.granularity]
    return EngineInputs(to_json([*to_time, arch.dram, arch.clock, arch.energy, arch.resized]), to_json(to_time))


_inputs_of_less = once_per_object(engine_inputs)


class EngineCache:
    """Mappings and stages that the engines of any number of architectures share.

    Parameters
    ----------
    capacity
        Bytes of tiles that are kept; the stages used least recently are dropped first.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.used = 0
        self.mappings: OrderedDict[Hashable, Sequence[Any]] = OrderedDict()
        self.stages: OrderedDict[Hashable, StageResult] = OrderedDict()

    def add_mappings(self, key: Hashable, mappings: Sequence[Any]) -> None:
        """Keep the mappings of a layer, and drop those used least recently if there are too many."""
        self.mappings[key] = mappings
        if len(self.mappings) > _MOST_MAPPINGS:
            self.mappings.popitem(last=False)

    def add_stage(self, key: Hashable, result: StageResult) -> None:
        """Keep a stage, and drop those used least recently until all tiles fit the capacity."""
        self.stages[key] = result
        self.used += _bytes_of_tiles(result)
        while self.used > self.capacity:
            self.used -= _bytes_of_tiles(self.stages.popitem(last=False)[1])


class CachedEngine(Generic[Mapping]):
    """Gives what `engine` gives for `arch`, from the cache where it can."""

    def __init__(self, engine: Engine[Mapping], arch: ArchSpec, cache: EngineCache) -> None:
        self._engine, self._arch, self._cache = engine, arch, cache
        self._inputs = engine_inputs(arch)

    @property
    def served(self) -> Served:
        """Policies that the engine serves."""
        return self._engine.served

    def _inputs_of(self, arch: ArchSpec) -> EngineInputs:
        """Gather what the engine may read of the architecture, or of the same with less prefetching."""
        return self._inputs if arch is self._arch else _inputs_of_less(arch)

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0, /
    ) -> Sequence[Mapping]:
        """Return how each stage of `shape` is put on the array."""
        mappings = self._cache.mappings
        key = shape, tuple(stages), coded, self._inputs_of(arch).to_map  # with its name, by which mappings are pinned
        if key not in mappings:
            self._cache.add_mappings(key, self._engine.map_stages(shape, arch, stages, coded))
        mappings.move_to_end(key)
        mapped: Sequence[Mapping] = mappings[key]
        return mapped

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: Mapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage."""
        stages = self._cache.stages
        key = _without_name(shape), mapping, self._inputs_of(arch).to_time, _demand_key(demand)
        if key in stages:
            stages.move_to_end(key)
            return stages[key]
        result = self._engine.time_stage(shape, arch, mapping, demand)
        self._cache.add_stage(key, result)  # a result larger than the cache is not kept
        return result


_values_of: Final = attrgetter(*(field.name for field in fields(Demand)))
"""Reads all fields of a demand at once."""


class _Same:
    """Equals another if both hold the same object; while it lives, no other object can take its place."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    def __hash__(self) -> int:
        return object.__hash__(self.held)


def _demand_key(demand: Demand) -> tuple[Hashable, ...]:
    """Return a value that equal demands have in common.

    Feature maps are equal only if they are the same object: they are made once per layer, and comparing their contents
    takes too long. Positions are made for every stage anew, and compared.
    """
    return tuple(_hashable(value) if isinstance(value, np.ndarray) else value for value in _values_of(demand))


def _hashable(array: NDArray[Any]) -> Hashable:
    return array.tobytes() if array.dtype == np.bool_ else _Same(array)


@lru_cache(maxsize=4096)
def _without_name(shape: ConvShape) -> ConvShape:
    return replace(shape, name="")


def _bytes_of_tiles(result: StageResult) -> int:
    arrays = (getattr(result.tiles, field.name) for field in fields(result.tiles))
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
