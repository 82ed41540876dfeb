"""What the layers of a network cost on an array at each of a few settings: cycles and energy, from the array's engine.

Every layer is simulated as `zapsim run` does it, on masks of real images: mapping of its stages, predictor, DRAM,
timeline, and what stays on chip between layers (which follows from the shapes alone). One thing is approximated: each
layer is looked at by itself, with the inputs that it has if the network computes everything. In a run the layers before
it have skipped some, which changes its scores, and zeros in its ifmap (energy of gated MACs, coded words in DRAM). For
a layer that skips alone the cost is exact. What a whole operating point costs, :func:`run_points` measures with all
predictors at work: exactly what a simulation of a trace of these images gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from operator import add
from typing import TypeAlias

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
from zapsim.frontend.elementwise import zero_skipped
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.pooling import scorer_at
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import Method, predicting, scorer_of
from zapsim.simulation import layer_outcome, layer_timings, run_layer
from zapsim.timing.layer import check_buffer
from zapsim.timing.residency import Residency, resident_maps
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.order import FilterOrder
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
        return math.fsum(layer.cycles[0] for layer in self.layers)

    @property
    def dense_energy_pj(self) -> float:
        """Energy if everything is computed."""
        return math.fsum(layer.energy_pj[0] for layer in self.layers)


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
    order: FilterOrder | None = None,
    progress: bool = True,
) -> ArrayCosts:
    """Simulate every layer on `arch`, dense and at each of its settings, on every image alone (batch 1).

    Parameters
    ----------
    model, graph
        The network, which computes everything meanwhile and comes back unchanged.
    scorers
        Predictors by layer, as for :func:`~zapsim.frontend.skipping.predicting`.
    settings
        Settings by layer; layers that have none are dense.
    arch
        The architecture.
    images
        What to simulate; each takes a simulation per layer and setting.
    order
        A static order in which the array has the filters; None: the network's own.
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
            watched = _Watched(order, scorers, settings)
            with frozen(model), Interception(graph, watched.on_ofmap, watched.on_ifmap):
                model(images.tensor([index]).to(device_of(model)))
            for site, resident in zip(graph.sites, residencies, strict=True):
                for option, layer in enumerate(watched.layers(site)):
                    outcome = run_layer(arch, layer, policy, resident)
                    costs[site.name][:, option] += outcome.cycles.total, outcome.total_energy_pj
                    bar.advance(task)
    layers = tuple(LayerCosts(site, (None, *settings.get(site.name, ())), *costs[site.name]) for site in graph.sites)
    return ArrayCosts(layers, f"on {images.description}")


def run_points(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    points: Sequence[OperatingPoint],
    arch: ArchSpec,
    images: ImageSet,
    *,
    progress: bool = True,
) -> tuple[Comparison, ...]:
    """Run the network at every point, and simulate it beside its baseline as a simulation of its trace does.

    Parameters
    ----------
    model, graph, scorers, arch, images, progress
        As for :func:`measure_array_costs`.
    points
        Operating points, each in its own order of filters.

    Raises
    ------
    ZapsimError
        As :func:`measure_array_costs`.
    """
    policy = skipping_policy(arch, graph)
    residencies = resident_maps(arch, [site.shape for site in graph.sites])
    comparisons: list[list[Comparison]] = [[] for _ in points]
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("simulating points", total=len(images) * len(points) * len(graph.sites))
    with bar:
        for index, (point, sums) in product(range(len(images)), zip(points, comparisons, strict=True)):
            ran = _Ran(point.order, predicting(scorers, point), point)
            with frozen(model), Interception(graph, ran.on_ofmap, ran.on_ifmap):
                model(images.tensor([index]).to(device_of(model)))
            for site, resident in zip(graph.sites, residencies, strict=True):
                sums.append(_compare(arch, ran.layer(site), policy, resident))
                bar.advance(task)
    return tuple(reduce(add, each) for each in comparisons)


def _compare(arch: ArchSpec, layer: LayerTrace, policy: Policy, resident: Residency) -> Comparison:
    """Simulate one layer under a policy and its baseline."""
    before, after = layer_timings(arch, layer, (policy.baseline(), policy), resident)
    return Comparison(layer_outcome(arch, before), layer_outcome(arch, after))


