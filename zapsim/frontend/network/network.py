"""A network as the frontend uses it: the model, its name, the source of its weights, how its pictures are prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path

import torch
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.preprocessing import IMAGENET, Preprocessing
from zapsim.frontend.factory import load_factory, load_object
from zapsim.frontend.network.contract import check_model
from zapsim.frontend.network.forward import to_eval_mode
from zapsim.frontend.network.weights import load_weights, weights_digest


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A model with what is known of it; a factory may return it instead of a plain ``nn.Module``.

    `adapted` holds the network with other weights (in eval mode), for operating points that have their own.
    """

    model: nn.Module
    name: str
    source: str
    preprocessing: Preprocessing = IMAGENET
    adapted: Mapping[str, nn.Module] = field(default_factory=dict)

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the model's state dict."""
        return weights_digest(self.model)

    def model_at(self, point: str) -> nn.Module:
        """Return the model that runs at an operating point."""
        return self.adapted.get(point, self.model)

    def example(self) -> torch.Tensor:
        """Return an input of one image of the right shape (all zeros)."""
        pre = self.preprocessing
        return torch.zeros(1, len(pre.colours), pre.size, pre.size)


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A network by its name, whose pictures are prepared otherwise than it says itself.

    Attributes
    ----------
    name
        ``package.module:factory``.
    size
        Rows and columns of its input; the short side of pictures is scaled in proportion before the crop.
    mean, std
        Per channel, in pixel values 0..255.

    None leaves a value as it is.
    """

    name: str
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def load(self, weights: Path | None = None, device: str = "auto", seed: int = 0) -> Network:
        """Load the network, as :func:`load_network` does, with its pictures prepared so."""
        network = load_network(self.name, weights, device, seed)
        pre = network.preprocessing
        if self.size is not None:
            if self.size < 1:
                raise FrontendError(f"size of the network's input: must be at least 1, got {self.size}")
            pre = replace(pre, size=self.size, resize=max(round(self.size * pre.resize / pre.size), self.size))
        pre = replace(pre, mean=self.mean or pre.mean, std=self.std or pre.std)
        return replace(network, preprocessing=pre)


def load_network(spec: str, weights: Path | None = None, device: str = "auto", seed: int = 0) -> Network:
    """Return the network that ``package.module:factory`` makes, in eval mode; `weights` replaces its weights.

    Raises
    ------
    FrontendError
        If the factory cannot be found, fails or returns something else, or weights do not fit.
    """
    factory_name = spec.partition(":")[2]
    _check_call(spec, load_object(spec))
    factory = load_factory(spec)
    _check_call(spec, factory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = factory()
    if isinstance(network, nn.Module):
        network = Network(network, factory_name, f"as made by {spec}")
    if not isinstance(network, Network):
        raise FrontendError(f"{spec}: expected an nn.Module or a zapsim Network, got {type(network).__name__}")
    check_model(network.model)
    if weights is not None:
        load_weights(network.model, weights)
        network = replace(network, source=f"file {weights.name}")
    to_eval_mode(network.model)
    network.model.to(choose_device(device))
    return network


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise FrontendError("torch sees no GPU; use --device cpu")
    return torch.device(name)


def _check_call(spec: str, factory: object) -> None:
    """Refuse what is not a function without arguments, and say how to write one."""
    name = spec.partition(":")[2]
    if isinstance(factory, (nn.Module, Network)):
        raise FrontendError(
            f"network '{spec}': {name} is a network, expected a function that makes one: write "
            f"`def make_model(): return {name}` and name that"
        )
    try:
        missing = [
            parameter.name
            for parameter in signature(factory).parameters.values()  # type: ignore[arg-type]
            if parameter.default is parameter.empty
            and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        ]
    except (TypeError, ValueError):  # of compiled code, which says nothing of its arguments
        return
    if missing:
        raise FrontendError(
            f"network '{spec}': {name} needs arguments ({', '.join(missing)}), expected a function without: write "
            f"`def make_model(): return {name}({missing[0]}=...)` and name that"
        )
