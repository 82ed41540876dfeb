"""What the layers of a network cost on an array at each of a few settings: cycles and energy, from the array's engine.

Every layer is simulated as `zapsim run` does it, on masks of real images: mapping of its stages, predictor, DRAM,
timeline, and what stays on chip between layers (which follows from the shapes alone). One thing is approximated: each
layer is looked at by itself, with the inputs that it has if the network computes everything. In a run the layers before
it have skipped some, which changes its scores, and zeros in its ifmap (energy of gated MACs, coded words in DRAM). For
a layer that skips alone the cost is exact. What a whole operating point costs, :func:`run_points` measures with all
predictors at work: exactly what a simulation of a trace of these images gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engines import ENGINES
from zapsim.comparison import Comparison
from zapsim.errors import FrontendError
from zapsim.frontend.capture import pack
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.pooling import scorer_at
from zapsim.frontend.quality import Tally
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, predicting
from zapsim.simulation import run_layer
from zapsim.timing.layer import check_buffer
from zapsim.timing.residency import resident_maps
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace, OperatingPoint, PredictorSetting

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LayerCosts:
    """One layer at each of its settings.

    Attributes
    ----------
    site
        The layer.
    settings
        What it may be set to; the first is None: no predictor, everything is computed.
    cycles, energy_pj
        float64 (settings,): on the array, summed over the images.
    """

    site: ConvSite
    settings: tuple[PredictorSetting | None, ...]
    cycles: Floats
    energy_pj: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ArrayCosts:
    """All convolutions of a network on an array; those without a predictor have one setting, None.

    `note` says what they were measured on.
    """

    layers: tuple[LayerCosts, ...]
    note: str

    @property
    def dense_cycles(self) -> float:
        """Cycles if everything is computed."""
        return float(sum(layer.cycles[0] for layer in self.layers))

    @property
    def dense_energy_pj(self) -> float:
        """Energy if everything is computed."""
        return float(sum(layer.energy_pj[0] for layer in self.layers))


def skipping_policy(arch: ArchSpec, graph: Graph) -> Policy:
    """Return the policy under which `arch` skips predicted outputs, if it can run the network under it.

    Raises
    ------
    PolicyError
        If its engine does not serve the policy.
    MappingError
        If a layer cannot be put on the array.
    """
    policy, engine = preset("zap", arch.inputs), ENGINES[arch.array.dataflow]
    engine.served.check(arch.array.dataflow, policy)
    check_buffer(arch)
    for site in graph.sites:
        engine.map_stages(site.shape, arch)
    return policy


def measure_array_costs(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    settings: Mapping[str, Sequence[PredictorSetting]],
    arch: ArchSpec,
    images: ImageSet,
    *,
    progress: bool = True,
) -> ArrayCosts:
    """Simulate every layer on `arch`, dense and at each of its settings, on every image alone (batch 1).

    Parameters
    ----------
    model, graph
        The network, which computes everything meanwhile and comes back unchanged.
    scorers
        Predictors by layer.
    settings
        Settings by layer; layers that have none are dense.
    arch
        The architecture.
    images
        What to simulate; each takes a simulation per layer and setting.
    progress
        Whether to show a bar on a terminal.

    Raises
    ------
    FrontendError
        If there is no image, or activations are not finite.
    PolicyError, MappingError
        If the architecture cannot run the network.
    """
    if not len(images):
        raise FrontendError("the cost of a network on an array needs at least one image")
    policy = skipping_policy(arch, graph)
    residencies = resident_maps(arch, [site.shape for site in graph.sites])
    costs = {site.name: np.zeros((2, 1 + len(settings.get(site.name, ())))) for site in graph.sites}
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("simulating layers", total=len(images) * sum(cost.shape[1] for cost in costs.values()))
    with bar:
        for index in range(len(images)):
            watched = _Watched(scorers, settings)
            with frozen(model), Interception(graph, watched.on_ofmap, watched.on_ifmap):
                model(images.tensor([index]).to(device_of(model)))
            for site, resident in zip(graph.sites, residencies, strict=True):
                for option, layer in enumerate(watched.layers(site)):
                    outcome = run_layer(arch, layer, policy, resident)
                    costs[site.name][:, option] += outcome.cycles.total, outcome.total_energy_pj
                    bar.advance(task)
    layers = tuple(LayerCosts(site, (None, *settings.get(site.name, ())), *costs[site.name]) for site in graph.sites)
    return ArrayCosts(layers, f"on {images.description}")


@dataclass(frozen=True, slots=True)
class PointRun:
    """An operating point with all predictors at work: the network on the array, and what it still does.

    `quality` holds the figures of :func:`zapsim.frontend.quality.measure_quality`.
    """

    comparison: Comparison
    quality: Mapping[str, float]


def run_points(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    arch: ArchSpec,
    images: ImageSet,
    *,
    progress: bool = True,
) -> tuple[PointRun, ...]:
    """Run the network at every point and simulate it beside its baseline, as a simulation of its trace does."""
    policy = skipping_policy(arch, graph)
    residencies = resident_maps(arch, [site.shape for site in graph.sites])
    tallies = [Tally() for _ in points]
    sums: list[list[Comparison]] = [[] for _ in points]
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("simulating points", total=len(images) * len(points) * len(graph.sites))
    with bar:
        for index in range(len(images)):
            inputs = images.tensor([index]).to(device_of(model))
            labels = None if images.labels is None else images.labels[[index]]
            with frozen(model):
                expected = list(tensors_in(model(inputs)))
            for point, tally, comparisons in zip(points, tallies, sums, strict=True):
                ran = _Ran(predicting(scorers, point), point)
                with frozen(model), Interception(graph, ran.on_ofmap, ran.on_ifmap):
                    tally.add(expected, list(tensors_in(model(inputs))), labels)
                for site, resident in zip(graph.sites, residencies, strict=True):
                    layer = ran.layer(site)
                    before, after = (run_layer(arch, layer, kind, resident) for kind in (policy.baseline(), policy))
                    comparisons.append(Comparison(before, after))
                    bar.advance(task)
    return tuple(PointRun(reduce(add, each), tally.figures()) for each, tally in zip(sums, tallies, strict=True))


@dataclass(slots=True)
class _Maps:
    """The maps of one image's layers, by name."""

    ifmaps: dict[str, PackedMap] = field(default_factory=dict)
    ofmaps: dict[str, PackedMap] = field(default_factory=dict)

    def on_ifmap(self, site: ConvSite, ifmap: torch.Tensor) -> None:
        """Keep what arrives at a convolution."""
        self.ifmaps[site.name] = pack(ifmap)

    def trace(self, site: ConvSite, setting: PredictorSetting | None, mask: PackedMap | None) -> LayerTrace:
        """Return a layer as a trace has it, at one setting."""
        return LayerTrace(
            shape=site.shape,
            ifmap_nonzero=self.ifmaps[site.name],
            ofmap_nonzero=self.ofmaps.get(site.name),
            mask=mask,
            setting=setting,
        )


