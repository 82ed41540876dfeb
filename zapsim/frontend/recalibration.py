"""Batch normalisation measured anew with skipping: its statistics are of a network that computed everything."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from zapsim.errors import FrontendError
from zapsim.frontend.graph import ConvSite, Graph
from zapsim.frontend.guard import check_finite, device_of
from zapsim.frontend.images import ImageSet
from zapsim.frontend.intercept import Interception
from zapsim.frontend.methods import Method
from zapsim.frontend.progress import CountColumn, progress_bar


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

    No weight changes (the paper's "one pass with learning rate 0"). Statistics start anew and are the mean over all
    batches, so that neither the old ones nor the order of images count. Everything but batch normalisation is in eval
    mode. The model is changed only if `in_place`.

    Raises
    ------
    FrontendError
        If the network has no batch normalisation with running statistics, images are fewer than a batch, or
        activations are not finite.
    """
    if batch < 2:
        raise FrontendError(f"recalibration needs batches of at least 2 images, got {batch}")
    if len(images) < batch:
        raise FrontendError(f"{len(images)} images are too few for batches of {batch}")
    work = copy.deepcopy(model).eval()
    norms = [one for one in work.modules() if isinstance(one, _BatchNorm) and one.running_mean is not None]
    if not norms:
        raise FrontendError("the network has no batch normalisation to recalibrate")
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.train()
    skip = method.skipping()

    def checked(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        check_finite(site.name, ofmap)
        return skip(site, ofmap)

    bar = progress_bar(CountColumn(), wanted=progress)
    steps = len(images) // batch  # a small last batch would count as much as the others
    with torch.no_grad(), bar:
        for _, (inputs, _) in zip(
            bar.track(range(steps), description="recalibrating"), images.batches(batch), strict=False
        ):
            with Interception(graph, on_ofmap=checked):
                work(inputs.to(device_of(work)))
    return _given(model, work, in_place)


def _given(model: nn.Module, work: nn.Module, in_place: bool) -> dict[str, torch.Tensor]:
    """Return the new statistics beside all that stayed, and put them into `model` if wanted."""
    state = {name: value.detach().clone() for name, value in work.state_dict().items()}
    # The count of batches is the caller's: only training with a cumulative mean reads it.
    state |= {n: v.detach().clone() for n, v in model.state_dict().items() if n.endswith("num_batches_tracked")}
    if in_place:
        model.load_state_dict(state)
    return state
