"""Area: what an architecture has of each part, times a table of µm² a part, by component."""

from __future__ import annotations

import math
from typing import Final

from zapsim.arch.area_table import AREA_PARTS
from zapsim.arch.arrays import Buses, OutputLanesArray, RowStationaryArray, SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError

_COMPONENT_OF: Final = {
    "macs": "mac",
    "ifmap_spad_bits": "spads",
    "filter_spad_bits": "spads",
    "filter_buffer_bits": "spads",
    "psum_spad_bits": "spads",
    "bus_bits": "noc",
    "glb_bits": "glb",
    "predictor_lanes": "predictor",
    "predictor_buffer_bits": "predictor",
}
_MEMORIES: Final = {"filter_buffer_bits", "glb_bits"}

AREA_COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(_COMPONENT_OF.values()))
"""Names of the components, as far as they take room on the chip, in the order of reports."""


def area_by_component(arch: ArchSpec) -> dict[str, float]:
    """Return mm² by component (every one of :data:`AREA_COMPONENTS`, also those that are 0).

    Each part's area is taken over the density that it is packed with: control, wires, the clock tree and the room
    between cells are thus spread over the components, in proportion.

    Raises
    ------
    ConfigError
        If the architecture has no ``area`` section, or has a part that it gives no area for.
    """
    if arch.area is None:
        raise ConfigError(f"{arch.name}: area: missing; set area.density, area.technology and area.parts")
    had = count_parts(arch)
    table = arch.area.parts
    missing = [part for part in AREA_PARTS if had[part] and part not in table]
    if missing:
        raise ConfigError(
            f"{arch.name}: area.parts.{part}: missing, and the chip has {had[part]} of them; set the area of one "
            "(such as '1.5 um2'; '0 um2' if it shall not count)"
            for part in missing
        )
    area = dict.fromkeys(AREA_COMPONENTS, 0.0)
    for part in AREA_PARTS:
        density = arch.area.density.memory if part in _MEMORIES else arch.area.density.logic
        area[_COMPONENT_OF[part]] += had[part] * table.get(part, 0.0) / density / 1e6
    return area


def total_area(arch: ArchSpec) -> float:
    """Return mm² of the whole core.

    Raises
    ------
    ConfigError
        As :func:`area_by_component`.
    """
    return math.fsum(area_by_component(arch).values())


def count_parts(arch: ArchSpec) -> dict[str, int]:
    """Return how many the architecture has of each of ``AREA_PARTS``."""
    counts = dict.fromkeys(AREA_PARTS, 0)
    words = _array_parts(arch.array)
    counts["macs"] = words.pop("macs")
    counts |= {f"{part}_bits": number * arch.word for part, number in words.items()}
    beside = 0 if arch.buffers.filters is None else arch.buffers.filters.size
    counts["glb_bits"] = (arch.buffers.glb.size + beside) * 8
    if arch.predictor.unit == "dedicated":
        lines = 0 if arch.area is None else arch.area.predictor_buffer
        counts["predictor_lanes"] = arch.predictor.lanes
        counts["predictor_buffer_bits"] = (lines + (arch.predictor.weights or 0)) * arch.word
    return counts


def _array_parts(array: RowStationaryArray | SystolicArray | OutputLanesArray) -> dict[str, int]:
    """Return MACs, and words of scratch pads and of bus registers.

    Where buses reach PEs, each PE has a register for what each bus carries a cycle (psums: each way). A systolic array
    has a register of each kind in every PE, and one for each word that crosses its edges: ifmaps on the left, filters
    above, psums below. A lane has a register for its ifmap value, for each of its MACs, and one for its sum.
    """
    if isinstance(array, SystolicArray):
        pes = array.rows * array.cols
        edges = array.rows + 2 * array.cols
        return {"macs": pes, "ifmap_spad": pes, "filter_spad": pes, "psum_spad": pes, "bus": edges}
    if isinstance(array, RowStationaryArray):
        pes, spads = array.rows * array.cols, array.spads
        return {
            "macs": pes,
            "ifmap_spad": pes * spads.ifmap,
            "filter_spad": pes * spads.filter,
            "psum_spad": pes * spads.psum,
            "bus": pes * _bus_words(array.buses),
        }
    pes = array.clusters * array.pes
    lanes = pes * array.lanes
    macs = lanes * array.macs_per_lane
    return {
        "macs": macs,
        "ifmap_spad": macs,
        "filter_buffer": pes * array.filter_buffer,
        "psum_spad": lanes,
        "bus": pes * _bus_words(array.buses),
    }


def _bus_words(buses: Buses) -> int:
    """Return the words that all buses can carry in a cycle."""
    return buses.ifmap + buses.filter + 2 * buses.psum
