"""The zero-activation predictor (ZAP) of one layer.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020 (arXiv 1909.07636), section 3.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zapsim.patterns import pattern_map

_ALL = slice(None)

PARAMETERS_PER_CHANNEL = 24
"""Two depthwise 3×3 filters with bias (10 each) and two batch normalisations (2 each)."""


class Predictor(nn.Module):
    """Guesses which outputs outside the pattern are non-zero from those inside it.

    Masked post-ReLU ofmap -> depthwise 3×3 -> BN -> ReLU -> depthwise 3×3 -> BN. Channels do not mix.

    Parameters
    ----------
    channels
        Channels of the ofmap.
    pattern
        Name of the pattern whose outputs are computed first.
    """

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__()
        self.channels = channels
        self.pattern = pattern
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn2 = nn.BatchNorm2d(channels)
        # Scores start around the middle of [0, 1], where the training's clamp lets gradients through.
        nn.init.constant_(self.bn2.weight, 0.25)
        nn.init.constant_(self.bn2.bias, 0.5)

    def start_as_neighbour_rule(self) -> None:
        """Set the parameters so that scores depend on the sum of the computed outputs around, and on nothing else.

        The hidden layer says how far the normalised sum of the 3×3 is below 1 (one deviation above its mean), and
        lowers the score: it is lowest where all computed neighbours are zero, rises with their sum, and saturates.
        """
        with torch.no_grad():
            for conv in (self.conv1, self.conv2):
                conv.weight.zero_()
                assert conv.bias is not None
                conv.bias.zero_()
            self.conv1.weight.fill_(-1 / 9)
            self.bn1.bias.fill_(1)
            self.conv2.weight[:, :, 1, 1] = -1

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:])).to(ofmap.device)

    def forward(self, ofmap: torch.Tensor, channels: slice = _ALL) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap; those inside the pattern mean nothing.

        `channels` says which of the layer's `ofmap` holds: channels do not mix, so that a layer can be done in parts,
        with the same scores, gradients and statistics.
        """
        seen = ofmap * self.pattern_of(ofmap)
        hidden = torch.relu_(_normalised(self.bn1, _depthwise(self.conv1, seen, channels), channels))
        return _normalised(self.bn2, _depthwise(self.conv2, hidden, channels), channels)

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        scores: torch.Tensor = self(ofmap)
        return (scores > threshold) | self.pattern_of(ofmap)


def _depthwise(conv: nn.Conv2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
    """Return a depthwise convolution with the filters of `channels`."""
    bias = None if conv.bias is None else conv.bias[channels]
    return functional.conv2d(values, conv.weight[channels], bias, padding=conv.padding, groups=values.shape[1])


def _normalised(norm: nn.BatchNorm2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
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
