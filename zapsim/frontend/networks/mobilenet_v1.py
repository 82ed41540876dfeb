"""MobileNetV1 at width 1.

Architecture: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications",
arXiv 1704.04861, 2017, table 1. torchvision has none, so that there are no names of its own to follow. These are the
ones that most PyTorch definitions share: ``model.0`` is the first convolution's sequence (convolution, BN, ReLU),
``model.1`` .. ``model.13`` are the separable ones (depthwise, BN, ReLU, pointwise, BN, ReLU), ``fc`` is the classifier.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.networks.initialisation import initialise

_STEM = 32
_SEPARABLE = (  # filters and stride of each
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


class MobileNetV1(nn.Module):
    """A convolution, thirteen depthwise separable ones, global average and classifier."""

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        steps = [nn.Sequential(*_convolution(channels, _STEM, 3, stride=2))]
        inputs = _STEM
        for filters, stride in _SEPARABLE:
            depthwise = _convolution(inputs, inputs, 3, stride=stride, groups=inputs)
            steps.append(nn.Sequential(*depthwise, *_convolution(inputs, filters, 1)))
            inputs = filters
        self.model = nn.Sequential(*steps)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W) of any size."""
        logits: torch.Tensor = self.fc(self.avgpool(self.model(images)).flatten(1))
        return logits


def _convolution(channels: int, filters: int, size: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, size, stride=stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    ]


def mobilenet_v1(num_classes: int = 1000, channels: int = 3) -> MobileNetV1:
    """Return MobileNetV1 with random weights."""
    return MobileNetV1(num_classes, channels)
