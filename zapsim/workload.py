"""Layer shapes: convolutions with named dimensions, and the networks that they make."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from zapsim.errors import WorkloadError

MAX_EXACT_COUNT = 2**53
"""Counts stay below this, so that int64, float64 and every JSON reader hold them exactly."""
_LARGEST = {"channels": 2**20, "step": 2**16, "pixels": 2**26, "values": 2**41}
"""Largest sizes of a layer of one image, far beyond any network, so that what is allocated by a shape has a bound:
channels, filters and groups; rows and columns of a filter, stride, dilation and padding; pixels of a padded ifmap or an
ofmap; and values of a padded ifmap, an ofmap or all filters."""
_SIZES = ("N", "C", "H", "W", "K", "R", "S", "groups")
_TUPLE_LENGTHS = {"stride": 2, "dilation": 2, "padding": 4}


@dataclass(frozen=True)
class ConvShape:
    """One convolution; a fully connected layer is the 1×1 convolution on a 1×1 map.

    What follows from the dimensions is computed once per shape, since a run asks for it hundreds of times.

    Attributes
    ----------
    name
        The layer's name, unique in its workload.
    N, C, H, W
        Batch, input channels, and rows and columns of the unpadded ifmap.
    K, R, S
        Filters, and rows and columns of one filter.
    stride, dilation
        (rows, columns).
    padding
        Rows and columns of zeros that are added: (top, bottom, left, right).
    groups
        Groups of filters; each sees only its own C / groups input channels.

    Raises
    ------
    WorkloadError
        If a dimension is not a whole number of at least one, the ofmap is empty, the groups do not divide C and K, or
        counts would not be exact (2**53 or more), or a size is over its bound (2**20 channels, steps of 2**16, 2**26
        pixels, 2**41 values).
    """

    name: str
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    N: int = 1
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        self._check_types()
        dims = {dim: getattr(self, dim) for dim in _SIZES} | {
            "stride": min(self.stride),
            "dilation": min(self.dilation),
        }
        for dim, size in dims.items():
            if size < 1:
                raise WorkloadError(f"layer {self.name}: {dim} must be at least 1, got {size}")
        if min(self.padding) < 0:
            raise WorkloadError(f"layer {self.name}: padding must not be negative, got {self.padding}")
        if self.C % self.groups or self.K % self.groups:
            raise WorkloadError(f"layer {self.name}: groups = {self.groups} must divide C = {self.C} and K = {self.K}")
        if self.P < 1 or self.Q < 1:
            raise WorkloadError(
                f"layer {self.name}: a {self.R}×{self.S} filter (dilation {self.dilation}) does not fit "
                f"the padded {self.H_padded}×{self.W_padded} ifmap"
            )
        ifmap = self.N * self.C * self.H_padded * self.W_padded
        for count, counted in ((self.macs, "MACs"), (ifmap, "values of the padded ifmap")):
            if count >= MAX_EXACT_COUNT:
                raise WorkloadError(
                    f"layer {self.name}: {count} {counted} are over 2**53, so counts would not be exact"
                )
        self._check_bounds()

    def _check_bounds(self) -> None:
        """Refuse sizes by which memory would be taken without a bound."""
        pixels, outputs = self.H_padded * self.W_padded, self.P * self.Q
        sizes = (
            ("channels", "C", self.C), ("channels", "K", self.K),
            ("step", "R", self.R), ("step", "S", self.S), ("step", "stride", max(self.stride)),
            ("step", "dilation", max(self.dilation)), ("step", "padding", max(self.padding)),
            ("pixels", "pixels of the padded ifmap", pixels), ("pixels", "pixels of the ofmap", outputs),
            ("values", "values of the padded ifmap", self.C * pixels), ("values", "outputs", self.K * outputs),
            ("values", "weights", self.filter_words),
        )  # fmt: skip
        for bound, what, size in sizes:
            if size > _LARGEST[bound]:
                raise WorkloadError(
                    f"layer {self.name}: {what}: {size:,} is over {_LARGEST[bound]:,}, the most that is simulated"
                )

    def _check_types(self) -> None:
        for dim, length in _TUPLE_LENGTHS.items():
            sizes = getattr(self, dim)
            if not isinstance(sizes, tuple) or [type(size) for size in sizes] != [int] * length:
                raise WorkloadError(f"layer {self.name}: {dim} must be {length} whole numbers, got {sizes!r}")
        for dim in _SIZES:
            size = getattr(self, dim)
            if type(size) is not int:  # numpy's integers overflow silently
                raise WorkloadError(f"layer {self.name}: {dim} must be a whole number, got {size!r}")

    @cached_property
    def H_padded(self) -> int:
        """Rows of the padded ifmap."""
        return self.H + self.padding[0] + self.padding[1]

    @cached_property
    def W_padded(self) -> int:
        """Columns of the padded ifmap."""
        return self.W + self.padding[2] + self.padding[3]

    @cached_property
    def P(self) -> int:
        """Rows of the ofmap."""
        return (self.H_padded - self.dilation[0] * (self.R - 1) - 1) // self.stride[0] + 1

    @cached_property
    def Q(self) -> int:
        """Columns of the ofmap."""
        return (self.W_padded - self.dilation[1] * (self.S - 1) - 1) // self.stride[1] + 1

    @cached_property
    def C_per_group(self) -> int:
        """Input channels that one output sees."""
        return self.C // self.groups

    @cached_property
    def K_per_group(self) -> int:
        """Filters of one group."""
        return self.K // self.groups

    @cached_property
    def macs_per_output(self) -> int:
        """MACs of one output: C/groups · R · S; products with padding count, as usual in the field."""
        return self.C_per_group * self.R * self.S

    @cached_property
    def outputs(self) -> int:
        """Outputs of the layer: N · K · P · Q."""
        return self.N * self.K * self.P * self.Q

    @cached_property
    def macs(self) -> int:
        """Dense MACs of the layer: outputs · MACs per output."""
        return self.outputs * self.macs_per_output

    @cached_property
    def filter_words(self) -> int:
        """Weights of the layer: K · C/groups · R · S."""
        return self.K * self.macs_per_output

    @cached_property
    def ifmap_words(self) -> int:
        """Values of the unpadded ifmaps: N · C · H · W."""
        return self.N * self.C * self.H * self.W

    @cached_property
    def ifmap_words_read(self) -> int:
        """Values of the unpadded ifmaps that some output reads; a stride wider than the filter leaves others unread."""
        rows, columns = (
            _values_read(outputs, taps, values, self.stride[axis], self.dilation[axis], self.padding[2 * axis])
            for axis, (outputs, taps, values) in enumerate(((self.P, self.R, self.H), (self.Q, self.S, self.W)))
        )
        return self.N * self.C * rows * columns

    @property
    def summary(self) -> str:
        """The layer in words: what goes in, the filters, what comes out."""
        ways = f", stride {self.stride[0]}" if self.stride[0] == self.stride[1] else f", stride {self.stride}"
        parts = [
            ways if self.stride != (1, 1) else "",
            f", dilation {self.dilation[0]}" if self.dilation != (1, 1) else "",
            f", {self.groups} groups" if self.groups > 1 else "",
        ]
        return f"{self.C}×{self.H}×{self.W} → {self.K}×{self.P}×{self.Q}, {self.R}×{self.S}{''.join(parts)}"

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was computed: texts have other hashes in other processes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def nameless(self) -> ConvShape:
        """The same layer without a name, as valid as this one."""
        if not self.name:
            return self
        copy = object.__new__(ConvShape)
        copy.__dict__.update(self.__getstate__(), name="")
        return copy

    def batch(self, N: int) -> ConvShape:
        """Copy the layer with a batch of N images."""
        return replace(self, N=N)


@lru_cache(maxsize=1024)
def _values_read(outputs: int, taps: int, values: int, stride: int, dilation: int, padding: int) -> int:
    """Count the values along one axis of the ifmap that at least one output reads."""
    positions = {out * stride + tap * dilation - padding for out in range(outputs) for tap in range(taps)}
    return sum(0 <= position < values for position in positions)  # the others are padding


@dataclass(frozen=True, slots=True)
class Workload:
    """A named, ordered set of layers.

    Raises
    ------
    WorkloadError
        If it has no layers, or if two layers have the same name.
    """

    name: str
    layers: tuple[ConvShape, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise WorkloadError(f"workload {self.name}: has no layers")
        names = [layer.name for layer in self.layers]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise WorkloadError(f"workload {self.name}: layer names must be unique, got twice: {', '.join(repeated)}")
