"""Area: how many parts of each kind an architecture has, times µm² per part, by component."""

from __future__ import annotations

import math
from typing import Final

from zapsim.arch.predictor_section import ARITHMETIC
from zapsim.arch.spec import ArchSpec
from zapsim.arch.tables import AREA_COMPONENT_OF, AREA_PARTS
from zapsim.errors import ConfigError

_MEMORIES: Final = {"ifmap_buffer_bits", "filter_buffer_bits", "glb_bits"}

AREA_COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(AREA_COMPONENT_OF.values()))
"""Names of the components, as far as they take room on the chip, in the order of reports."""


def area_by_component(arch: ArchSpec) -> dict[str, float]:
    """Add up mm² by component (every one of :data:`AREA_COMPONENTS`, also those that are 0).

    Each part's area is taken over the density that it is packed with: control, wires, the clock tree and the gaps
    between cells are thus spread over the components, in proportion.

    Raises
    ------
    ConfigError
        If the architecture has no ``area`` section, or has a part that it gives no area for.
    """
    if arch.area is None:
        raise ConfigError(f"{arch.name}: area: missing; set area.density, area.technology and area.parts")
    counts = count_parts(arch)
    table = arch.area.parts
    missing = [part for part in AREA_PARTS if counts[part] and part not in table]
    if missing:
        raise ConfigError(
            f"{arch.name}: area.parts.{part}: missing, and the chip has {counts[part]} of them; set the area of one "
            "(such as '1.5 um2'; '0 um2' if it should not count)"
            for part in missing
        )
    area = dict.fromkeys(AREA_COMPONENTS, 0.0)
    for part in AREA_PARTS:
        density = arch.area.density.memory if part in _MEMORIES else arch.area.density.logic
        size = table.get(part, 0.0)
        if part == "predictor_lanes":
            size *= ARITHMETIC[arch.predictor.arithmetic].area
        area[AREA_COMPONENT_OF[part]] += counts[part] * size / density / 1e6
    return area


def total_area(arch: ArchSpec) -> float:
    """Add up mm² of the whole core.

    Raises
    ------
    ConfigError
        As :func:`area_by_component`.
    """
    return math.fsum(area_by_component(arch).values())


def count_parts(arch: ArchSpec) -> dict[str, int]:
    """Count what the architecture has of each of :data:`zapsim.arch.tables.AREA_PARTS`."""
    counts = dict.fromkeys(AREA_PARTS, 0)
    counts["macs"] = arch.array.mac_units
    for part, words in arch.array.stored_words.items():
        if f"{part}_bits" not in counts:
            raise KeyError(f"{arch.array.dataflow}: stored_words: '{part}_bits' is not a part that has an area")
        counts[f"{part}_bits"] = words * arch.word
    beside = 0 if arch.buffers.filters is None else arch.buffers.filters.size
    counts["glb_bits"] = (arch.buffers.glb.size + beside) * 8
    if arch.predictor.unit == "dedicated":
        lines = 0 if arch.area is None else arch.area.predictor_buffer
        counts["predictor_lanes"] = arch.predictor.lanes
        counts["predictor_buffer_bits"] = (lines + (arch.predictor.weights or 0)) * arch.word
    if arch.predictor.unit != "ideal":
        counts["mask_units"] = arch.array.mask_units
    return counts
