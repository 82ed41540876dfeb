"""Running a network with its predictors and writing what every convolution sees and skips to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network import Network
from zapsim.frontend.network.calls import Conv2dCall, tensors_in
from zapsim.frontend.network.early_exit import early_exit_macs, full_macs
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.pooling import scorer_at
from zapsim.frontend.quality import Tally
from zapsim.frontend.training.predictor import Predictor
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import Image, MapKind, OperatingPoint, TracedLayer, TraceHeader, ValueKind
from zapsim.tracefile.records import Network as TracedNetwork
from zapsim.tracefile.writer import TraceWriter

NOT_TRAINED = "no predictor was trained for it"

_QUALITY_BYTES = 512
"""Space kept in the header for the figures of one operating point, which are known only after its maps are written."""


def capture(
    path: Path,
    header: TraceHeader,
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    images: ImageSet,
    *,
    measure: bool = False,
) -> None:
    """Write the trace that `header` (of :func:`trace_header`) announces.

    Skipped outputs are zero for all layers behind, so ``ifmap_nonzero`` is what really arrives there. Images run one by
    one: memory does not grow with the size of their maps.

    Parameters
    ----------
    path
        The trace file.
    header
        Its operating points are run in turn.
    network, graph
        What runs, and its convolutions.
    predictors
        By layer.
    images
        What the network is run on.
    measure
        Whether to measure the quality on the way, on the traced images, and to put it into the header in the place of
        what is there: that takes one more forward pass per image, without skipping.

    Raises
    ------
    TraceError
        If the file cannot be written as its header says.
    FrontendError
        If activations are not finite, or the network's forward pass is not the one of `graph`.
    """
    points = header.operating_points
    tallies = {point.name: Tally() for point in points}
    spare = _QUALITY_BYTES * len(points) + 8 * len(images.description) if measure else 0
    bar = progress_bar(CountColumn())
    with TraceWriter(path, header, spare) as writer, frozen(network.model), bar:
        runs = [_Run(writer, point, predictors, header.values) for point in points]
        for index in bar.track(range(len(images)), description="tracing"):
            inputs = images.tensor([index]).to(device_of(network.model))
            expected = list(tensors_in(network.model(inputs))) if measure else []
            labels = None if images.labels is None else images.labels[[index]]
            for run in runs:
                outputs = run.image(graph, network.model_at(run.point.name), inputs, index)
                if measure:
                    tallies[run.point.name].add(expected, outputs, labels)
        if measure:
            note = f"on {images.description}"
            measured = tuple(point.with_quality(tallies[point.name].figures(), note) for point in points)
            writer.revise(header.model_copy(update={"operating_points": measured}))


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """Outputs of one layer over all traced images, at one operating point: all, zero, and skipped."""

    outputs: int = 0
    zeros: int = 0
    skipped: int = 0


def count_outputs(trace: Trace, point: str) -> dict[str, LayerCounts]:
    """Count the outputs of every layer that a ReLU follows, over all images of a trace at one of its points."""
    counts: dict[str, LayerCounts] = {}
    for image in trace.image_indices():
        for layer in trace.layers(point, [image]):
            if layer.ofmap_nonzero is None:
                continue
            outputs, before = layer.shape.outputs, counts.get(layer.shape.name, LayerCounts())
            counts[layer.shape.name] = LayerCounts(
                before.outputs + outputs,
                before.zeros + outputs - layer.ofmap_nonzero.count(),
                before.skipped + (0 if layer.mask is None else outputs - layer.mask.count()),
            )
    return counts


def trace_header(
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    points: Sequence[OperatingPoint],
    images: ImageSet,
    provenance: Mapping[str, Any],
    values: tuple[ValueKind, ...] = (),
) -> TraceHeader:
    """Return the header of a trace of `images` at operating points, whose quality it states."""
    layers = tuple(
        TracedLayer(
            shape=site.shape,
            relu=site.relu_call is not None,
            unpredicted=site.unpredicted or (None if site.name in predictors else NOT_TRAINED),
        )
        for site in graph.sites
    )
    return TraceHeader(
        network=TracedNetwork(name=network.name, weights_sha256=network.weights_sha256, source=network.source),
        images=tuple(
            Image(name=name, sha256=images.sha256(index), source=images.description)
            for index, name in enumerate(images.names)
        ),
        layers=layers,
        operating_points=tuple(points),
        provenance=dict(provenance),
        values=values,
    )


class _Run:
    """Writes the maps of one image after another at one operating point."""

    def __init__(
        self,
        writer: TraceWriter,
        point: OperatingPoint,
        predictors: Mapping[str, Predictor],
        values: tuple[ValueKind, ...],
    ) -> None:
        self.point = point
        self._writer = writer
        self._predictors = predictors
        self._values = values
        self._index = 0

    def image(self, graph: Graph, model: nn.Module, inputs: torch.Tensor, index: int) -> list[torch.Tensor]:
        """Run one image and write its maps; return the network's outputs."""
        self._index = index
        on_conv = self._on_conv if self._values else None
        with Interception(graph, self._on_ofmap, self._on_ifmap, on_conv):
            return list(tensors_in(model(inputs)))

    def _on_ifmap(self, site: ConvSite, ifmap: torch.Tensor) -> None:
        """Write what arrives at a convolution."""
        self._write(site, "ifmap_nonzero", ifmap)

    def _on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        """Write which outputs are non-zero and which are computed; return what flows on."""
        check_finite(site.name, ofmap)
        self._write(site, "ofmap_nonzero", ofmap)
        setting = self.point.predictors.get(site.name)
        if setting is None:
            return None
        mask = scorer_at(self._predictors[site.name], setting, site.shape.groups).mask(ofmap, setting.threshold)
        self._write(site, "mask", mask)
        return ofmap.mul_(mask)

    def _on_conv(self, site: ConvSite, call: Conv2dCall) -> None:
        """Write when each output could stop early; nothing is known of a sum before it is complete."""
        macs = full_macs(site.shape) if site.added else early_exit_macs(call, site.shape)
        self._writer.write_values(self.point.name, self._index, site.name, "early_exit_macs", macs)

    def _write(self, site: ConvSite, kind: MapKind, values: torch.Tensor) -> None:
        self._writer.write(self.point.name, self._index, site.name, kind, pack(values))


def pack(values: torch.Tensor) -> PackedMap:
    """Return which values (1, channels, rows, columns) are not zero.

    Channels become bits before they become the innermost dimension, so that only an eighth has to be moved.
    """
    bits = values != 0 if values.dtype != torch.bool else values
    channels = bits.shape[1]
    padded = functional.pad(bits, (0, 0, 0, 0, 0, -channels % 8)) if channels % 8 else bits
    planes = padded.to(torch.uint8).reshape(len(bits), -1, 8, *bits.shape[2:]).unbind(2)
    packed = planes[0].clone()
    for bit, plane in enumerate(planes[1:], start=1):
        packed |= plane << bit
    return PackedMap(packed.permute(0, 2, 3, 1).contiguous().cpu().numpy(), channels)
