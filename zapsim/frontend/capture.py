"""Running a network with its predictors and writing what every convolution sees and skips to a trace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.elementwise import nonzero, zero_skipped
from zapsim.frontend.masks import GivenMasks
from zapsim.frontend.network import Network
from zapsim.frontend.network.calls import Conv2dCall, tensors_in
from zapsim.frontend.network.early_exit import early_exit_macs, full_macs
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.quality import Tally
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting
from zapsim.patterns import NO_PATTERN
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.quality import TRACED
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import Image, MapKind, OperatingPoint, TracedLayer, TraceHeader, ValueKind
from zapsim.tracefile.records import Network as TracedNetwork
from zapsim.tracefile.writer import TraceWriter

NOT_TRAINED = "no predictor was trained for it"
NOT_GIVEN = "no mask was given for it"

_QUALITY_BYTES = 512
"""Space kept in the header for the figures of one operating point, which are known only after its maps are written."""


def capture(  # noqa: PLR0913 (options, by name)
    path: Path,
    header: TraceHeader,
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Scorer],
    images: ImageSet,
    *,
    measure: bool = False,
    masks: GivenMasks | None = None,
    own_predictors: Mapping[str, Mapping[str, Scorer]] | None = None,
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
        By layer; those of further methods under :func:`~zapsim.frontend.skipping.scorer_key`.
    images
        What the network is run on.
    measure
        Whether to measure the quality on the way, on the traced images, and to put it into the header: that takes one
        more forward pass per image, without skipping. Beside the quality on other images, if a point has it, these
        figures have names that begin with ``traced_``.
    masks
        Masks that were made elsewhere, if the header has their operating point.
    own_predictors
        The predictors of the points that have others than `predictors`.

    Raises
    ------
    TraceError
        If the file cannot be written as its header says.
    FrontendError
        If activations are not finite, or the network's forward pass is not the one of `graph`.
    """
    points = [point for point in header.operating_points if point.maps is None]
    tallies = {point.name: Tally() for point in points}
    spare = _QUALITY_BYTES * len(header.operating_points) + 8 * len(images.description) if measure else 0
    bar = progress_bar(CountColumn())
    with TraceWriter(path, header, spare) as writer, frozen(network.model), bar:
        own = own_predictors or {}
        runs = [
            _Run(writer, point, _mask_of(point, own.get(point.name, predictors), masks), header.values)
            for point in points
        ]
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
            measured = [_with_traced(point, tallies[point.name].figures(), note) for point in points]
            revised = with_owners(header.operating_points, measured)
            writer.revise(header.model_copy(update={"operating_points": revised}))


def share_maps(points: Sequence[OperatingPoint], owning: Collection[str] = ()) -> tuple[OperatingPoint, ...]:
    """Let points with an order of filters share the maps of the first point that has the same predictors.

    Points named in `owning` (those with weights of their own) neither take nor give maps.
    """
    shared: list[OperatingPoint] = []
    for point in points:
        twins = (
            other.name
            for other in shared
            if other.predictors == point.predictors and other.maps is None and other.name not in owning
        )
        pooled = any(setting.unit is not None for setting in point.predictors.values())  # along the point's own order
        owner = None if point.order is None or pooled or point.name in owning else next(twins, None)
        shared.append(point if owner is None else point.model_copy(update={"maps": owner}))
    return tuple(shared)


