"""MobileNetV1 and MobileNetV2 at width 1.

Architectures: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications",
arXiv 1704.04861, 2017, table 1; Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018,
table 2. MobileNetV2 has torchvision's parameter names. Torchvision has no MobileNetV1: its names here are those that
most PyTorch definitions share. ``model.0`` is the sequence of the first convolution (convolution, BN, ReLU),
``model.1`` .. ``model.13`` are the separable ones (depthwise, BN, ReLU, pointwise, BN, ReLU), ``fc`` is the classifier.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.networks.initial_weights import initialise

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


def mobilenet_v1(num_classes: int = 1000, channels: int = 3) -> MobileNetV1:
    """Return MobileNetV1 with random weights."""
    return MobileNetV1(num_classes, channels)


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
        steps: list[nn.Module] = (
            [nn.Sequential(*_convolution(channels, hidden, 1, relu=nn.ReLU6))] if expansion > 1 else []
        )
        depthwise = _convolution(hidden, hidden, 3, stride=stride, groups=hidden, relu=nn.ReLU6)
        steps.append(nn.Sequential(*depthwise))
        self.conv = nn.Sequential(*steps, nn.Conv2d(hidden, filters, 1, bias=False), nn.BatchNorm2d(filters))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's ofmap."""
        made: torch.Tensor = self.conv(maps)
        return maps + made if self.adds_input else made


class MobileNetV2(nn.Module):
    """A convolution, seventeen inverted residuals, a 1×1 convolution, global average and classifier."""

    def __init__(self, num_classes: int, channels: int, dropout: float) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Sequential(*_convolution(channels, _STEM, 3, stride=2, relu=nn.ReLU6))]
        inputs = _STEM
        for expansion, filters, blocks, stride in _STAGES:
            for index in range(blocks):
                steps.append(InvertedResidual(inputs, filters, stride if index == 0 else 1, expansion))
                inputs = filters
        steps.append(nn.Sequential(*_convolution(inputs, _LAST, 1, relu=nn.ReLU6)))
        self.features = nn.Sequential(*steps)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(_LAST, num_classes))
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W) of any size."""
        maps: torch.Tensor = self.avgpool(self.features(images))
        logits: torch.Tensor = self.classifier(maps.flatten(1))
        return logits


def mobilenet_v2(num_classes: int = 1000, channels: int = 3, dropout: float = 0.2) -> MobileNetV2:
    """Return MobileNetV2 with random weights."""
    return MobileNetV2(num_classes, channels, dropout)


def _convolution(
    channels: int,
    filters: int,
    size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    relu: type[nn.ReLU] | type[nn.ReLU6] = nn.ReLU,
) -> list[nn.Module]:
    """Return a convolution that keeps the map's size (but for its stride), its batch normalisation and its ReLU."""
    return [
        nn.Conv2d(channels, filters, size, stride=stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(filters),
        relu(inplace=True),
    ]
