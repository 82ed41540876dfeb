"""Evaluation of skipping: what it costs and saves with all predictors of a network at work.

An output that one layer skips by mistake changes what the layers behind it see. So nothing here is a sum over
layers that were measured alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.intervals import Estimate
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.forward import CountColumn, check_finite, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.quality import ImageOutcomes, Outcomes
from zapsim.frontend.skipping import Method
from zapsim.patterns import pattern_map


@dataclass(frozen=True, slots=True)
class LayerEvaluation:
    """One layer's outputs over all images.

    Attributes
    ----------
    name, pattern
        The layer and which of its outputs are computed first.
    macs_per_output
        MACs per output.
    pattern_outputs
        Outputs inside the pattern.
    zero_computed, zero_skipped, nonzero_computed, nonzero_skipped
        Outputs outside the pattern, by their value (while the layers before skip) and by the decision.
    predictor_macs
        MACs of the predictor itself.
    activation, activation_lost
        Sum of all outputs, and of those that are skipped.
    """

    name: str
    pattern: str
    macs_per_output: int
    pattern_outputs: int = 0
    zero_computed: int = 0
    zero_skipped: int = 0
    nonzero_computed: int = 0
    nonzero_skipped: int = 0
    predictor_macs: int = 0
    activation: float = 0.0
    activation_lost: float = 0.0

    @property
    def error(self) -> float:
        """Share of the layer's activation that is skipped, while the layers before skip too."""
        return self.activation_lost / self.activation if self.activation else 0.0

    @property
    def outside(self) -> int:
        """Outputs outside the pattern."""
        return self.zero_computed + self.zero_skipped + self.nonzero_computed + self.nonzero_skipped

    @property
    def outputs(self) -> int:
        """All outputs."""
        return self.pattern_outputs + self.outside

    @property
    def skipped(self) -> int:
        """Outputs that are not computed."""
        return self.zero_skipped + self.nonzero_skipped

    @property
    def skippable(self) -> int:
        """Zeros outside the pattern: what a perfect predictor skips."""
        return self.zero_computed + self.zero_skipped

    @property
    def zeros_found(self) -> float:
        """Of the skippable zeros, the share that is skipped (1 if there is none)."""
        return self.zero_skipped / self.skippable if self.skippable else 1.0

    @property
    def nonzeros_lost(self) -> float:
        """Of the non-zero outputs outside the pattern, the share that is skipped (0 if there is none)."""
        nonzero = self.nonzero_computed + self.nonzero_skipped
        return self.nonzero_skipped / nonzero if nonzero else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One method on a set of images.

    Attributes
    ----------
    name
        The method's.
    images, photographs
        How many, and of how many photographs they are.
    layers
        Those in which outputs are skipped.
    dense_macs
        MACs of all convolutions of the network over all images.
    figures
        Quality by name, with intervals over photographs: ``relative_output_error``; of a classifier also
        ``top1_agreement``; with labels ``top1_accuracy``, ``top1_accuracy_unmodified`` and ``top1_lost``, and the same
        of the top 5 if there are more classes.
    note
        What was evaluated on.
    outcomes
        What became of every image.
    """

    name: str
    images: int
    photographs: int
    layers: tuple[LayerEvaluation, ...]
    dense_macs: int
    figures: Mapping[str, Estimate]
    note: str
    outcomes: ImageOutcomes = field(compare=False, repr=False)

    def minus(self, reference: Evaluation) -> dict[str, Estimate]:
        """Return how much larger the figures are than another method's on the same images: paired, with intervals.

        The figures are ``macs_saved``, and those of `figures` that both methods have.

        Raises
        ------
        FrontendError
            If the images are others.
        """
        if (self.note, self.images) != (reference.note, reference.images):
            raise FrontendError(f"{self.name} and {reference.name} were not measured on the same images")
        return self.outcomes.differences(reference.outcomes)

    def summed_error(self, weights: Mapping[str, float]) -> float:
        """Return the sum of the layers' errors, each times its weight (1 where there is none)."""
        return math.fsum(layer.error * weights.get(layer.name, 1.0) for layer in self.layers)

    @property
    def macs_skipped(self) -> float:
        """Share of MACs of skipped outputs."""
        return sum(layer.skipped * layer.macs_per_output for layer in self.layers) / self.dense_macs

    @property
    def predictor_share(self) -> float:
        """MACs of the predictors as a share of the network's."""
        return sum(layer.predictor_macs for layer in self.layers) / self.dense_macs

    @property
    def macs_saved(self) -> float:
        """Share of MACs saved, net of the predictors' own."""
        return self.macs_skipped - self.predictor_share

    @property
    def perfect_bound(self) -> float:
        """Share of MACs that never-wrong predictors of these layers and patterns would skip, in this very pass."""
        return sum(layer.skippable * layer.macs_per_output for layer in self.layers) / self.dense_macs


