"""Training all predictors of a network in the same forward passes, without labels.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4: mean squared error between the prediction
clamped to [0, 1] and (x > 0), Adam. The predictors see unmodified activations, so they are independent of one
another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.graph import ConvSite, Graph
from zapsim.frontend.guard import check_finite, device_of, frozen
from zapsim.frontend.images import ImageSet
from zapsim.frontend.intercept import Interception
from zapsim.frontend.predictor import Predictor
from zapsim.patterns import pattern_tile


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How predictors are trained; the defaults are the paper's, but for fewer images a batch."""

    pattern: str = "1/2"
    epochs: int = 5
    batch: int = 8
    lr: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        pattern_tile(self.pattern)
        if self.epochs < 1 or self.batch < 1:
            raise FrontendError(f"epochs and batch must be at least 1, got {self.epochs} and {self.batch}")
        if not self.lr > 0:
            raise FrontendError(f"the learning rate must be positive, got {self.lr}")


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPredictors:
    """Predictors by layer name (in eval mode), and each layer's mean loss in every epoch."""

    predictors: dict[str, Predictor]
    losses: dict[str, tuple[float, ...]]


def train_predictors(
    model: nn.Module, graph: Graph, images: ImageSet, options: TrainingOptions, progress: bool = True
) -> TrainedPredictors:
    """Train a predictor for every eligible layer of `graph`.

    Each layer learns as soon as its activations appear in the forward pass, so no two layers' activations are
    kept at a time. The model is frozen and comes back unchanged.

    Raises
    ------
    FrontendError
        If no layer is eligible, images are fewer than a batch, or activations or loss are not finite.
    """
    if not graph.eligible:
        reasons = "; ".join(f"{site.name}: {site.unpredicted}" for site in graph.sites)
        raise FrontendError(f"no convolution of the network can have a predictor ({reasons})")
    if len(images) < options.batch:
        raise FrontendError(f"{len(images)} images are too few for batches of {options.batch}")
    device = device_of(model)
    learners = _learners(graph, options, device)
    history: dict[str, list[float]] = {name: [] for name in learners}

    def learn(site: ConvSite, ofmap: torch.Tensor) -> None:
        if site.name in learners:
            learners[site.name].step(ofmap)

    batches = len(images) // options.batch
    with _bar(progress) as bar, frozen(model):
        task = bar.add_task("training", total=options.epochs * batches, loss=float("nan"))
        for order in _orders(len(images), options):
            for chosen in order:
                with Interception(graph, on_ofmap=learn):
                    model(images.tensor(chosen).to(device))
                bar.update(task, advance=1, loss=float(np.mean([one.last for one in learners.values()])))
            for name, learner in learners.items():
                history[name].append(learner.end_epoch())
    predictors = {name: learner.predictor.eval() for name, learner in learners.items()}
    return TrainedPredictors(predictors, {name: tuple(losses) for name, losses in history.items()})


class _Learner:
    """One layer's predictor with its optimiser."""

    def __init__(self, name: str, predictor: Predictor, lr: float) -> None:
        self.name = name
        self.predictor = predictor.train()
        self.last = float("nan")
        self._optimiser = torch.optim.Adam(predictor.parameters(), lr=lr, weight_decay=0.0)
        self._losses: list[float] = []

    def step(self, ofmap: torch.Tensor) -> None:
        """Take one optimisation step on the activations of a batch."""
        check_finite(self.name, ofmap)
        with torch.enable_grad():
            loss = prediction_loss(self.predictor, ofmap)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.last = float(loss.detach())
        if not np.isfinite(self.last):
            raise FrontendError(f"layer {self.name}: the loss is not finite; try a lower learning rate")
        self._losses.append(self.last)

    def end_epoch(self) -> float:
        """Return the mean loss since the last call."""
        mean = float(np.mean(self._losses))
        self._losses.clear()
        return mean


def prediction_loss(predictor: Predictor, ofmap: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of the predictions for `ofmap`, over the outputs outside the pattern.

    Inside the pattern target and prediction are 1 by definition.
    """
    outside = ~predictor.pattern_of(ofmap)
    error = (predictor(ofmap).clamp(0.0, 1.0) - (ofmap > 0).to(ofmap.dtype)) * outside
    count = outside.sum() * (ofmap.shape[0] * ofmap.shape[1])
    loss: torch.Tensor = error.square().sum() / count
    return loss


def _learners(graph: Graph, options: TrainingOptions, device: torch.device) -> dict[str, _Learner]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        predictors = {site.name: Predictor(site.shape.K, options.pattern) for site in graph.eligible}
    return {name: _Learner(name, one.to(device), options.lr) for name, one in predictors.items()}


def _orders(images: int, options: TrainingOptions) -> Iterator[list[NDArray[np.int64]]]:
    """Yield every epoch's batches: whole ones only, as a small last one would upset the statistics."""
    random = np.random.default_rng(options.seed)
    whole = images - images % options.batch
    for _ in range(options.epochs):
        order = random.permutation(images)[:whole]
        yield list(order.reshape(-1, options.batch))


def _bar(wanted: bool) -> Progress:
    console = Console(stderr=True)
    count = TextColumn("{task.completed:.0f}/{task.total:.0f}, loss {task.fields[loss]:.4f}")
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not (wanted and console.is_terminal))
