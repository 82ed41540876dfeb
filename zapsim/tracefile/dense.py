"""A workload without masks in the place of a trace: no value is known to be zero, and no layer has a predictor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from zapsim.errors import TraceError
from zapsim.reading.archive import MOST_OF_MEMORY
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import Image, LayerTrace, Network, OperatingPoint, TracedLayer, TraceHeader
from zapsim.workload import Workload

_NOTHING = hashlib.sha256(b"").hexdigest()
SHAPES_ALONE = "shapes alone"
"""What stands in the place of a picture's name."""
_MOST_VALUES = 8 * MOST_OF_MEMORY


class DenseTrace:
    """What a trace offers, of a workload that has shapes alone.

    Attributes
    ----------
    header
        As a trace's, with one operating point, in which nothing is predicted.
    path
        Names the workload; there is no such file.

    Raises
    ------
    TraceError
        If the bits of a layer's map would take more than :data:`zapsim.reading.archive.MOST_OF_MEMORY`.
    """

    def __init__(self, workload: Workload) -> None:
        self.path = Path(workload.name)
        for layer in workload.layers:
            values = max(layer.C * layer.H * layer.W, layer.K * layer.P * layer.Q)
            if values > _MOST_VALUES:
                raise TraceError(
                    f"{self.path}: layer {layer.name}: a map of {values:,} values is over {_MOST_VALUES:,}, the most "
                    "that is held in memory; cut the layer into smaller ones"
                )
        self.header = TraceHeader(
            network=Network(name=workload.name, weights_sha256=_NOTHING, source="no weights"),
            images=(Image(name=SHAPES_ALONE, sha256=_NOTHING, source="no picture"),),
            layers=tuple(
                TracedLayer(shape=layer.batch(1), relu=False, unpredicted=SHAPES_ALONE) for layer in workload.layers
            ),
            operating_points=(OperatingPoint(name="dense", predictors={}),),
            provenance={"made_from": SHAPES_ALONE},
        )

    @property
    def hash(self) -> str:
        """SHA-256 that identifies the shapes."""
        return self.header.hash

    def operating_point(self, name: str | None = None) -> OperatingPoint:
        """Return the only operating point; raises TraceError for any other name."""
        if name not in {None, "dense"}:
            raise TraceError(f"{self.path}: {SHAPES_ALONE} have no operating point '{name}'; only traces have them")
        return self.header.operating_points[0]

    def image_indices(self, images: Sequence[int] | None = None) -> Sequence[int]:
        """Return the indices of the images, all of which are 0; raises TraceError for others."""
        if images is None:
            return (0,)
        if not images or any(images):
            raise TraceError(f"{self.path}: {SHAPES_ALONE} have no pictures to choose from; leave out --images")
        return images

    def layers(self, point: str | None = None, images: Sequence[int] | None = None) -> Iterator[LayerTrace]:
        """Yield each layer, with an ifmap of which every value may be other than zero."""
        self.operating_point(point)
        count = len(self.image_indices(images))
        for layer in self.header.layers:
            shape = layer.shape.batch(count)
            yield LayerTrace(shape=shape, ifmap_nonzero=PackedMap.full(count, shape.H, shape.W, shape.C))
