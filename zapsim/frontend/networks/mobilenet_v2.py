"""MobileNetV2 at width 1, with torchvision's parameter names.

Architecture: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 2.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.networks.initialisation import initialise

_STEM = 32
_LAST = 1280
_STAGES = (  # expansion, filters, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Expansion (1×1, ReLU6), depthwise 3×3 (ReLU6) and projection (1×1, no ReLU).

    The input is added where it has the shape of the output; nothing follows that sum but the next block.
    """

    def __init__(self, channels: int, filters: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.adds_input = stride == 1 and channels == filters
        hidden = channels * expansion
        steps: list[nn.Module] = [_convolution(channels, hidden, 1)] if expansion > 1 else []
        steps.append(_convolution(hidden, hidden, 3, stride=stride, groups=hidden))
        self.conv = nn.Sequential(*steps, nn.Conv2d(hidden, filters, 1, bias=False), nn.BatchNorm2d(filters))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's ofmap."""
        made: torch.Tensor = self.conv(maps)
        return maps + made if self.adds_input else made


class MobileNetV2(nn.Module):
    """A convolution, seventeen inverted residuals, a 1×1 convolution, global average and classifier."""

    def __init__(self, num_classes: int, channels: int, dropout: float) -> None:
        super().__init__()
        steps: list[nn.Module] = [_convolution(channels, _STEM, 3, stride=2)]
        inputs = _STEM
        for expansion, filters, blocks, stride in _STAGES:
            for index in range(blocks):
                steps.append(InvertedResidual(inputs, filters, stride if index == 0 else 1, expansion))
                inputs = filters
        steps.append(_convolution(inputs, _LAST, 1))
        self.features = nn.Sequential(*steps)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(_LAST, num_classes))
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W) of any size."""
        maps: torch.Tensor = self.avgpool(self.features(images))
        logits: torch.Tensor = self.classifier(maps.flatten(1))
        return logits


def _convolution(channels: int, filters: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, filters, size, stride=stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU6(inplace=True),
    )


def mobilenet_v2(num_classes: int = 1000, channels: int = 3, dropout: float = 0.2) -> MobileNetV2:
    """Return MobileNetV2 with random weights."""
    return MobileNetV2(num_classes, channels, dropout)