class _Watched(_Maps):
    """Keeps, of every output, how many of its layer's thresholds are below its score, for each unit."""

    def __init__(self, scorers: Mapping[str, Scorer], settings: Mapping[str, Sequence[PredictorSetting]]) -> None:
        super().__init__()
        self._scorers = scorers
        self._settings = settings
        self._above: dict[tuple[str, DecisionUnit | None], torch.Tensor] = {}
        self._patterns: dict[str, torch.Tensor] = {}

    def on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> None:
        """Keep the levels of one layer's scores."""
        check_finite(site.name, ofmap)
        self.ofmaps[site.name] = pack(ofmap)
        for unit, thresholds in _by_unit(self._settings.get(site.name, ())).items():
            setting = PredictorSetting(pattern=self._scorers[site.name].pattern, threshold=0.0, unit=unit)
            scorer = scorer_at(self._scorers[site.name], setting, site.shape.groups)
            scores = scorer(ofmap).contiguous()
            edges = torch.tensor(thresholds, device=scores.device, dtype=scores.dtype)
            self._above[site.name, unit] = torch.bucketize(scores, edges, out_int32=True).short()
            self._patterns[site.name] = scorer.pattern_of(ofmap)

    def layers(self, site: ConvSite) -> Iterator[LayerTrace]:
        """Yield a layer without its predictor, then at each of its settings."""
        yield self.trace(site, None, None)
        settings = self._settings.get(site.name, ())
        levels = _by_unit(settings)
        for setting in settings:
            level = levels[setting.unit].index(setting.threshold)
            computed = (self._above[site.name, setting.unit] > level) | self._patterns[site.name]
            yield self.trace(site, setting, pack(computed))


def _by_unit(settings: Sequence[PredictorSetting]) -> dict[DecisionUnit | None, list[float]]:
    """Return the thresholds of every unit, rising."""
    units = dict.fromkeys(setting.unit for setting in settings)
    return {unit: sorted({one.threshold for one in settings if one.unit == unit}) for unit in units}


class _Ran(_Maps):
    """Keeps the maps of a network that skips at an operating point."""

    def __init__(self, method: Method, point: OperatingPoint) -> None:
        super().__init__()
        self._method = method
        self._point = point
        self._masks: dict[str, PackedMap] = {}

    def on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        """Keep one layer's outputs; return what flows on."""
        check_finite(site.name, ofmap)
        self.ofmaps[site.name] = pack(ofmap)
        if site.name not in self._point.predictors:
            return None
        mask = self._method.mask(site, ofmap)
        self._masks[site.name] = pack(mask)
        return ofmap.mul_(mask)

    def layer(self, site: ConvSite) -> LayerTrace:
        """Return a layer as the trace of the point has it."""
        return self.trace(site, self._point.predictors.get(site.name), self._masks.get(site.name))
