"""Bit-packed boolean feature maps: one bit an activation, channels innermost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import TraceError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True, eq=False)
class PackedMap:
    """A boolean map of some images, which remembers what has been read off it (:meth:`summary`).

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
    _known: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

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
        """Join the images of several maps of one shape; a single one stays as it is."""
        if len(maps) == 1:
            return maps[0]
        return cls(np.concatenate([one.bits for one in maps]), maps[0].channels)

    def unpack(self) -> NDArray[np.bool_]:
        """Return the map as bool (images, rows, columns, channels)."""
        return np.unpackbits(self.bits, axis=-1, count=self.channels, bitorder="little").astype(np.bool_)

    def summary(self, of: Callable[[PackedMap, *Ts], T], *args: *Ts) -> T:
        """Return ``of(self, *args)``: computed when first asked for, remembered as long as the map lives.

        A map is read once and asked often: by both stages of a layer, by the baseline, and by every design of a sweep.

        Parameters
        ----------
        of
            A function (not a lambda, of which each is another) whose result nobody changes.
        args
            What else it takes; hashable.
        """
        key = of, args
        if key not in self._known:
            self._known[key] = of(self, *args)
        found: T = self._known[key]
        return found

    def words(self) -> NDArray[np.uint64]:
        """Return the bits in words: uint64 (images, rows, columns, ceil(channels / 64)), channel c in word c // 64."""
        images, rows, cols, size = self.bits.shape
        whole = -(-size // 8) * 8
        padded = np.ascontiguousarray(self.bits)
        if whole > size:
            padded = np.zeros((images, rows, cols, whole), dtype=np.uint8)
            padded[..., :size] = self.bits
        return np.require(padded.view("<u8"), np.uint64, ("C", "A"))

    def count(self) -> int:
        """Return the number of bits set."""
        return self.summary(_count)

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


def _count(found: PackedMap) -> int:
    flat = np.ascontiguousarray(found.bits).reshape(-1)
    return int(np.bitwise_count(flat.view(np.uint64) if flat.size % 8 == 0 else flat).sum(dtype=np.int64))
