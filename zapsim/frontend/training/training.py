"""Training all predictors of a network in the same forward passes, without labels.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4: mean squared error between the prediction
clamped to [0, 1] and (x > 0), Adam. The predictors see unmodified activations, so they are independent of one
another. The recipe "weighted" starts elsewhere and weighs the errors (docs/decisions/0023); "harm" learns what skipping
an output does to the network's output (docs/decisions/0032).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import cos, pi
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Group
from rich.live import Live
from rich.progress import TextColumn
from rich.table import Table
from torch import nn

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.harm import channel_weights
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.methods.registry import method_class
from zapsim.frontend.network.forward import CountColumn, device_of, frozen, progress_bar
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.weights import weights_digest
from zapsim.frontend.skipping import scorer_key
from zapsim.frontend.training.checkpoint import Checkpoint
from zapsim.frontend.training.learner import Learner
from zapsim.frontend.training.losses import ScoreError, harm_error, plain_error, weighted_error
from zapsim.patterns import pattern_tile

CHECKPOINT_INTERVAL_S = 60.0

Recipe = Literal["weighted", "harm", "paper"]

_ERRORS: Mapping[Recipe, ScoreError] = {"weighted": weighted_error, "harm": harm_error, "paper": plain_error}

_RATES: Mapping[Recipe, float] = {"weighted": 0.03, "harm": 0.03, "paper": 0.01}

MOST_HARM_IMAGES = 256
"""Images that the weights of channels are measured on at most: they are means over all positions."""

BATCHES: Mapping[Recipe, int] = {"weighted": 8, "harm": 8, "paper": 128}
"""Images per step, if not said."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How predictors are trained.

    `recipe` "weighted" starts as the neighbour rule, scores are chances with a logistic error, in which non-zero
    outputs count as much as their activation, the rate falls from `lr` to 0 along half a cosine, and half-way the
    statistics of batch normalisation settle: from then on the predictor learns as it will be used. "harm" differs from
    it in that scores stand for the harm that is expected of skipping, without an upper end: the squared activation,
    weighed by what the channel does to the network's output. "paper" starts at random, all outputs count alike in a
    squared error, and the rate stays.
    `lr` is 0.03 if not given, and 0.01 with the paper's recipe; `batch` is 8, and 128 with the paper's.
    `layer_patterns` holds the layers with another pattern than `pattern`. `methods` names the methods of which each
    layer gets a predictor.
    """

    pattern: str = "1/2"
    epochs: int = 5
    batch: int | None = None
    lr: float | None = None
    recipe: Recipe = "weighted"
    seed: int = 0
    layer_patterns: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[str, ...] = ("zap",)

    def __post_init__(self) -> None:
        for pattern in (self.pattern, *self.layer_patterns.values()):
            pattern_tile(pattern)
        for method in self.methods:
            method_class(method)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise FrontendError(f"each method must be named once, got: {', '.join(self.methods) or 'none'}")
        if self.recipe not in get_args(Recipe):
            raise FrontendError(f"recipe must be one of {', '.join(get_args(Recipe))}, got '{self.recipe}'")
        if self.epochs < 1 or self.images_per_step < 1:
            raise FrontendError(f"epochs and batch must be at least 1, got {self.epochs} and {self.batch}")
        if self.lr is not None and not self.lr > 0:
            raise FrontendError(f"the learning rate must be positive, got {self.lr}")

    @property
    def images_per_step(self) -> int:
        """The batch, or what the recipe has if none is said."""
        return BATCHES[self.recipe] if self.batch is None else self.batch

    def pattern_of(self, layer: str) -> str:
        """Return a layer's pattern."""
        return self.layer_patterns.get(layer, self.pattern)

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, of `steps` in all."""
        first = _RATES[self.recipe] if self.lr is None else self.lr
        return first if self.recipe == "paper" else first * (1 + cos(pi * step / steps)) / 2

    def settled(self, step: int, steps: int) -> bool:
        """Return whether statistics stay as they are from this step on."""
        return self.recipe != "paper" and 2 * step >= steps


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPredictors:
    """Predictors (in eval mode), and how their training went.

    Attributes
    ----------
    predictors
        Of the first method, by layer.
    losses
        Each predictor's mean loss in every epoch, by layer; of further methods under
        :func:`~zapsim.frontend.skipping.scorer_key`. What is not trained has none.
    savings
        Share of each layer's outputs that would be skipped at threshold 0, in the last batch; by the same names.
    further
        Those of further methods, each by layer.
    """

    predictors: dict[str, Predictor]
    losses: dict[str, tuple[float, ...]]
    savings: dict[str, float]
    further: tuple[dict[str, Predictor], ...] = ()


def train_predictors(
    model: nn.Module,
    graph: Graph,
    images: ImageSet,
    options: TrainingOptions,
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S,
    of_epoch: Callable[[int], ImageSet] | None = None,
) -> TrainedPredictors:
    """Train a predictor of every method for every eligible layer of `graph`, all in the same forward passes.

    Each layer learns as soon as its activations appear in the forward pass, so that only one layer's activations are
    kept at a time. The model is frozen and comes back unchanged. With a `checkpoint` file, the state is saved there
    regularly. A run whose file exists continues from it and gives the same predictors, bit for bit, as one without a
    break. With `of_epoch`, every epoch has images of its own, as many as `images`, which are those of epoch 0.

    Raises
    ------
    FrontendError
        If no layer is eligible, images are fewer than a batch, activations or loss are not finite, or the checkpoint
        is damaged or belongs to another run.
    """
    _check(graph, images, options)
    predictors = _predictors(graph, options)
    learners = _learners(predictors, options, device_of(model), _weights(model, graph, images, options))

    def epoch_images(epoch: int) -> ImageSet:
        return images if of_epoch is None or epoch == 0 else of_epoch(epoch)

    if learners:
        _learn(model, graph, epoch_images, options, learners, progress, checkpoint, checkpoint_interval_s)
    first, *further = ({name: each.eval() for name, each in part.items()} for part in predictors.values())
    return TrainedPredictors(
        first,
        {name: tuple(learner.history) for name, learner in learners.items()},
        {name: learner.saving for name, learner in learners.items()},
        tuple(further),
    )


def _learn(
    model: nn.Module,
    graph: Graph,
    of_epoch: Callable[[int], ImageSet],
    options: TrainingOptions,
    learners: Mapping[str, Learner],
    progress: bool,
    checkpoint: Path | None,
    checkpoint_interval_s: float,
) -> None:
    """Take all steps of all learners, from where the checkpoint's run was left, and complete the predictors."""
    device, images = device_of(model), of_epoch(0)
    by_layer = {site.name: [each for each in learners.values() if each.name == site.name] for site in graph.sites}
    checkpointing, start = None, (0, 0)
    if checkpoint is not None:
        checkpointing = Checkpoint(checkpoint, _run(model, images, options), checkpoint_interval_s)
        start = checkpointing.restore(learners)
    batches = len(images) // options.images_per_step
    shown_epoch = 0
    with LayerDisplay(options.epochs * batches, learners, progress) as display, frozen(model):
        for epoch, step, chosen in _batches(len(images), options, start):
            if epoch != shown_epoch:
                images, shown_epoch = of_epoch(epoch), epoch
            last = step == batches - 1
            at, steps = epoch * batches + step, options.epochs * batches
            step_options = (options.rate(at, steps), display.shown or last, options.settled(at, steps))

            def learn(site: ConvSite, ofmap: torch.Tensor, options: tuple[float, bool, bool] = step_options) -> None:
                for learner in by_layer[site.name]:
                    learner.step(ofmap, *options)

            with Interception(graph, on_ofmap=learn):
                model(images.tensor(chosen).to(device))
            if last:
                for learner in learners.values():
                    learner.end_epoch()
            if checkpointing is not None:
                checkpointing.save(epoch, step + 1, learners)
            display.advance(at + 1)
    for learner in learners.values():
        learner.predictor.eval().finish()
        if not all(bool(torch.isfinite(value).all()) for value in learner.predictor.tensors().values()):
            raise FrontendError(f"layer {learner.name}: training diverged; try a lower learning rate (--lr)")


