"""Running a network with its predictors and writing what every convolution sees and skips to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zapsim.frontend.graph import ConvSite, Graph
from zapsim.frontend.guard import device_of, frozen
from zapsim.frontend.images import ImageSet
from zapsim.frontend.intercept import Interception
from zapsim.frontend.network import Network
from zapsim.frontend.predictor import Predictor
from zapsim.frontend.quality import Quality
from zapsim.frontend.thresholds import Setting
from zapsim.trace.model import Image, MapKind, OperatingPoint, PredictorSetting, TracedLayer, TraceHeader
from zapsim.trace.model import Network as TracedNetwork
from zapsim.trace.packed import PackedMap
from zapsim.trace.writer import TraceWriter

NOT_TRAINED = "no predictor was trained for it"


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


def capture(
    path: Path,
    header: TraceHeader,
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
) -> dict[str, dict[str, LayerCounts]]:
    """Write the trace that `header` (of :func:`trace_header`) announces; return counts by setting and layer.

    Skipped outputs are zero for all layers behind, so ``ifmap_nonzero`` is what really arrives there. Images run one by
    one: memory does not grow with their number.

    Raises
    ------
    TraceError
        If the file cannot be written as its header says.
    """
    counts: dict[str, dict[str, LayerCounts]] = {}
    with TraceWriter(path, header) as writer, frozen(network.model):
        for setting in settings:
            run = _Run(writer, setting, predictors)
            counts[setting.name] = run.counts
            for index in range(len(images)):
                run.image = index
                with Interception(graph, on_ofmap=run.on_ofmap, on_ifmap=run.on_ifmap):
                    network.model(images.tensor([index]).to(device_of(network.model)))
    return counts


def trace_header(
    network: Network,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    settings: Sequence[Setting],
    images: ImageSet,
    quality: Quality,
    provenance: Mapping[str, Any],
) -> TraceHeader:
    """Return the header of a trace of `images` at `settings`."""
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
            quality=dict(quality.figures[setting.name]),
            quality_note=quality.note,
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
    )


class _Run:
    """Writes the maps of one image after another at one setting, and counts."""

    def __init__(self, writer: TraceWriter, setting: Setting, predictors: Mapping[str, Predictor]) -> None:
        self.image = 0
        self.counts: dict[str, LayerCounts] = {}
        self._writer = writer
        self._setting = setting
        self._predictors = predictors

    def on_ifmap(self, site: ConvSite, ifmap: torch.Tensor) -> None:
        """Write what arrives at a convolution."""
        self._write(site, "ifmap_nonzero", ifmap != 0)

    def on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        """Write which outputs are non-zero and which are computed; return what flows on."""
        nonzero = self._write(site, "ofmap_nonzero", ofmap != 0)
        threshold = self._setting.thresholds.get(site.name)
        mask = packed = None
        if threshold is not None:
            mask = self._predictors[site.name].mask(ofmap, threshold)
            packed = self._write(site, "mask", mask)
        self.counts[site.name] = self.counts.get(site.name, LayerCounts()).plus(nonzero, packed)
        return None if mask is None else ofmap * mask

    def _write(self, site: ConvSite, kind: MapKind, bits: torch.Tensor) -> PackedMap:
        packed = PackedMap.from_bool(np.ascontiguousarray(bits.permute(0, 2, 3, 1).cpu().numpy()))
        self._writer.write(self._setting.name, self.image, site.name, kind, packed)
        return packed
