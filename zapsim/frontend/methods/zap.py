"""The zero-activation predictor (ZAP) of one layer: two depthwise 3×3 kernels.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020 (arXiv 1909.07636), section 3.
"""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.methods.depthwise import depthwise, normalised
from zapsim.frontend.methods.predictor import ALL_CHANNELS, Predictor
from zapsim.tracefile.predictor_work import ZAP_WORK, PredictorWork

PARAMETERS_PER_CHANNEL = 24
"""Two depthwise 3×3 filters with bias (10 each) and two batch normalisations (2 each)."""


_HIGHEST = 3
"""Deviations above their mean up to which sums of neighbours raise the score when training starts."""


class ZapPredictor(Predictor):
    """Masked post-ReLU ofmap -> depthwise 3×3 -> BN -> ReLU -> depthwise 3×3 -> BN. Channels do not mix."""

    method = "zap"
    summary = "two depthwise 3×3 kernels with a ReLU between them (Shomron et al., ECCV 2020): 9 MACs an output"

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__(channels, pattern)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn2 = nn.BatchNorm2d(channels)
        # Scores start around the middle of [0, 1], where the training's clamp lets gradients through.
        nn.init.constant_(self.bn2.weight, 0.25)
        nn.init.constant_(self.bn2.bias, 0.5)

    def start(self, saturating: bool = True) -> None:
        """Set the parameters so that scores depend on the sum of the computed outputs around, and on nothing else.

        The hidden layer says how far the normalised sum of the 3×3 is below 1 (one deviation above its mean), and
        lowers the score: it is lowest where all computed neighbours are zero, rises with their sum, and saturates.
        If it should not be `saturating`, it says how far the sum is below 3, where few are.
        """
        with torch.no_grad():
            for conv in (self.conv1, self.conv2):
                conv.weight.zero_()
                assert conv.bias is not None
                conv.bias.zero_()
            self.conv1.weight.fill_(-1 / 9)
            self.bn1.bias.fill_(1 if saturating else _HIGHEST)
            self.conv2.weight[:, :, 1, 1] = -1

    def start_as_published(self) -> None:
        """Set the second normalisation to weight 1 and bias 0, as the paper's authors leave it.

        Two scores in three then start outside [0, 1], where the paper's error has no gradient.
        """
        nn.init.ones_(self.bn2.weight)
        nn.init.zeros_(self.bn2.bias)

    def forward(self, ofmap: torch.Tensor, channels: slice = ALL_CHANNELS) -> torch.Tensor:
        """Return a score for every output; see :class:`~zapsim.frontend.methods.predictor.Predictor`.

        Channels do not mix, so that a layer can be done in parts, with the same scores, gradients and statistics.
        """
        seen = ofmap * self.pattern_of(ofmap)
        hidden = torch.relu_(normalised(self.bn1, depthwise(self.conv1, seen, channels), channels))
        return normalised(self.bn2, depthwise(self.conv2, hidden, channels), channels)

    def work(self, threshold: float) -> PredictorWork:
        """Return the two kernels: one needed everywhere, one outside the pattern."""
        return ZAP_WORK
