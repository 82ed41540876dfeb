"""VGG-11, -13, -16 and -19, with and without batch normalisation, with torchvision's parameter names.

Architecture: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
table 1, configurations A, B, D and E. Batch normalisation is younger than the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from zapsim.frontend.networks.initial_weights import initialise

_FILTERS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = {  # in each block
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class Vgg(nn.Module):
    """Blocks of 3×3 convolutions with ReLUs, a 2×2 pool behind each block, and a classifier.

    Parameters
    ----------
    blocks
        Filters and number of convolutions of each block.
    hidden
        Widths of the fully connected layers before the last.
    pooled
        Rows and columns of the map that the classifier sees; maps of another size are averaged to it.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, int]],
        hidden: Sequence[int],
        num_classes: int,
        *,
        channels: int = 3,
        batch_norm: bool = False,
        pooled: int = 7,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = _features(blocks, channels, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        self.classifier = _classifier((blocks[-1][0] * pooled**2, *hidden), num_classes, dropout)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W); each block halves the map."""
        maps: torch.Tensor = self.avgpool(self.features(images))
        logits: torch.Tensor = self.classifier(maps.flatten(1))
        return logits


def _features(blocks: Sequence[tuple[int, int]], channels: int, batch_norm: bool) -> nn.Sequential:
    steps: list[nn.Module] = []
    for filters, convolutions in blocks:
        for _ in range(convolutions):
            steps.append(nn.Conv2d(channels, filters, 3, padding=1))
            if batch_norm:
                steps.append(nn.BatchNorm2d(filters))
            steps.append(nn.ReLU(inplace=True))
            channels = filters
        steps.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*steps)


def _classifier(widths: Sequence[int], num_classes: int, dropout: float) -> nn.Sequential:
    steps: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        steps += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*steps, nn.Linear(widths[-1], num_classes))


def _vgg(depth: int, num_classes: int, channels: int, dropout: float, batch_norm: bool) -> Vgg:
    blocks = tuple(zip(_FILTERS, _CONVOLUTIONS[depth], strict=True))
    return Vgg(blocks, (4096, 4096), num_classes, channels=channels, batch_norm=batch_norm, dropout=dropout)


def vgg11(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-11 (configuration A) with random weights."""
    return _vgg(11, num_classes, channels, dropout, batch_norm=False)


def vgg11_bn(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-11 with batch normalisation and random weights."""
    return _vgg(11, num_classes, channels, dropout, batch_norm=True)


def vgg13(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-13 (configuration B) with random weights."""
    return _vgg(13, num_classes, channels, dropout, batch_norm=False)


def vgg13_bn(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-13 with batch normalisation and random weights."""
    return _vgg(13, num_classes, channels, dropout, batch_norm=True)


def vgg16(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-16 (configuration D) with random weights."""
    return _vgg(16, num_classes, channels, dropout, batch_norm=False)


def vgg16_bn(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-16 with batch normalisation and random weights."""
    return _vgg(16, num_classes, channels, dropout, batch_norm=True)


def vgg19(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-19 (configuration E) with random weights."""
    return _vgg(19, num_classes, channels, dropout, batch_norm=False)


def vgg19_bn(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> Vgg:
    """Return VGG-19 with batch normalisation and random weights."""
    return _vgg(19, num_classes, channels, dropout, batch_norm=True)