def _in_order(values: torch.Tensor, order: NDArray[np.intp] | None) -> torch.Tensor:
    """Put channel ``order[i]`` of (images, channels, rows, columns) at place i."""
    return values if order is None else values[:, torch.from_numpy(order).to(values.device)]


@dataclass(slots=True)
class _Maps:
    """The maps of one image's layers, by name, with their channels in an order of filters."""

    order: FilterOrder | None
    ifmaps: dict[str, PackedMap] = field(default_factory=dict)
    ofmaps: dict[str, PackedMap] = field(default_factory=dict)

    def on_ifmap(self, site: ConvSite, ifmap: torch.Tensor) -> None:
        """Keep what arrives at a convolution."""
        order = None if self.order is None else self.order.channels_of(site.name)
        self.ifmaps[site.name] = pack(_in_order(ifmap, order))

    def ordered(self, site: ConvSite, values: torch.Tensor) -> torch.Tensor:
        """Put the filters of a layer's outputs (images, K, P, Q) in their order."""
        return _in_order(values, None if self.order is None else self.order.filters_of(site.name))

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

    def __init__(
        self,
        order: FilterOrder | None,
        scorers: Mapping[str, Scorer],
        settings: Mapping[str, Sequence[PredictorSetting]],
    ) -> None:
        super().__init__(order)
        self._scorers = scorers
        self._settings = settings
        self._above: dict[tuple[str, _Kind], torch.Tensor] = {}
        self._patterns: dict[str, torch.Tensor] = {}

    def on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> None:
        """Keep the levels of one layer's scores."""
        check_finite(site.name, ofmap)
        self.ofmaps[site.name] = pack(self.ordered(site, ofmap))
        filters = None if self.order is None else self.order.filters.get(site.name)
        settings = self._settings.get(site.name, ())
        for kind, thresholds in _by_kind(settings).items():
            setting = next(one for one in settings if _kind(one) == kind)
            single = scorer_of(self._scorers, site.name, setting, "to simulate")
            scorer = scorer_at(single, setting, site.shape.groups, filters)
            scores = self.ordered(site, scorer(ofmap)).contiguous()
            edges = torch.tensor(thresholds, device=scores.device, dtype=scores.dtype)
            self._above[site.name, kind] = torch.bucketize(scores, edges, out_int32=True).short()
            self._patterns[site.name] = scorer.pattern_of(ofmap)

    def layers(self, site: ConvSite) -> Iterator[LayerTrace]:
        """Yield a layer without its predictor, then at each of its settings."""
        yield self.trace(site, None, None)
        settings = self._settings.get(site.name, ())
        levels = _by_kind(settings)
        for setting in settings:
            kind = _kind(setting)
            computed = self._above[site.name, kind] > levels[kind].index(setting.threshold)
            yield self.trace(site, setting, pack(computed | self._patterns[site.name]))


_Kind: TypeAlias = tuple[str, DecisionUnit | None]
"""What scores a layer: the method, and the unit."""


def _kind(setting: PredictorSetting) -> _Kind:
    return setting.method, setting.unit


def _by_kind(settings: Sequence[PredictorSetting]) -> dict[_Kind, list[float]]:
    """Return the thresholds of every kind of scores, rising."""
    kinds = dict.fromkeys(map(_kind, settings))
    return {kind: sorted({one.threshold for one in settings if _kind(one) == kind}) for kind in kinds}


class _Ran(_Maps):
    """Keeps the maps of a network that skips at an operating point."""

    def __init__(self, order: FilterOrder | None, method: Method, point: OperatingPoint) -> None:
        super().__init__(order)
        self._method = method
        self._point = point
        self._masks: dict[str, PackedMap] = {}

    def on_ofmap(self, site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        """Keep one layer's outputs; return what flows on."""
        check_finite(site.name, ofmap)
        self.ofmaps[site.name] = pack(self.ordered(site, ofmap))
        if site.name not in self._point.predictors:
            return None
        mask = self._method.mask(site, ofmap)
        self._masks[site.name] = pack(self.ordered(site, mask))
        return zero_skipped(ofmap, mask)

    def layer(self, site: ConvSite) -> LayerTrace:
        """Return a layer as the trace of the point has it."""
        return self.trace(site, self._point.predictors.get(site.name), self._masks.get(site.name))
