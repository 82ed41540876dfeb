"""Bit-packed boolean feature maps: one bit an activation, channels innermost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import TraceError


@dataclass(frozen=True, slots=True, eq=False)
class PackedMap:
    """A boolean map of some images.

    Attributes
    ----------
    bits
        uint8 (images, rows, columns, ceil(channels / 8)), C-contiguous; channel c is bit ``c % 8`` (from the
        least significant) of byte ``c // 8``; the unused bits of the last byte are 0.
    channels
        Number of channels.

    Raises
    ------
    TraceError
        If dtype, shape or the unused bits are not as above.
    """

    bits: NDArray[np.uint8]
    channels: int

    def __post_init__(self) -> None:
        expected = -(-self.channels // 8)
        if self.bits.dtype != np.uint8 or self.bits.ndim != 4 or self.bits.shape[3] != expected:
            raise TraceError(
                f"a packed map of {self.channels} channels is uint8 (images, rows, columns, {expected}), "
                f"got {self.bits.dtype} {self.bits.shape}"
            )
        if self.channels % 8 and (self.bits[..., -1] >> (self.channels % 8)).any():
            raise TraceError(f"a packed map of {self.channels} channels has bits set beyond its last channel")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(images, rows, columns, channels)."""
        images, rows, cols, _ = self.bits.shape
        return images, rows, cols, self.channels

    @classmethod
    def from_bool(cls, values: NDArray[np.bool_]) -> PackedMap:
        """Pack a bool array (images, rows, columns, channels)."""
        return cls(np.packbits(values, axis=-1, bitorder="little"), values.shape[-1])

    @classmethod
    def full(cls, images: int, rows: int, cols: int, channels: int) -> PackedMap:
        """Return a map with every bit set."""
        one_pixel = np.packbits(np.ones(channels, dtype=np.bool_), bitorder="little")
        return cls(np.tile(one_pixel, (images, rows, cols, 1)), channels)

    @classmethod
    def of_pattern(cls, pattern: NDArray[np.bool_], images: int, channels: int) -> PackedMap:
        """Return bool (rows, columns) `pattern`, the same on all images and channels."""
        rows, cols = pattern.shape
        full = cls.full(images, rows, cols, channels)
        return cls(full.bits * pattern[np.newaxis, :, :, np.newaxis], channels)

    @classmethod
    def stack(cls, maps: Sequence[PackedMap]) -> PackedMap:
        """Join the images of several maps of one shape."""
        return cls(np.concatenate([one.bits for one in maps]), maps[0].channels)

    def unpack(self) -> NDArray[np.bool_]:
        """Return the map as bool (images, rows, columns, channels)."""
        return np.unpackbits(self.bits, axis=-1, count=self.channels, bitorder="little").astype(np.bool_)

    def count(self) -> int:
        """Return the number of bits set."""
        return int(np.bitwise_count(self.bits).sum(dtype=np.int64))

    def _with(self, other: PackedMap, combine: Callable[..., NDArray[np.uint8]]) -> PackedMap:
        if self.shape != other.shape:
            raise TraceError(f"maps of different shapes: {self.shape} and {other.shape}")
        return PackedMap(combine(self.bits, other.bits), self.channels)

    def __or__(self, other: PackedMap) -> PackedMap:
        return self._with(other, np.bitwise_or)

    def __and__(self, other: PackedMap) -> PackedMap:
        return self._with(other, np.bitwise_and)

    def without(self, other: PackedMap) -> PackedMap:
        """Return the bits of this map that `other` has not."""
        return self._with(other, lambda mine, theirs: mine & ~theirs)

    def is_full(self) -> bool:
        """Return whether every bit is set."""
        images, rows, cols, channels = self.shape
        return self.count() == images * rows * cols * channels
