"""The ``area`` section of an architecture: what takes room on the chip, and how much."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from zapsim.arch.section import Area, Section, Share, Words
from zapsim.errors import did_you_mean

AREA_PARTS: tuple[str, ...] = (
    "macs",
    "ifmap_spad_bits",
    "filter_spad_bits",
    "filter_buffer_bits",
    "psum_spad_bits",
    "bus_bits",
    "glb_bits",
    "predictor_lanes",
    "predictor_buffer_bits",
)
"""What an area table may give an area for: MAC units, bits of memories and bus registers, the predictor's MAC lanes."""


def _known_part(part: str) -> str:
    if part not in AREA_PARTS:
        hint = did_you_mean(part, AREA_PARTS) or f"; known: {', '.join(AREA_PARTS)}"
        raise ValueError(f"unknown part{hint}")
    return part


class Density(Section):
    """Shares of a chip's room that its parts cover, more than 0 and at most 1: the rest is control, wires, gaps."""

    logic: Share
    memory: Share


class AreaTable(Section):
    """Area per part in µm², and how closely parts are packed.

    Attributes
    ----------
    technology
        The process that the areas belong to.
    density
        Of large memories (GLB and filter buffers), and of all else.
    predictor_buffer
        Words of lines that a dedicated predictor holds while it goes over the outputs.
    parts
        µm² of one of each of :data:`AREA_PARTS`.
    """

    technology: str
    density: Density
    predictor_buffer: Words
    parts: dict[Annotated[str, AfterValidator(_known_part)], Area]
