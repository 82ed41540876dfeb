"""Adapting a network's weights to skipping: batch normalisation measured again, or fine-tuning with labels.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020. Recalibration is the paper's "one pass with learning rate 0".
By default statistics start afresh in it, as the mean over all batches, and the predictors keep theirs, so that
thresholds mean what they meant when they were chosen; as published, all statistics move on from the old ones, the
predictors' too. Fine-tuning is SGD with learning rate 1e-4, momentum 0.9 and weight decay 5e-4, the predictors frozen:
for one epoch at batch 32, or as published for 5 epochs at batch 128. A mask is a constant of the forward pass:
gradients flow through what was computed and nowhere else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.forward import (
    CountColumn,
    check_finite,
    device_of,
    first_line,
    full_precision,
    progress_bar,
)
from zapsim.frontend.network.graph import ConvSite, Graph
from zapsim.frontend.network.intercept import Interception, OnOfmap
from zapsim.frontend.network.weights import copy_of, put_weights
from zapsim.frontend.skipping import Method, predicting
from zapsim.tracefile.records import OperatingPoint


def recalibrate(
    model: nn.Module,
    graph: Graph,
    method: Method,
    images: ImageSet,
    *,
    batch: int = 128,
    in_place: bool = False,
    progress: bool = True,
) -> dict[str, torch.Tensor]:
    """Return the state dict with the running statistics of one pass over `images` with skipping at work.

    No weight changes (the paper's "one pass with learning rate 0"). Statistics start afresh and are the mean over all
    batches, so that neither the old ones nor the order of images count. Everything but batch normalisation is in eval
    mode. The model is changed only if `in_place`.

    Raises
    ------
    FrontendError
        If the network has no batch normalisation with running statistics, images are fewer than a batch, or
        activations are not finite.
    """
    _check_batch(images, batch)
    work = copy_of(model).eval()
    for norm in _norms(work):
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.train()
    _pass(work, graph, method, images, batch, progress)
    return _new_state(model, work, in_place)


def recalibrate_as_published(
    model: nn.Module,
    graph: Graph,
    predictors: Mapping[str, Predictor],
    point: OperatingPoint,
    images: ImageSet,
    *,
    batch: int = 128,
    progress: bool = True,
) -> tuple[dict[str, torch.Tensor], dict[str, Predictor]]:
    """Return the state dict and the predictors after one pass in which all batch normalisation is in training mode.

    Statistics move on from the old ones with the momentum of each normalisation, in the network and in the predictors,
    and batches are normalised by their own statistics meanwhile, as in the authors' code. A network without
    normalisation of its own keeps its state. Neither `model` nor `predictors` change.

    Raises
    ------
    FrontendError
        If images are fewer than a batch, or activations are not finite.
    """
    _check_batch(images, batch)
    work, moved = copy_of(model).eval(), copy.deepcopy(dict(predictors))
    norms = [module for module in work.modules() if _has_statistics(module)]
    for module in (*norms, *moved.values()):
        module.train()
    _pass(work, graph, predicting(moved, point), images, batch, progress)
    return _new_state(model, work, in_place=False), {layer: predictor.eval() for layer, predictor in moved.items()}


def _check_batch(images: ImageSet, batch: int) -> None:
    if batch < 2:
        raise FrontendError(f"recalibration needs batches of at least 2 images, got {batch}")
    if len(images) < batch:
        raise FrontendError(
            f"{len(images)} images are too few for batches of {batch}; give more images or a smaller --batch"
        )


def _norms(work: nn.Module) -> list[_BatchNorm]:
    norms = [module for module in work.modules() if isinstance(module, _BatchNorm) and _has_statistics(module)]
    if not norms:
        raise FrontendError("the network has no batch normalisation to recalibrate")
    return norms


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _pass(work: nn.Module, graph: Graph, method: Method, images: ImageSet, batch: int, progress: bool) -> None:
    """Run `work` once over the whole batches of `images`, with skipping."""
    graph.check_batch(batch)
    skip = method.skipping()

    def checked(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        check_finite(site.name, ofmap)
        return skip(site, ofmap)

    bar = progress_bar(CountColumn(), wanted=progress)
    steps = len(images) // batch  # a small last batch would count as much as the others
    with torch.no_grad(), full_precision(), bar:
        for _, (inputs, _) in zip(
            bar.track(range(steps), description="recalibrating"), images.batches(batch), strict=False
        ):
            with Interception(graph, on_ofmap=checked):
                work(inputs.to(device_of(work)))


def _new_state(model: nn.Module, work: nn.Module, in_place: bool) -> dict[str, torch.Tensor]:
    """Return the new statistics beside all that stayed, and put them into `model` if wanted."""
    state = _tensors(work)
    # The count of batches is the caller's: only training with a cumulative mean reads it.
    state |= {name: value for name, value in _tensors(model).items() if name.endswith("num_batches_tracked")}
    if in_place:
        put_weights(model, state, "adapted weights")
    return state


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copy the tensors of a state dict; extra state stays the model's own."""
    state = model.state_dict()
    return {name: value.detach().clone() for name, value in state.items() if isinstance(value, torch.Tensor)}


_CLASSIFIER_DIMS = 2


@dataclass(frozen=True, slots=True)
class FinetuningOptions:
    """How weights are fine-tuned; rate, momentum and weight decay are the paper's, see also :meth:`as_published`."""

    epochs: int = 1
    batch: int = 32
    lr: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0

    @classmethod
    def as_published(cls, **others: Any) -> FinetuningOptions:
        """Return the paper's options: 5 epochs at batch 128, and what `others` say."""
        return cls(**{"epochs": 5, "batch": 128, **others})

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise FrontendError(f"needs at least 1 epoch of batches of 2, got {self.epochs} and {self.batch}")
        if not self.lr > 0:
            raise FrontendError(f"the learning rate must be positive, got {self.lr}")
        if not 0 <= self.momentum < 1 or not self.weight_decay >= 0:
            raise FrontendError(
                f"momentum must be in [0, 1) and weight decay at least 0, got {self.momentum} and {self.weight_decay}"
            )


def finetune(
    model: nn.Module,
    graph: Graph,
    method: Method,
    images: ImageSet,
    options: FinetuningOptions | None = None,
    *,
    in_place: bool = False,
    progress: bool = True,
) -> dict[str, torch.Tensor]:
    """Return the state dict of `model` after training on labelled `images` with `method` skipping.

    The model is changed only if `in_place`, and its training flags not even then. The random numbers of its dropout
    come from the seed; the global generator is left as it was.

    Raises
    ------
    FrontendError
        If images have no labels or are fewer than a batch, the network is no classifier of these labels, or
        activations or the loss are not finite.
    """
    options = options or FinetuningOptions()
    labels = _check(images, options)
    graph.check_batch(options.batch)
    work = _trainable(model)
    optimiser = torch.optim.SGD(
        work.parameters(), lr=options.lr, momentum=options.momentum, weight_decay=options.weight_decay
    )
    skip = _checked(method)
    random = np.random.default_rng(options.seed)
    steps = len(images) // options.batch
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("fine-tuning", total=options.epochs * steps)
    with torch.random.fork_rng(), full_precision(), bar:
        torch.manual_seed(options.seed)
        for _ in range(options.epochs):
            order = random.permutation(len(images))[: steps * options.batch].reshape(steps, options.batch)
            for chosen in order:
                inputs = images.tensor(chosen).to(device_of(work))
                _step(work, graph, skip, optimiser, inputs, labels[chosen].to(inputs.device))
                bar.advance(task)
    state = _tensors(work)
    if in_place:
        put_weights(model, state, "fine-tuned weights")
    return state


def _check(images: ImageSet, options: FinetuningOptions) -> torch.Tensor:
    if images.labels is None:
        raise FrontendError("fine-tuning needs labelled images")
    if len(images) < options.batch:
        raise FrontendError(
            f"{len(images)} images are too few for batches of {options.batch}; give more images or a smaller --batch"
        )
    return torch.from_numpy(np.array(images.labels, dtype=np.int64))


def _trainable(model: nn.Module) -> nn.Module:
    """Return a copy in training mode whose ReLU modules do not overwrite what gradients need."""
    work = copy_of(model).train()
    for module in work.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    return work


def _checked(method: Method) -> OnOfmap:
    """Return the method's skipping, its masks as constants."""

    def skip(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        check_finite(site.name, ofmap)
        if site.name not in method.patterns:
            return None
        with torch.no_grad():
            mask = method.mask(site, ofmap)
        return ofmap * mask

    return skip


def _step(
    work: nn.Module,
    graph: Graph,
    skip: OnOfmap,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    classes: torch.Tensor,
) -> None:
    with Interception(graph, on_ofmap=skip):
        outputs = list(tensors_in(work(inputs)))
    if len(outputs) != 1 or outputs[0].ndim != _CLASSIFIER_DIMS:
        raise FrontendError("fine-tuning needs a network with one output of classes")
    if int(classes.min()) < 0 or int(classes.max()) >= outputs[0].shape[1]:
        raise FrontendError(f"labels must be 0 to {outputs[0].shape[1] - 1}, as the network has that many classes")
    loss = functional.cross_entropy(outputs[0], classes)
    if not bool(torch.isfinite(loss)):
        raise FrontendError("the loss of fine-tuning is not finite; try a lower learning rate")
    optimiser.zero_grad()
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise FrontendError(f"no gradients through this network: {first_line(error)}") from error
    optimiser.step()
