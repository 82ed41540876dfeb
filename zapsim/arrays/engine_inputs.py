"""What an array engine may read of an architecture: what two architectures must share to share mappings or stages."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_json

from zapsim.arch.spec import ArchSpec
from zapsim.remembered import once_per_object


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


@once_per_object
def engine_inputs(arch: ArchSpec) -> EngineInputs:
    """Gather what an engine may read of `arch`; names, which only messages mention, are left out."""
    to_time = [arch.array, arch.word, arch.buffers, arch.dram.compression, arch.predictor.granularity]
    return EngineInputs(to_json([*to_time, arch.dram, arch.clock, arch.energy, arch.resized]), to_json(to_time))
