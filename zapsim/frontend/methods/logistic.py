"""Logistic regression of one layer's zeros on the computed outputs around: one depthwise 3×3 kernel."""

from __future__ import annotations

import torch
from torch import nn

from zapsim.frontend.methods.depthwise import depthwise, normalised
from zapsim.frontend.methods.predictor import ALL_CHANNELS, Predictor
from zapsim.tracefile.predictor_work import Kernel, PredictorWork


class LogisticPredictor(Predictor):
    """Masked post-ReLU ofmap -> depthwise 3×3 -> BN: the logit of "is not zero", in the unit of ZAP's scores.

    The recipe ``weighted`` takes a score s for the chance sigmoid(8 · (s - ½)), so that what learns is a logistic
    regression. The sigmoid itself is never computed: it rises, so a threshold of the chance is one of the score.

    The kernel is needed outside the pattern only: 9 · (1 - s) MACs an output, with a share s of the outputs in the
    pattern, and 10 weights a channel. All taps are counted, also those that see zeros outside the pattern.
    """

    method = "logistic"
    summary = "one depthwise 3×3 kernel, a logistic regression: 9 MACs an output outside the pattern"

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__(channels, pattern)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        nn.init.constant_(self.bn.weight, 0.25)
        nn.init.constant_(self.bn.bias, 0.5)

    def start(self, saturating: bool = True) -> None:
        """Weigh all computed outputs around alike."""
        nn.init.constant_(self.conv.weight, 1 / 9)

    def forward(self, ofmap: torch.Tensor, channels: slice = ALL_CHANNELS) -> torch.Tensor:
        """Return a score for every output; see :class:`~zapsim.frontend.methods.predictor.Predictor`."""
        seen = ofmap * self.pattern_of(ofmap)
        return normalised(self.bn, depthwise(self.conv, seen, channels), channels)

    def work(self, threshold: float) -> PredictorWork:
        """Return the kernel, which is needed outside the pattern."""
        return PredictorWork(kernels=(Kernel(side=3, outputs="outside"),))
