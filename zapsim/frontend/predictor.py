"""The zero-activation predictor (ZAP) of one layer.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020 (arXiv 1909.07636), section 3.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.patterns import pattern_map

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

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:])).to(ofmap.device)

    def forward(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap; those inside the pattern mean nothing."""
        seen = ofmap * self.pattern_of(ofmap)
        hidden = torch.relu_(self.bn1(self.conv1(seen)))
        scores: torch.Tensor = self.bn2(self.conv2(hidden))
        return scores

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        scores: torch.Tensor = self(ofmap)
        return (scores > threshold) | self.pattern_of(ofmap)
