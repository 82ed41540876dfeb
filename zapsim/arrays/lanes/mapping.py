"""How the outputs of a layer are dealt to the lanes of an array: which lane computes what, and which wait together.

Outputs are numbered by filter and by pixel (images, rows, columns in raster order). In what the levels of the array
are spread over, filters and pixels are dealt out in turn, the last level fastest: with F filter lanes and J pixel
lanes, filter k goes to filter lane k mod F, in block k div F, and pixel i to pixel lane i mod J.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from zapsim.arch.arrays import OutputLanesArray
from zapsim.arch.spec import ArchSpec
from zapsim.errors import MappingError
from zapsim.remembered import once_per_object
from zapsim.workload import ConvShape

_INSIDE = {"lane": 3, "pe": 2, "cluster": 1, "array": 0}
"""First level (clusters, PEs, lanes) whose parts wait for one another, for each ``sync``."""

_MOST_LANES = 2**20


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of the array, as the filter lanes and the pixel lanes in it."""

    filters: int
    pixels: int

    @property
    def lanes(self) -> int:
        """Outputs that are computed at a time."""
        return self.filters * self.pixels


@dataclass(frozen=True, slots=True)
class LanesMapping:
    """One layer on one array.

    Attributes
    ----------
    array
        The array.
    whole, domain, pe
        The array, the lanes that start their outputs together, and a PE. Where the lanes of a PE share an output
        (slices), they count as one.
    slices
        Lanes that share an output.
    """

    array: OutputLanesArray
    whole: Extent
    domain: Extent
    pe: Extent
    slices: int

    @property
    def domains(self) -> int:
        """Groups of lanes that go on independently of one another."""
        return self.whole.lanes // self.domain.lanes

    @property
    def pool(self) -> Extent:
        """Lanes that share a queue: those of a PE, or all."""
        return self.whole if self.array.dispatch == "block-queue" else self.pe

    @property
    def held_filters(self) -> int:
        """Filters whose outputs a PE may get in a block."""
        return self.pool.filters

    @property
    def loaders(self) -> Extent:
        """Lanes that load weights together: those of a PE, or of all PEs that go on together."""
        return max(self.pe, self.domain, key=lambda part: part.lanes)

    def streams(self, shape: ConvShape, per_weight: int) -> bool:
        """Say whether weights of `per_weight` words are streamed, since the PEs' buffers do not hold a PE's filters."""
        words = shape.macs_per_output * per_weight
        return words * min(self.held_filters, shape.K) > self.array.filter_buffer

    def with_fewer_filters(self) -> LanesMapping | None:
        """Leave out half of the clusters, or of the PEs, that are spread over filters; None: there is no such half."""
        array = self.array
        for level, spread, size in (
            ("clusters", array.spread.clusters, array.clusters),
            ("pes", array.spread.pes, array.pes),
        ):
            if spread == "filters" and size > 1:
                return lanes_mapping(array.model_copy(update={level: size // 2}))
        return None

    def dense_cycles(self, shape: ConvShape) -> int:
        """Count the cycles of an output without any skipping."""
        return -(-lane_macs(shape, self.slices, self.array.brick) // self.array.macs_per_lane)


def lane_macs(shape: ConvShape, slices: int, brick: int) -> int:
    """Count the dense MACs of the lane that does most of an output.

    With slices, the window's bricks (rows, columns, then channels) are dealt out to the lanes in turn.
    """
    if slices == 1:
        return shape.macs_per_output
    channels = shape.C_per_group
    bricks = [min(brick, channels - first) for first in range(0, channels, brick)] * (shape.R * shape.S)
    return max(sum(bricks[lane::slices]) for lane in range(slices))


def map_lanes(shape: ConvShape, arch: ArchSpec) -> LanesMapping:
    """Deal `shape` to the lanes of `arch` (any layer can be).

    Raises
    ------
    MappingError
        If `arch` has another array, or one of over a million lanes.
    """
    array = arch.array
    if not isinstance(array, OutputLanesArray):
        raise MappingError(f"{arch.name}: array.dataflow: expected 'output-lanes', got '{array.dataflow}'")
    mapping = lanes_mapping(array)
    whole = mapping.whole
    if whole.lanes > _MOST_LANES:
        raise MappingError(
            f"layer {shape.name}: {arch.name} has {whole.lanes} lanes, at most {_MOST_LANES} are modelled"
        )
    return mapping


@once_per_object
def lanes_mapping(array: OutputLanesArray) -> LanesMapping:
    """Deal outputs to all lanes of `array`."""
    slices = array.lanes if array.spread.lanes == "slices" else 1
    return LanesMapping(array, whole_array(array), _extent(array, _INSIDE[array.sync]), _extent(array, 2), slices)


def whole_array(array: OutputLanesArray) -> Extent:
    """Count the filter lanes and pixel lanes of the whole array."""
    return _extent(array, 0)


def _extent(array: OutputLanesArray, first_level: int) -> Extent:
    """Count the filter lanes and pixel lanes below a level."""
    levels = (
        (array.spread.clusters, array.clusters),
        (array.spread.pes, array.pes),
        (array.spread.lanes, array.lanes),
    )[first_level:]
    filters, pixels = (prod(size for spread, size in levels if spread == kind) for kind in ("filters", "pixels"))
    return Extent(filters, pixels)
