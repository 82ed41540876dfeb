"""Memories of an architecture: on-chip buffers, what is fetched ahead, and DRAM."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from zapsim.arch.section import Bandwidth, Depth, Overhead, Section, Size, Time, Whole, blame


class GlobalBuffer(Section):
    """The global buffer (GLB).

    Attributes
    ----------
    size
        All of it, in bytes.
    resident
        The part set aside for feature maps that stay on chip from one layer to the next, in bytes.
    """

    size: Size
    resident: Whole = 0

    @model_validator(mode="after")
    def _room_is_left(self) -> Self:
        if self.resident >= self.size:
            raise blame("resident", f"{self.resident} B leave nothing of the {self.size} B of size to work with")
        return self

    @property
    def working(self) -> int:
        """Bytes that hold tiles of ifmaps, filters and psums while a layer runs."""
        return self.size - self.resident


class FilterBuffer(Section):
    """A buffer beside the GLB that holds the filters of the tiles fetched ahead."""

    size: Size


class Prefetch(Section):
    """How many tiles ahead of the array DRAM works, for each tensor; 0: what it moves is not overlapped with compute.

    A tile's ifmap (filters) may be fetched when the array has finished the tile `ifmap` (`filter`) + 1 before it; a
    tile may start when the ofmap words of the tile `ofmap` + 1 before it are written. Spilled psums go with ifmaps.
    """

    ifmap: Depth = 1
    filter: Depth = 1
    ofmap: Depth = 1


class Buffers(Section):
    """On-chip memories behind the array."""

    glb: GlobalBuffer
    filters: FilterBuffer | None = None
    prefetch: Prefetch = Prefetch()


class Dram(Section):
    """Off-chip memory: one channel that reads and writes share.

    Attributes
    ----------
    preset
        Name of the file of shipped values that this section starts from.
    bandwidth
        Bytes a second at the pins.
    latency
        Nanoseconds from a request's last burst on the channel to its data on chip; the channel goes on meanwhile.
    burst
        Bytes of the smallest transfer: every request is rounded up to it.
    refresh
        Share of the time in which the channel refreshes and moves nothing.
    compression
        How feature maps are held: plain; in Eyeriss's runs of zeros; or as non-zero values and one bit a value.
    """

    preset: str | None = None
    bandwidth: Bandwidth
    latency: Time = 0.0
    burst: Size = 1
    refresh: Overhead = 0.0
    compression: Literal["none", "rlc", "bitmask"] = "none"
