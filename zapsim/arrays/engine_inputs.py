"""What an array engine may read of an architecture: what two architectures must share to share mappings or stages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from pydantic_core import to_json

from zapsim.arch.section import Section
from zapsim.arch.spec import ArchSpec
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape


@dataclass(frozen=True, slots=True)
class EngineInputs:
    """Everything that an engine may read of an architecture (a test holds the engines to it).

    Sections are JSON, which is hashed and compared faster; what variants of an architecture share is written once.

    Attributes
    ----------
    to_map
        What a mapping depends on: a search looks at the DRAM channel and, for least energy, at prices.
    to_map_whole
        What the mapping of a layer in one stage, without prediction, depends on.
    to_time
        What cycles and actions of a stage depend on, its mapping aside.
    """

    to_map: Hashable
    to_map_whole: Hashable
    to_time: Hashable


@once_per_object
def engine_inputs(arch: ArchSpec) -> EngineInputs:
    """Gather what an engine may read of `arch`; names, which only messages mention, are left out."""
    granularity = arch.predictor.granularity if arch.array.tiles_by_granularity else ""
    always = _json(arch.array), arch.word, _json(arch.buffers), arch.dram.compression
    to_map = *always, _json(arch.dram), arch.clock, _json(arch.energy), *arch.resized.items()
    return EngineInputs((granularity, *to_map), to_map, (granularity, *always))


@once_per_object
def _json(section: Section) -> bytes:
    return to_json(section)


@once_per_object
def without_name(shape: ConvShape) -> ConvShape:
    """Return a layer's shape with an empty name, which only messages and pinned mappings read."""
    return shape.nameless
