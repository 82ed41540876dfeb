"""VGG-8: a small VGG (6 convolutions, 0.58 M parameters) for grey pictures of 28×28, such as Fashion-MNIST."""

from __future__ import annotations

from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.networks.vgg import Vgg

_BLOCKS = ((32, 2), (64, 2), (128, 2))  # filters and convolutions of each block

PREPROCESSING = Preprocessing(size=28, resize=28, mean=(0.2860 * 255,), std=(0.3530 * 255,), colours="L")
"""Mean and standard deviation of Fashion-MNIST's training pictures."""


def vgg8(num_classes: int = 10, batch_norm: bool = True, dropout: float = 0.5) -> Network:
    """Return VGG-8 with random weights, and how it sees pictures."""
    model = layers(num_classes, batch_norm=batch_norm, dropout=dropout)
    return Network(model, "VGG-8", "random weights", PREPROCESSING)


def layers(num_classes: int = 10, channels: int = 1, batch_norm: bool = True, dropout: float = 0.5) -> Vgg:
    """Return the network alone: three blocks of two convolutions, then 256 hidden units."""
    return Vgg(_BLOCKS, (256,), num_classes, channels=channels, batch_norm=batch_norm, pooled=3, dropout=dropout)
