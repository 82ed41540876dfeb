"""Curves whose errors are what skipping does to the network's output, and operating points chosen from them.

The error of a layer at a threshold is the mean square of the change of the network's output that the layer's skipped
outputs make together (their contributions, :mod:`zapsim.frontend.harm`, summed before they are squared), over the mean
square of the output. Errors of different layers are added as squares, as if they were independent: their signs are
random. The budget E of a point is then the relative error of the network's output that is asked for, |y - y'| / |y|:
the same figure that an evaluation measures.

The contributions depend on what else is skipped. They are measured first at the unmodified network, and then again at
the operating point that was chosen from them, which is chosen again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.harm import contributions
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import predicting, scorers_of
from zapsim.frontend.tuning.curves import BINS, Curves, LayerCurve, check_curve_inputs, score_bins
from zapsim.patterns import pattern_map
from zapsim.tracefile.records import OperatingPoint
from zapsim.workload import ConvShape

ROUNDS = 1
"""How often thresholds are chosen again from curves that were measured at the point chosen before."""


def measure_harm_curves(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    images: ImageSet,
    *,
    point: OperatingPoint | None = None,
    bins: int = BINS,
    seed: int = 0,
    progress: bool = True,
) -> Curves:
    """Measure the curves of every layer in `scorers` in squared errors of the network's output.

    Parameters
    ----------
    model, graph, scorers, images, bins, progress
        As for :func:`~zapsim.frontend.tuning.curves.measure_curves`.
    point
        What is skipped meanwhile, with all predictors at work (default: nothing).
    seed
        Of the projections of the output.

    Raises
    ------
    FrontendError
        As for :func:`~zapsim.frontend.tuning.curves.measure_curves`; and if the network's output is zero or not finite,
        or cannot be differentiated.
    """
    check_curve_inputs(scorers, images, bins)
    histograms = {
        site.name: [_Histogram(scorer, bins) for scorer in scorers_of(scorers, site.name)] for site in graph.sites
    }
    histograms = {name: each for name, each in histograms.items() if each}
    method = None if point is None else predicting(scorers, point)
    random = torch.Generator().manual_seed(seed)

    def look(site: ConvSite, ofmap: torch.Tensor) -> None:
        check_finite(site.name, ofmap)
        for histogram in histograms[site.name]:
            histogram.look(site.name, ofmap)

    norm = 0.0
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("measuring harm", total=len(images))
    with frozen(model), bar:
        for inputs, _ in images.batches(graph.at_once):
            on_device = inputs.to(device_of(model))
            measured = contributions(model, graph, histograms, on_device, random, method=method, look=look)
            norm += measured.norm
            for name, values in measured.layers.items():
                for histogram in histograms[name]:
                    histogram.add(values)
            bar.advance(task, len(inputs))
    if not (norm > 0 and np.isfinite(norm)):
        raise FrontendError("the network's output is zero or not finite, so that it has no relative error")
    layers = tuple(
        histogram.curve(site.shape, len(images), norm)
        for site in graph.sites
        for histogram in histograms.get(site.name, ())
    )
    macs = sum(site.shape.macs for site in graph.sites)
    return Curves(layers, macs, f"on {images.description}", squared=True)


def choose_by_harm(
    model: nn.Module,
    graph: Graph,
    scorers: Mapping[str, Scorer],
    images: ImageSet,
    curves: Curves,
    choose: Callable[[Curves], OperatingPoint],
    *,
    rounds: int = ROUNDS,
    progress: bool = True,
) -> OperatingPoint:
    """Choose a point from `curves`, and again from curves that are measured at this point, `rounds` times.

    Raises
    ------
    FrontendError
        As for :func:`measure_harm_curves` and for what `choose` does.
    """
    point = choose(curves)
    bins = len(curves.layers[0].thresholds) - 1
    for _ in range(rounds):
        point = choose(measure_harm_curves(model, graph, scorers, images, point=point, bins=bins, progress=progress))
    return point


class _Histogram:
    """Contributions of one layer outside the pattern by bin of their scores (see ``curves.py``), image by image."""

    def __init__(self, scorer: Scorer, bins: int) -> None:
        self.scorer = scorer
        self.bins = bins
        self.counts: NDArray[np.int64] = np.zeros(bins + 2, dtype=np.int64)
        self.squares: NDArray[np.float64] = np.zeros(bins + 1)
        self._index = torch.empty(0, dtype=torch.long)
        self._outside = torch.empty(0, dtype=torch.bool)

    def look(self, name: str, ofmap: torch.Tensor) -> None:
        """Keep the bins of a batch's scores, for the contributions that are yet to be measured."""
        self._outside = ~self.scorer.pattern_of(ofmap)
        scores = self.scorer(ofmap)[..., self._outside]
        self._index = score_bins(name, scores, self.bins).flatten(1)
        self.counts += torch.bincount(self._index.flatten(), minlength=self.bins + 2).cpu().numpy()

    def add(self, values: torch.Tensor) -> None:
        """Add the squares of what each threshold's skipped outputs contribute together: (draws, images, K, P, Q)."""
        for draw in values:
            outside = draw[..., self._outside].flatten(1).double()
            sums = outside.new_zeros(len(outside), self.bins + 2)
            skipped = sums.scatter_add_(1, self._index, outside)[:, :-1].cumsum(dim=1)
            self.squares += skipped.square().sum(dim=0).cpu().numpy() / len(values)

    def curve(self, shape: ConvShape, images: int, norm: float) -> LayerCurve:
        """Return the layer's curve; where contributions cancel as more are skipped, its error stays."""
        first = int(pattern_map(self.scorer.pattern, shape.P, shape.Q).sum()) * shape.K
        above = np.cumsum(self.counts[::-1])[::-1][1:]
        return LayerCurve(
            shape,
            self.scorer.pattern,
            np.linspace(-1.0, 1.0, self.bins + 1),
            first + above / images,
            np.maximum.accumulate(self.squares / norm),
            self.scorer.work(0.0).macs(first, shape.outputs - first),
            self.scorer,
        )
