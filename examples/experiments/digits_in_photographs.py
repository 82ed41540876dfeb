"""Digits of MNIST in photographs: pictures and a small residual network that no recipe was tuned on.

Each digit is inverted into a random 28×28 cut of a photograph (|cut - digit|, three channels). Training, calibration
and test digits lie in different photographs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from classifier import idx_images
from torch import nn

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import decode, find_pictures
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.networks.digits import PREPROCESSING as GREY

PREPROCESSING = Preprocessing(size=28, resize=28, mean=(127.5,) * 3, std=(64.0,) * 3)


class Block(nn.Module):
    """Two 3×3 convolutions with batch normalisation, and a shortcut, projected where the shape changes."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        same = (channels, stride) == (filters, 1)
        projection = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
        self.project = None if same else projection

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's ofmap after its last ReLU."""
        residual = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(maps)))))
        return torch.relu(residual + (maps if self.project is None else self.project(maps)))


class ResidualCnn(nn.Module):
    """A stem of 24 filters, blocks of 24, 48 and 48, a head of 96, global average, 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(24)
        self.blocks = nn.Sequential(Block(24, 24, 1), Block(24, 48, 2), Block(48, 48, 1))
        self.head = nn.Conv2d(48, 96, 3, 2, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(96)
        self.classes = nn.Linear(96, 10)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        maps = self.blocks(torch.relu(self.norm(self.stem(pictures))))
        logits: torch.Tensor = self.classes(torch.relu(self.head_norm(self.head(maps))).mean(dim=(2, 3)))
        return logits


def network() -> Network:
    """Return the untrained network."""
    return Network(ResidualCnn(), "residual CNN", "trained by examples/experiments/harm.py", PREPROCESSING)


def pictures(mnist: Path, part: str, digits: slice, photographs: Path, seed: int) -> ImageSet:
    """Return the `digits` of ``train`` or ``t10k`` of MNIST, each in a photograph of a folder."""
    whole = idx_images(mnist, part, GREY)
    chosen, labels = whole.pixels[digits], whole.labels[digits]
    random = np.random.default_rng(seed)
    files = find_pictures([photographs])
    decoded = [np.asarray(decode(path, "RGB").reduce(2), dtype=np.int16) for path in files]
    pixels = np.empty((len(chosen), 28, 28, 3), np.uint8)
    names = []
    for place, digit in enumerate(chosen):
        number = int(random.integers(len(files)))
        rows, columns, _ = decoded[number].shape
        top, left = int(random.integers(rows - 27)), int(random.integers(columns - 27))
        cut = decoded[number][top : top + 28, left : left + 28]
        pixels[place] = np.abs(cut - digit.reshape(28, 28, 1).astype(np.int16))
        names.append(files[number].name)
    about = f"{len(chosen)} digits of MNIST ({part}) in {len(files)} photographs, seed {seed}"
    return ImageSet(pixels, tuple(names), PREPROCESSING, about, labels)