def with_owners(points: Sequence[OperatingPoint], measured: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Return all points with the quality of those that were measured: points that share maps share their quality."""
    by_name = {point.name: point for point in measured}
    owners = [by_name[point.maps or point.name] for point in points]
    return tuple(
        point.with_quality(owner.quality, owner.quality_note) for point, owner in zip(points, owners, strict=True)
    )


def _with_traced(point: OperatingPoint, figures: Mapping[str, float], note: str) -> OperatingPoint:
    """Return a point with the quality on the traced images, beside that on others if it has that."""
    if not point.quality:
        return point.with_quality(figures, note)
    traced = {f"{TRACED}{name}": value for name, value in figures.items()}
    return point.with_quality(traced | point.quality, point.quality_note)


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
    predictors: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    images: ImageSet,
    provenance: Mapping[str, Any],
    values: tuple[ValueKind, ...] = (),
) -> TraceHeader:
    """Return the header of a trace of `images` at operating points, whose quality it states.

    A layer that some point sets has no reason to be without a predictor.
    """
    from_elsewhere = {
        layer for point in points for layer, setting in point.predictors.items() if setting.pattern == NO_PATTERN
    }
    layers = tuple(
        TracedLayer(
            shape=site.shape,
            relu=site.relu_call is not None,
            unpredicted=None if site.name in from_elsewhere else site.unpredicted or _untrained(site.name, predictors),
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


def _untrained(layer: str, predictors: Mapping[str, Scorer]) -> str | None:
    """Return why a layer that could have a predictor has none; None if it has one."""
    if layer in predictors:
        return None
    return NOT_TRAINED if predictors else NOT_GIVEN


MaskOf = Callable[[ConvSite, torch.Tensor, int], torch.Tensor | None]
"""From a layer, its post-ReLU ofmap and the number of the image to what is computed; None: everything."""


def _mask_of(point: OperatingPoint, predictors: Mapping[str, Scorer], masks: GivenMasks | None) -> MaskOf:
    """Return what says at an operating point which outputs are computed."""
    if masks is not None and point.name == masks.point.name:
        elsewhere = masks

        def from_elsewhere(site: ConvSite, ofmap: torch.Tensor, index: int) -> torch.Tensor | None:
            return elsewhere.image(site, index, ofmap) if site.name in elsewhere.layers else None

        return from_elsewhere
    method = predicting(predictors, point)

    def predicted(site: ConvSite, ofmap: torch.Tensor, index: int) -> torch.Tensor | None:
        return method.mask(site, ofmap) if site.name in method.patterns else None

    return predicted


class _Run:
    """Writes the maps of one image after another at one operating point."""

    def __init__(
        self,
        writer: TraceWriter,
        point: OperatingPoint,
        mask_of: MaskOf,
        values: tuple[ValueKind, ...],
    ) -> None:
        self.point = point
        self._mask_of = mask_of
        self._writer = writer
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
        mask = self._mask_of(site, ofmap, self._index)
        if mask is None:
            return None
        self._write(site, "mask", mask)
        return zero_skipped(ofmap, mask)

    def _on_conv(self, site: ConvSite, call: Conv2dCall) -> None:
        """Write when each output could stop early; nothing is known of a sum before it is complete."""
        macs = full_macs(site.shape) if site.added else early_exit_macs(call, site.shape)
        self._writer.write_values(self.point.name, self._index, site.name, "early_exit_macs", macs)

    def _write(self, site: ConvSite, kind: MapKind, values: torch.Tensor) -> None:
        self._writer.write(self.point.name, self._index, site.name, kind, pack(values))


def pack(values: torch.Tensor) -> PackedMap:
    """Return which values (images, channels, rows, columns) are not zero.

    Channels become bits before they become the innermost dimension, so that only an eighth has to be moved.
    """
    bits = nonzero(values)
    packed = _pack_array(bits.numpy()) if bits.device.type == "cpu" else _pack_tensor(bits)
    return PackedMap(packed, values.shape[1])


def _pack_array(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pack bits (images, channels, rows, columns) in memory: eight pixels are shifted at once, as one word."""
    images, channels, rows, cols = bits.shape
    groups, words = -(-channels // 8), -(-rows * cols // 8)
    padded = np.ascontiguousarray(bits).reshape(images, channels, rows * cols)
    if (8 * groups, 8 * words) != (channels, rows * cols):
        padded = np.zeros((images, 8 * groups, 8 * words), dtype=np.bool_)
        padded[:, :channels, : rows * cols] = bits.reshape(images, channels, rows * cols)
    planes = padded.view(np.uint64).reshape(images, groups, 8, words)
    packed = planes[:, :, 0].copy()
    shifted = np.empty_like(packed)
    for bit in range(1, 8):
        packed |= np.left_shift(planes[:, :, bit], bit, out=shifted)
    pixels = packed.view(np.uint8)[:, :, : rows * cols]
    return np.ascontiguousarray(pixels.swapaxes(1, 2)).reshape(images, rows, cols, groups)


def _pack_tensor(bits: torch.Tensor) -> NDArray[np.uint8]:
    """Pack bits (images, channels, rows, columns) where they are, before they leave their device."""
    padded = functional.pad(bits, (0, 0, 0, 0, 0, -bits.shape[1] % 8))
    planes = padded.to(torch.uint8).reshape(len(bits), -1, 8, *bits.shape[2:]).unbind(2)
    packed = planes[0].clone()
    for bit, plane in enumerate(planes[1:], start=1):
        packed |= plane << bit
    return packed.permute(0, 2, 3, 1).contiguous().cpu().numpy()
