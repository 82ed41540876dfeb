"""Running a network with its predictors and writing what every convolution sees and skips to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
from zapsim.frontend.quality import Quality, Tally
from zapsim.frontend.skipping import Setting
from zapsim.frontend.training.predictor import Predictor
from zapsim.tracefile.model import Image, MapKind, OperatingPoint, PredictorSetting, TracedLayer, TraceHeader, ValueKind
from zapsim.tracefile.model import Network as TracedNetwork
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.writer import TraceWriter

NOT_TRAINED = "no predictor was trained for it"

_QUALITY_BYTES = 512
"""Room in the header for the figures of one setting, which are known when its maps are written."""


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """Outputs of one layer over all traced images, at one operating point: all, zero, and skipped."""

    outputs: int = 0
    zeros: int = 0
    skipped: int = 0

    def plus(self, ofmap_nonzero: PackedMap, mask: PackedMap | None) -> LayerCounts:
        """Return the counts with one more map."""
        size = int(np.prod(ofmap_nonzero.shape))
        skipped = 0 if mask is None else size - mask.count()
        return LayerCounts(self.outputs + size, self.zeros + size - ofmap_nonzero.count(), self.skipped + skipped)


@dataclass(frozen=True, slots=True)
class Captured:
    """What is known after a trace was written: counts by setting and layer, and the quality that its header names."""

    counts: dict[str, dict[str, LayerCounts]]
    quality: Quality


def capture(
    path: Path,
    header: TraceHeader,
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
    quality: Quality | None = None,
) -> Captured:
    """Write the trace that `header` (of :func:`trace_header`) announces.

    Skipped outputs are zero for all layers behind, so ``ifmap_nonzero`` is what really arrives there. Images run one by
    one: memory does not grow with the size of their maps. If `quality` is None, it is measured on the way, on the
    traced images, and put into the header: that takes one more forward pass an image, without skipping.

    Raises
    ------
    TraceError
        If the file cannot be written as its header says.
    FrontendError
        If activations are not finite, or the network's forward pass is not the one of `graph`.
    """
    tallies = {setting.name: Tally() for setting in settings}
    spare = 0 if quality is not None else _QUALITY_BYTES * len(settings) + 8 * len(images.description)
    bar = progress_bar(CountColumn())
    with TraceWriter(path, header, spare) as writer, frozen(network.model), bar:
        runs = [_Run(writer, setting, predictors, header.values) for setting in settings]
        for index in bar.track(range(len(images)), description="tracing"):
            inputs = images.tensor([index]).to(device_of(network.model))
            expected = [] if quality is not None else list(tensors_in(network.model(inputs)))
            labels = None if images.labels is None else images.labels[[index]]
            for run in runs:
                outputs = run.image(graph, network.model_at(run.setting.name), inputs, index)
                if quality is None:
                    tallies[run.setting.name].add(expected, outputs, labels)
        if quality is None:
            figures = {name: tally.figures() for name, tally in tallies.items()}
            quality = Quality(figures, f"on {images.description}")
            writer.revise(_with_quality(header, quality))
    return Captured({run.setting.name: run.counts for run in runs}, quality)


def _with_quality(header: TraceHeader, quality: Quality) -> TraceHeader:
    points = tuple(
        point.model_copy(update={"quality": dict(quality.figures[point.name]), "quality_note": quality.note})
        for point in header.operating_points
    )
    return header.model_copy(update={"operating_points": points})


def trace_header(
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
    quality: Quality | None,
    provenance: Mapping[str, Any],
    values: tuple[ValueKind, ...] = (),
) -> TraceHeader:
    """Return the header of a trace of `images` at `settings`; without `quality`, for :func:`capture` to fill in."""
    layers = tuple(
        TracedLayer(
            shape=site.shape,
            relu=site.relu_call is not None,
            unpredicted=site.unpredicted or (None if site.name in predictors else NOT_TRAINED),
        )
        for site in graph.sites
    )
    points = tuple(
        OperatingPoint(
            name=setting.name,
            predictors={
                name: PredictorSetting(pattern=predictors[name].pattern, threshold=threshold)
                for name, threshold in setting.thresholds.items()
            },
            quality=dict(quality.figures[setting.name]) if quality else {},
            quality_note=quality.note if quality else "",
        )
        for setting in settings
    )
    return TraceHeader(
        network=TracedNetwork(name=network.name, weights_sha256=network.weights_sha256, source=network.source),
        images=tuple(
            Image(name=name, sha256=images.sha256(index), source=images.description)
            for index, name in enumerate(images.names)
        ),
        layers=layers,
        operating_points=points,
        provenance=dict(provenance),
        values=values,
    )


class _Run:
    """Writes the maps of one image after another at one setting, and counts."""

    def __init__(
        self,
        writer: TraceWriter,
        setting: Setting,
        predictors: Mapping[str, Predictor],
        values: tuple[ValueKind, ...],
    ) -> None:
        self.setting = setting
        self.counts: dict[str, LayerCounts] = {}
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
        nonzero = self._write(site, "ofmap_nonzero", ofmap)
        threshold = self.setting.thresholds.get(site.name)
        mask = packed = None
        if threshold is not None:
            mask = self._predictors[site.name].mask(ofmap, threshold)
            packed = self._write(site, "mask", mask)
        self.counts[site.name] = self.counts.get(site.name, LayerCounts()).plus(nonzero, packed)
        return None if mask is None else ofmap.mul_(mask)

    def _on_conv(self, site: ConvSite, call: Conv2dCall) -> None:
        """Write when each output could stop early; nothing is known of a sum before it is complete."""
        macs = full_macs(site.shape) if site.added else early_exit_macs(call, site.shape)
        self._writer.write_values(self.setting.name, self._index, site.name, "early_exit_macs", macs)

    def _write(self, site: ConvSite, kind: MapKind, values: torch.Tensor) -> PackedMap:
        packed = pack(values)
        self._writer.write(self.setting.name, self._index, site.name, kind, packed)
        return packed


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
