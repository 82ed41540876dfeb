"""Depthwise convolution and batch normalisation of some of a layer's channels."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def depthwise(conv: nn.Conv2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
    """Return a depthwise convolution of `values`, which are the layer's `channels`, with the filters of these."""
    bias = None if conv.bias is None else conv.bias[channels]
    return functional.conv2d(values, conv.weight[channels], bias, padding=conv.padding, groups=values.shape[1])


def normalised(norm: nn.BatchNorm2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
    """Return batch normalisation of `channels`; in training mode their running statistics learn, too."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    return functional.batch_norm(
        values,
        norm.running_mean[channels],
        norm.running_var[channels],
        norm.weight[channels],
        norm.bias[channels],
        norm.training,
        norm.momentum,
        norm.eps,
    )


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights (K, 1, 3, 3) and biases (K,) that alone give what `conv` and `norm` (in eval mode) give."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    start = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    return conv.weight * gain[:, None, None, None], start * gain + norm.bias
