"""ResNet-18, -34 and -50 with torchvision's parameter names.

Architecture: He et al., "Deep residual learning for image recognition", CVPR 2016, table 1, with projections where
the shape changes (option B). As in torchvision, a bottleneck's stride is at its 3×3 convolution, not at its first one.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.networks.initial_weights import initialise

_WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; a ReLU after the first and after the sum.

    `shortcut` is the projection of the input, or None where the input itself is added.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's ofmap after its last ReLU."""
        residual = self.relu(self.bn1(self.conv1(maps)))
        residual = self.bn2(self.conv2(residual))
        shortcut = maps if self.downsample is None else self.downsample(maps)
        total: torch.Tensor = self.relu(residual + shortcut)
        return total


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions, the last four times as wide, and a shortcut; three ReLUs, all one module."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        wide = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's ofmap after its last ReLU."""
        residual = self.relu(self.bn1(self.conv1(maps)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        shortcut = maps if self.downsample is None else self.downsample(maps)
        total: torch.Tensor = self.relu(residual + shortcut)
        return total


Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    """A stem, four stages of blocks, each but the first halving the map, global average and classifier.

    With `small_images` the stem is one 3×3 convolution that keeps the size, as is usual for pictures of about 32×32;
    all other parameters are the same.
    """

    def __init__(
        self, block: Block, blocks: tuple[int, int, int, int], num_classes: int, channels: int, small_images: bool
    ) -> None:
        super().__init__()
        stem = _WIDTHS[0]
        if small_images:
            self.conv1 = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(channels, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        width1, width2, width3, width4 = _WIDTHS
        self.layer1 = _stage(block, stem, width1, blocks[0], stride=1)
        self.layer2 = _stage(block, width1 * block.expansion, width2, blocks[1], stride=2)
        self.layer3 = _stage(block, width2 * block.expansion, width3, blocks[2], stride=2)
        self.layer4 = _stage(block, width3 * block.expansion, width4, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width4 * block.expansion, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, num_classes) for images (N, channels, H, W) of any size."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        logits: torch.Tensor = self.fc(self.avgpool(maps).flatten(1))
        return logits


def _stage(block: Block, channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    wide = width * block.expansion
    projection = None
    if stride != 1 or channels != wide:
        projection = nn.Sequential(nn.Conv2d(channels, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide))
    first = block(channels, width, stride, projection)
    return nn.Sequential(first, *(block(wide, width, 1, None) for _ in range(blocks - 1)))


def resnet18(num_classes: int = 1000, channels: int = 3, small_images: bool = False) -> ResNet:
    """Return ResNet-18 with random weights."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, channels, small_images)


def resnet34(num_classes: int = 1000, channels: int = 3, small_images: bool = False) -> ResNet:
    """Return ResNet-34 with random weights."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, channels, small_images)


def resnet50(num_classes: int = 1000, channels: int = 3, small_images: bool = False) -> ResNet:
    """Return ResNet-50 with random weights."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, channels, small_images)