def run_methods(
    model: nn.Module,
    graph: Graph,
    methods: Sequence[Method],
    images: ImageSet,
    *,
    reference: nn.Module | None = None,
    progress: bool = True,
) -> tuple[Evaluation, ...]:
    """Run `model` with each of `methods`, and compare with `reference`, or else with the model without skipping.

    Both come back unchanged. `reference` is for a model whose weights were adapted to skipping.

    Raises
    ------
    FrontendError
        If there is no image or method, or activations are not finite.
    """
    if not (methods and len(images)):
        raise FrontendError("an evaluation needs at least one image and one method")
    unmodified = model if reference is None else reference
    tallies = [_Tally(graph, method) for method in methods]
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("evaluating", total=len(images))
    with frozen(model), frozen(unmodified), bar:
        for inputs, labels in images.batches(graph.at_once):
            on_device = inputs.to(device_of(model))
            expected = list(tensors_in(unmodified(on_device)))
            for tally in tallies:
                with Interception(graph, on_ofmap=tally.skip):
                    outputs = list(tensors_in(model(on_device)))
                tally.outcomes.add(expected, outputs, labels)
            bar.advance(task, len(inputs))
    photographs = images.photographs()
    return tuple(tally.evaluation(photographs, f"on {images.description}") for tally in tallies)


@dataclass(slots=True)
class _Tally:
    """Counts of one method over batches."""

    graph: Graph
    method: Method
    layers: dict[str, LayerEvaluation] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes)
    macs: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    """MACs that each image saves in a layer, net of the predictor's own, batch by batch."""

    def evaluation(self, photographs: Sequence[str], note: str) -> Evaluation:
        """Return what was counted, given the photograph of each image."""
        dense = sum(site.shape.macs for site in self.graph.sites)
        saved = sum((np.concatenate(batches) for batches in self.macs.values()), np.zeros(len(photographs))) / dense
        outcomes = self.outcomes.complete(photographs, saved)
        return Evaluation(
            self.method.name,
            len(photographs),
            len(set(photographs)),
            tuple(self.layers[site.name] for site in self.graph.sites if site.name in self.layers),
            len(photographs) * dense,
            outcomes.figures(),
            note,
            outcomes,
        )

    def skip(self, site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        """Count one layer's decisions; return what flows on."""
        check_finite(site.name, ofmap)
        if site.name not in self.method.patterns:
            return None
        mask = self.method.mask(site, ofmap)
        self._count(site, ofmap, mask)
        return ofmap * mask

    def _count(self, site: ConvSite, ofmap: torch.Tensor, mask: torch.Tensor) -> None:
        shape, name, nonzero = site.shape, self.method.patterns[site.name], ofmap != 0
        pattern = pattern_map(name, shape.P, shape.Q)
        images, inside = len(mask), int(pattern.sum()) * shape.K
        outside = images * (shape.outputs - inside)
        around = torch.from_numpy(~pattern).to(nonzero.device)
        nonzero_outside = int((nonzero & around).count_nonzero())
        skipped_of_each = (~mask).flatten(1).sum(dim=1).cpu().numpy()
        skipped, nonzero_skipped = int(skipped_of_each.sum()), int((nonzero & ~mask).count_nonzero())
        zero_skipped = skipped - nonzero_skipped
        work = self.method.work.get(site.name)
        own = 0 if work is None else work.macs(inside, shape.outputs - inside)
        self.macs.setdefault(site.name, []).append(skipped_of_each * float(shape.macs_per_output) - own)
        before = self.layers.get(site.name, LayerEvaluation(site.name, name, shape.macs_per_output))
        self.layers[site.name] = replace(
            before,
            pattern_outputs=before.pattern_outputs + images * inside,
            zero_computed=before.zero_computed + outside - nonzero_outside - zero_skipped,
            zero_skipped=before.zero_skipped + zero_skipped,
            nonzero_computed=before.nonzero_computed + nonzero_outside - nonzero_skipped,
            nonzero_skipped=before.nonzero_skipped + nonzero_skipped,
            predictor_macs=before.predictor_macs + images * own,
            activation=before.activation + float(ofmap.sum(dtype=torch.float64)),
            activation_lost=before.activation_lost + float((ofmap * ~mask).sum(dtype=torch.float64)),
        )
