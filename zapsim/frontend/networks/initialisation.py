"""Random weights under which signals keep their size through many ReLU layers."""

from __future__ import annotations

from torch import nn


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
