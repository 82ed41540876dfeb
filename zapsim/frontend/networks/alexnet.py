"""AlexNet in its one-column form, with torchvision's parameter names.

Architecture: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997, 2014. It
has fewer filters than the two-column network of 2012 and no groups.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.networks.initial_weights import initialise


class AlexNet(nn.Module):
    """Five convolutions with ReLUs, three of them pooled, and three fully connected layers."""

    def __init__(self, num_classes: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W) of at least 63×63."""
        maps: torch.Tensor = self.avgpool(self.features(images))
        logits: torch.Tensor = self.classifier(maps.flatten(1))
        return logits


def alexnet(num_classes: int = 1000, channels: int = 3, dropout: float = 0.5) -> AlexNet:
    """Return AlexNet with random weights."""
    return AlexNet(num_classes, channels, dropout)