def _check(graph: Graph, images: ImageSet, options: TrainingOptions) -> None:
    reasons = {site.name: site.unpredicted for site in graph.sites}
    if not graph.eligible:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise FrontendError(
            f"no convolution of the network can have a predictor ({listed}): predictors guess the zeros of a ReLU or "
            "ReLU6; train the network with one, or run its shapes dense with `zapsim run --workload`"
        )
    for layer in options.layer_patterns:
        if layer not in reasons:
            raise FrontendError(f"pattern for layer '{layer}': no such convolution{did_you_mean(layer, reasons)}")
        if reasons[layer] is not None:
            raise FrontendError(f"pattern for layer '{layer}': it has no predictor ({reasons[layer]})")
    graph.check_batch(options.images_per_step)
    if len(images) < options.images_per_step:
        raise FrontendError(
            f"{len(images)} images are too few for batches of {options.images_per_step}; give more (--crops, --images) "
            "or a smaller --batch"
        )


def _run(model: nn.Module, images: ImageSet, options: TrainingOptions) -> dict[str, Any]:
    """Return what makes two runs the same."""
    return {
        **asdict(options),
        "batch": options.images_per_step,
        "weights": weights_digest(model),
        "images": images.digest(),
        "torch": str(torch.__version__),
        "device": device_of(model).type,
    }


