"""Bit-packed boolean feature maps: one bit per activation, channels innermost."""

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
    """A boolean map of one or more images, which remembers the results computed from it (:meth:`summary`).

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
        If dtype, shape or unused bits are not as described.
    """

    bits: NDArray[np.uint8]
    channels: int
    _summaries: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

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
        """Make a map with every bit set."""
        one_pixel = np.packbits(np.ones(channels, dtype=np.bool_), bitorder="little")
        return cls(np.tile(one_pixel, (images, rows, cols, 1)), channels)

    @classmethod
    def of_pattern(cls, pattern: NDArray[np.bool_], images: int, channels: int) -> PackedMap:
        """Repeat `pattern`, bool (rows, columns), on all images and channels."""
        rows, cols = pattern.shape
        full = cls.full(images, rows, cols, channels)
        return cls(full.bits * pattern[np.newaxis, :, :, np.newaxis], channels)

    @classmethod
    def stack(cls, maps: Sequence[PackedMap]) -> PackedMap:
        """Join the images of several maps of one shape; a single map is returned as it is."""
        if len(maps) == 1:
            return maps[0]
        return cls(np.concatenate([packed.bits for packed in maps]), maps[0].channels)

    def unpack(self) -> NDArray[np.bool_]:
        """Unpack the map to bool (images, rows, columns, channels)."""
        return np.unpackbits(self.bits, axis=-1, count=self.channels, bitorder="little").astype(np.bool_)

    def summary(self, function: Callable[[PackedMap, *Ts], T], *args: *Ts) -> T:
        """Compute ``function(self, *args)`` at the first call, and remember the result as long as the map lives.

        Both stages of a layer, its baseline and every design of a sweep need the same few results of a map.

        Parameters
        ----------
        function
            A named function (every lambda would be a new one) whose result nobody changes.
        args
            Its further arguments; hashable.
        """
        key = function, args
        if key not in self._summaries:
            self._summaries[key] = function(self, *args)
        result: T = self._summaries[key]
        return result

    def permuted(self, order: NDArray[np.intp] | None) -> PackedMap:
        """Put channel ``order[i]`` at place i; with None, the map itself. Nothing counted so far is taken along."""
        if order is None:
            return self
        return PackedMap.from_bool(np.take(self.unpack(), order, axis=-1))

    def words(self) -> NDArray[np.uint64]:
        """Regroup the bits in words: uint64 (images, rows, columns, ceil(channels / 64)), channel c in word c // 64."""
        images, rows, cols, n_bytes = self.bits.shape
        padded_bytes = -(-n_bytes // 8) * 8
        padded = np.ascontiguousarray(self.bits)
        if padded_bytes > n_bytes:
            padded = np.zeros((images, rows, cols, padded_bytes), dtype=np.uint8)
            padded[..., :n_bytes] = self.bits
        # "<u8" fixes the byte order of the file; `require` copies only where the machine has another one.
        return np.require(padded.view("<u8"), np.uint64, ("C", "A"))

    def count(self) -> int:
        """Count the bits that are set."""
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
        """Clear the bits that are set in `other`."""
        return self._with(other, lambda mine, theirs: mine & ~theirs)

    def is_full(self) -> bool:
        """Tell whether every bit is set."""
        images, rows, cols, channels = self.shape
        return self.count() == images * rows * cols * channels


def _count(packed: PackedMap) -> int:
    flat = np.ascontiguousarray(packed.bits).reshape(-1)
    # Eight bytes at a time where the size allows it.
    return int(np.bitwise_count(flat.view(np.uint64) if flat.size % 8 == 0 else flat).sum(dtype=np.int64))
