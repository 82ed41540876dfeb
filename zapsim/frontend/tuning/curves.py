"""Exact curves of one layer over its threshold: outputs computed, and the share of activation that is lost.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4: thresholds from -1 to 1,
err(t) = 1 - (sum of kept activations) / (sum of activations).

Scores outside the pattern are counted in bins whose edges are the thresholds. A bin holds the scores *above* its lower
edge *up to and including* its upper one, because an output is computed if its score is above the threshold: then
what lies in the bins above an edge is what that threshold computes, not one score more. (Bins that include their lower
edge, as histograms usually do, would shift a curve by the scores that lie on an edge, and a cumulative sum that starts
with the bin of the threshold itself by a whole bin.) Edges are multiples of a power of two, so that they are exact in
single precision. The curves are therefore exact at the edges; they say nothing about what lies between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import scorers_of, setting_of
from zapsim.patterns import pattern_map
from zapsim.tracefile.records import PredictorSetting
from zapsim.workload import ConvShape

BINS = 2048
"""Bins from -1 to 1, about a thousandth wide."""

_FEWEST_BINS = 1024
_MOST_BINS = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class LayerCurve:
    """What one layer computes and loses at every threshold, the other layers computing everything.

    Attributes
    ----------
    shape
        The layer, with N = 1.
    pattern
        The outputs that every threshold computes.
    thresholds
        float64, rising from -1 to 1.
    computed
        Mean number of outputs per image that each threshold computes, those of the pattern included; falling.
    error
        Share of the layer's activation sum that each threshold loses; rising. Of squared curves, what that does to the
        network's output (:mod:`zapsim.frontend.tuning.harm_curves`).
    predictor_macs
        MACs of the predictor itself per image (0 for a rule without one).
    scorer
        The layer's predictor; None stands for a ZAP.
    """

    shape: ConvShape
    pattern: str
    thresholds: NDArray[np.float64]
    computed: NDArray[np.float64]
    error: NDArray[np.float64]
    predictor_macs: int
    scorer: Scorer | None = None

    def __post_init__(self) -> None:
        if not len(self.thresholds) == len(self.computed) == len(self.error) > 0:
            raise FrontendError(f"layer {self.shape.name}: a curve needs as many counts and errors as thresholds")
        if (
            np.any(np.diff(self.computed) > 0)
            or np.any(np.diff(self.error) < 0)
            or np.any(np.diff(self.thresholds) <= 0)
        ):
            raise FrontendError(f"layer {self.shape.name}: its curve is not monotone")

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.shape.name

    @property
    def macs(self) -> NDArray[np.float64]:
        """MACs per image at every threshold, including the predictor's own."""
        return self.computed * self.shape.macs_per_output + self.predictor_macs

    def setting(self, threshold: float) -> PredictorSetting:
        """Return the setting of the layer's predictor at a threshold."""
        if self.scorer is None:
            return PredictorSetting(pattern=self.pattern, threshold=threshold)
        return setting_of(self.scorer, threshold)

    def index(self, threshold: float) -> int:
        """Return the number of a threshold that the curve holds exactly.

        Raises
        ------
        FrontendError
            If it is not one of the curve's.
        """
        index = int(np.searchsorted(self.thresholds, threshold))
        if index == len(self.thresholds) or self.thresholds[index] != threshold:
            step = self.thresholds[1] - self.thresholds[0] if len(self.thresholds) > 1 else 0.0
            raise FrontendError(f"threshold {threshold} is not on the curve (-1 to 1 in steps of {step:g})")
        return index


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The curves of all predicted layers, and the MACs of all convolutions of one image.

    A layer has a curve for each method that it may be predicted by. `note` says what they were measured on. `squared`
    says that errors are squares: then they are added as such, and budgets and totals are roots of the sum.
    """

    layers: tuple[LayerCurve, ...]
    dense_macs: int
    note: str
    squared: bool = False

    def most(self, budget: float) -> float:
        """Return the largest sum of errors within a budget."""
        return budget * budget if self.squared else budget

    def total(self, summed: float) -> float:
        """Return the error, in the unit of budgets, that a sum of layers' errors means."""
        return sqrt(summed) if self.squared else summed

    def layer(self, name: str) -> LayerCurve:
        """Return one layer's curve, that of its first method."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise FrontendError(f"no curve of layer '{name}'{did_you_mean(name, [layer.name for layer in self.layers])}")


def measure_curves(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    images: ImageSet,
    *,
    bins: int = BINS,
    progress: bool = True,
) -> Curves:
    """Measure the curves of every layer in `scorers`, in one pass over `images`; memory does not grow with them.

    Parameters
    ----------
    model, graph
        The network, which computes everything meanwhile and comes back unchanged.
    scorers
        Predictors by layer; those of further methods under :func:`~zapsim.frontend.skipping.scorer_key`.
    images
        What to measure on; preferably not what the predictors were trained on.
    bins
        Steps from -1 to 1: a power of two, at least 1,024.
    progress
        Whether to show a bar on a terminal.

    Raises
    ------
    FrontendError
        If there is no image or no predictor, `bins` cannot be used, or activations or scores are not finite.
    """
    check_curve_inputs(scorers, images, bins)
    histograms = {
        site.name: [_Histogram(site.name, scorer, bins) for scorer in scorers_of(scorers, site.name)]
        for site in graph.sites
    }

    def add(site: ConvSite, ofmap: torch.Tensor) -> None:
        for histogram in histograms[site.name]:
            histogram.add(ofmap)

    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("measuring curves", total=len(images))
    with frozen(model), bar:
        for inputs, _ in images.batches(graph.at_once):
            with Interception(graph, on_ofmap=add):
                model(inputs.to(device_of(model)))
            bar.advance(task, len(inputs))
    layers = tuple(
        histogram.curve(site.shape, len(images)) for site in graph.sites for histogram in histograms[site.name]
    )
    return Curves(layers, sum(site.shape.macs for site in graph.sites), f"on {images.description}")


def check_curve_inputs(scorers: Mapping[str, Scorer], images: ImageSet, bins: int) -> None:
    """Refuse to measure curves without images or predictors, or with bins that cannot be used.

    Raises
    ------
    FrontendError
        Saying what is expected.
    """
    if bins < _FEWEST_BINS or bins > _MOST_BINS or bins & (bins - 1):
        raise FrontendError(f"bins must be a power of two from {_FEWEST_BINS} to {_MOST_BINS}, got {bins}")
    if not len(images):
        raise FrontendError("curves need at least one image")
    if not scorers:
        raise FrontendError("curves need at least one predictor")


def score_bins(layer: str, scores: torch.Tensor, bins: int) -> torch.Tensor:
    """Return the bin of every score of a layer (int64).

    Bin 0 holds what no threshold computes (score at most -1), bin ``bins + 1`` what all do (score above 1); bin k
    between them holds the scores above threshold k - 1, up to threshold k.

    Raises
    ------
    FrontendError
        If a score is not finite.
    """
    if not bool(torch.isfinite(scores).all()):
        raise FrontendError(f"layer {layer}: its predictor's scores are not finite (NaN or infinity)")
    half = bins // 2
    # Multiplying by a power of two and rounding up are exact; adding 1 first would not be.
    return (scores * half).ceil().clamp(-half, half + 1).long() + half


class _Histogram:
    """Scores of one layer outside the pattern, by bin (:func:`score_bins`): how many, and how much activation."""

    def __init__(self, name: str, scorer: Scorer, bins: int) -> None:
        self.name = name
        self.scorer = scorer
        self.bins = bins
        self.counts = np.zeros(bins + 2, dtype=np.int64)
        self.mass = np.zeros(bins + 2, dtype=np.float64)
        self.pattern_mass = 0.0

    def add(self, ofmap: torch.Tensor) -> None:
        check_finite(self.name, ofmap)
        pattern = self.scorer.pattern_of(ofmap)
        index = score_bins(self.name, self.scorer(ofmap)[..., ~pattern], self.bins)
        values = ofmap[..., ~pattern].double()
        self.counts += torch.bincount(index.flatten(), minlength=len(self.counts)).cpu().numpy()
        self.mass += torch.bincount(index.flatten(), values.flatten(), minlength=len(self.mass)).cpu().numpy()
        self.pattern_mass += float(ofmap[..., pattern].double().sum())

    def curve(self, shape: ConvShape, images: int) -> LayerCurve:
        """Return the layer's curve: sums over the bins above each threshold."""
        first = int(pattern_map(self.scorer.pattern, shape.P, shape.Q).sum()) * shape.K
        above = np.cumsum(self.counts[::-1])[::-1][1:]
        lost = np.cumsum(self.mass)[:-1]
        whole = self.pattern_mass + float(self.mass.sum())
        error = lost / whole if whole > 0 else np.zeros_like(lost)
        return LayerCurve(
            shape,
            self.scorer.pattern,
            np.linspace(-1.0, 1.0, self.bins + 1),
            first + above / images,
            np.minimum(error, 1.0),
            self.scorer.work(0.0).macs(first, shape.outputs - first),
            self.scorer,
        )
