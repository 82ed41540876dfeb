"""Fine-tuning a classifier's weights with its predictors at work, so that it learns to do without what is skipped.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020: SGD, learning rate 1e-4, momentum 0.9, weight decay 5e-4, the
predictors frozen. A mask is a constant of the forward pass: gradients flow through what was computed and nowhere else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zapsim.errors import FrontendError
from zapsim.frontend.calls import tensors_in
from zapsim.frontend.faults import first_line
from zapsim.frontend.graph import ConvSite, Graph
from zapsim.frontend.guard import check_finite, device_of
from zapsim.frontend.images import ImageSet
from zapsim.frontend.intercept import Interception, OnOfmap
from zapsim.frontend.methods import Method
from zapsim.frontend.progress import CountColumn, progress_bar

_CLASSIFIER_DIMS = 2


@dataclass(frozen=True, slots=True)
class FinetuningOptions:
    """How weights are fine-tuned; the defaults are the paper's."""

    epochs: int = 1
    batch: int = 32
    lr: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0

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
    work = _trainable(model)
    optimiser = torch.optim.SGD(
        work.parameters(), lr=options.lr, momentum=options.momentum, weight_decay=options.weight_decay
    )
    skip = _checked(method)
    random = np.random.default_rng(options.seed)
    steps = len(images) // options.batch
    bar = progress_bar(CountColumn(), wanted=progress)
    task = bar.add_task("fine-tuning", total=options.epochs * steps)
    with torch.random.fork_rng(), bar:
        torch.manual_seed(options.seed)
        for _ in range(options.epochs):
            order = random.permutation(len(images))[: steps * options.batch].reshape(steps, options.batch)
            for chosen in order:
                inputs = images.tensor(chosen).to(device_of(work))
                _step(work, graph, skip, optimiser, inputs, labels[chosen].to(inputs.device))
                bar.advance(task)
    state = {name: value.detach().clone() for name, value in work.state_dict().items()}
    if in_place:
        model.load_state_dict(state)
    return state


def _check(images: ImageSet, options: FinetuningOptions) -> torch.Tensor:
    if images.labels is None:
        raise FrontendError("fine-tuning needs labelled images")
    if len(images) < options.batch:
        raise FrontendError(f"{len(images)} images are too few for batches of {options.batch}")
    return torch.from_numpy(np.array(images.labels, dtype=np.int64))


def _trainable(model: nn.Module) -> nn.Module:
    """Return a copy in training mode whose ReLU modules do not overwrite what gradients need."""
    work = copy.deepcopy(model).train()
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
