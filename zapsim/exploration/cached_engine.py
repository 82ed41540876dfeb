"""An array engine that remembers earlier results: equal questions about equal arrays are answered once.

In a sweep most designs share their array with others, and differ in DRAM, predictor or prices; layers of one shape are
equal where no mask matters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields
from itertools import count
from operator import attrgetter
from typing import Any, Final, Generic

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import WHOLE_LAYER, Demand, Engine, Mapping, Served, StageResult, StageShare
from zapsim.arrays.engine_inputs import engine_inputs, without_name
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape

CAPACITY = 16 * 2**20
"""Bytes of tiles that are kept: about those of one layer on a few kinds of arrays."""

_MOST_MAPPINGS = 4096


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
        self.stages: OrderedDict[Hashable, tuple[StageResult, int]] = OrderedDict()  # with the bytes of its tiles

    def add_mappings(self, key: Hashable, mappings: Sequence[Any]) -> None:
        """Keep the mappings of a layer, and drop those used least recently if there are too many."""
        self.mappings[key] = mappings
        if len(self.mappings) > _MOST_MAPPINGS:
            self.mappings.popitem(last=False)

    def add_stage(self, key: Hashable, result: StageResult) -> None:
        """Keep a stage, and drop those used least recently until all tiles fit the capacity."""
        size = result.tiles.table.nbytes + result.tiles.reach.nbytes
        self.stages[key] = result, size
        self.used += size
        while self.used > self.capacity:
            _, (_, dropped) = self.stages.popitem(last=False)
            self.used -= dropped


class CachedEngine(Generic[Mapping]):
    """Gives what `engine` gives, from the cache where it can."""

    def __init__(self, engine: Engine[Mapping], cache: EngineCache) -> None:
        self._engine, self._cache = engine, cache

    @property
    def served(self) -> Served:
        """Policies that the engine serves."""
        return self._engine.served

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0, /
    ) -> Sequence[Mapping]:
        """Return how each stage of `shape` is put on the array."""
        mappings = self._cache.mappings
        # With the layer's name, by which mappings are pinned.
        key = _shape_number(shape), tuple(stages), coded, _map_number(arch)
        mapped: Sequence[Mapping] | None = mappings.get(key)
        if mapped is None:
            mapped = self._engine.map_stages(shape, arch, stages, coded)
            self._cache.add_mappings(key, mapped)
        else:
            mappings.move_to_end(key)
        return mapped

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: Mapping, demand: Demand) -> StageResult:
        """Return cycles and actions of one stage."""
        stages = self._cache.stages
        key = _nameless_number(shape), _mapping_number(mapping), _time_number(arch), _demand_number(demand)
        kept = stages.get(key)
        if kept is None:
            result = self._engine.time_stage(shape, arch, mapping, demand)
            self._cache.add_stage(key, result)  # a result larger than the cache is not kept
            return result
        stages.move_to_end(key)
        return kept[0]


def _numbered(value_of: Callable[[Any], Hashable], most: int = 16384) -> Callable[[Any], int]:
    """Make a function that numbers objects: two have one number if `value_of` them is equal.

    Each object is asked once, and numbers are hashed and compared faster than what they stand for. The last `most` are
    remembered; what equals an older one gets another number, and is worked out again.
    """
    numbers: OrderedDict[Hashable, int] = OrderedDict()
    fresh = count()

    @once_per_object
    def number(held: Any) -> int:
        value = value_of(held)
        assigned = numbers.get(value)
        if assigned is None:
            assigned = numbers[value] = next(fresh)
            if len(numbers) > most:
                numbers.popitem(last=False)
        return assigned

    return number


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
    takes too long. Positions are made again for every stage, and compared.
    """
    return tuple(_hashable(value) if isinstance(value, np.ndarray) else value for value in _values_of(demand))


def _hashable(array: NDArray[Any]) -> Hashable:
    return array.tobytes() if array.dtype == np.bool_ else _Same(array)


def _itself(value: Hashable) -> Hashable:
    return value


_shape_number: Final = _numbered(_itself)
_nameless_number: Final = _numbered(without_name)
_mapping_number: Final = _numbered(_itself)
_demand_number: Final = _numbered(_demand_key, most=256)  # they hold feature maps
_map_number: Final = _numbered(lambda arch: engine_inputs(arch).to_map)
_time_number: Final = _numbered(lambda arch: engine_inputs(arch).to_time)