def _predictors(graph: Graph, options: TrainingOptions) -> dict[str, dict[str, Predictor]]:
    """Return predictors by method and layer, as they start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        predictors = {
            method: {
                site.name: method_class(method)(channels=site.shape.K, pattern=options.pattern_of(site.name))
                for site in graph.eligible
            }
            for method in options.methods
        }
    for predictor in (each for part in predictors.values() for each in part.values()):
        if options.recipe == "paper":
            predictor.start_as_published()
        else:
            predictor.start(saturating=options.recipe == "weighted")
    return predictors


def _weights(
    model: nn.Module, graph: Graph, images: ImageSet, options: TrainingOptions
) -> Mapping[str, torch.Tensor] | None:
    """Return what the recipe "harm" weighs the channels of each layer by, None for the others."""
    if options.recipe != "harm" or not any(method_class(method).trained for method in options.methods):
        return None
    patterns = {site.name: options.pattern_of(site.name) for site in graph.eligible}
    few = images.first(min(len(images), MOST_HARM_IMAGES))
    return channel_weights(model, graph, patterns, few, options.seed)


def _learners(
    predictors: Mapping[str, Mapping[str, Predictor]],
    options: TrainingOptions,
    device: torch.device,
    weights: Mapping[str, torch.Tensor] | None,
) -> dict[str, Learner]:
    """Return what teaches the predictors of methods that learn."""
    error = _ERRORS[options.recipe]
    return {
        _key(layer, method, predictors): Learner(
            layer, predictor.to(device), error, None if weights is None else weights[layer]
        )
        for method, part in predictors.items()
        for layer, predictor in part.items()
        if predictor.trained
    }


def _key(layer: str, method: str, methods: Iterable[str]) -> str:
    """Return the name of a predictor: its layer's, with its method unless that is the first."""
    return layer if method == next(iter(methods)) else scorer_key(layer, method)


def _batches(
    images: int, options: TrainingOptions, start: tuple[int, int]
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yield (epoch, step, images of the batch) from `start` on.

    Only whole batches, as a small last one would upset the statistics. Orders depend on the seed and the epoch alone.
    """
    random = np.random.default_rng(options.seed)
    whole = images - images % options.images_per_step
    for epoch in range(options.epochs):
        order = random.permutation(images)[:whole].reshape(-1, options.images_per_step)
        for step, chosen in enumerate(order):
            if (epoch, step) >= start:
                yield epoch, step, chosen


class LayerDisplay:
    """Context manager that shows every layer's loss during training, and the share that threshold 0 would skip.

    Attributes
    ----------
    shown
        Whether anything is: on a terminal, if wanted.
    """

    def __init__(self, total: int, learners: Mapping[str, Learner], wanted: bool) -> None:
        self._learners = learners
        self._bar = progress_bar(CountColumn(), TextColumn("loss {task.fields[loss]:.4f}"), wanted=wanted)
        self.shown = not self._bar.disable
        self._task = self._bar.add_task("training", total=total, loss=float("nan"))
        self._live = Live(get_renderable=self._render, console=self._bar.console, transient=True)

    def __enter__(self) -> Self:
        if self.shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.shown:
            self._live.stop()

    def advance(self, done: int) -> None:
        """Show that `done` batches are done."""
        loss = float(np.mean([learner.last for learner in self._learners.values()]))
        self._bar.update(self._task, completed=done, loss=loss)

    def _render(self) -> Group:
        table = Table("layer", "loss", "saves at 0", box=None, pad_edge=False)
        for name, learner in self._learners.items():
            table.add_row(name, f"{learner.last:.4f}", f"{learner.saving:.1%}")
        return Group(self._bar, table)
