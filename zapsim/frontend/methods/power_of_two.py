"""ZAP in small integers: weights that are powers of two, activations of 7 bits, shifts in the place of products.

The numbers are those of a dedicated unit with ``predictor.arithmetic: power-of-two``. Batch normalisations fold into
weights and biases. A channel's kernel has weights ± 1, 2, 4, … 64 and 0 times a scale of its own. Activations are
rounded to 0 … 127; the first sum is shifted right, rounded half up, to 0 … 127 again. Sums of 24 bits hold
everything, so that single precision computes the same whole numbers.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from zapsim.frontend.methods.depthwise import folded
from zapsim.frontend.methods.predictor import ALL_CHANNELS, Predictor
from zapsim.frontend.methods.zap import ZapPredictor
from zapsim.tracefile.predictor_work import ZAP_WORK, PredictorWork

_TOP = 127
_LARGEST_WEIGHT = 64
_BIAS_LIMIT = 2**23 - 1 - 9 * _TOP * _LARGEST_WEIGHT
_DEVIATIONS = 4.0
"""What the hidden map holds without being cut off, in standard deviations above its mean, which BN makes known."""


class PowerOfTwoPredictor(Predictor):
    """A ZAP that learns in floating point and is rounded when it has learnt.

    Attributes
    ----------
    top
        The largest activation that training has seen: what 127 stands for.
    first, first_bias, second, second_bias
        Whole numbers (K, 1, 3, 3) and (K,), as float32.
    shift
        Places by which the first sum of each channel is shifted right.
    step
        Of the scores of each channel: one in the last place of the second sum.
    """

    method = "zap-power-of-two"
    summary = "ZAP with weights ± 1, 2, … 64 and 7-bit activations: 9 shifts and additions an output"

    top: torch.Tensor
    first: torch.Tensor
    first_bias: torch.Tensor
    second: torch.Tensor
    second_bias: torch.Tensor
    shift: torch.Tensor
    step: torch.Tensor

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__(channels, pattern)
        self.zap = ZapPredictor(channels, pattern)
        self.register_buffer("top", torch.zeros(()))
        for name in ("first", "second"):
            self.register_buffer(name, torch.zeros(channels, 1, 3, 3))
        for name in ("first_bias", "second_bias", "shift", "step"):
            self.register_buffer(name, torch.zeros(channels))

    def start(self, saturating: bool = True) -> None:
        """Start as ZAP does."""
        self.zap.start(saturating)

    def watch(self, ofmap: torch.Tensor) -> None:
        """Keep the largest activation."""
        self.top = torch.maximum(self.top, ofmap.max().to(self.top))

    def forward(self, ofmap: torch.Tensor, channels: slice = ALL_CHANNELS) -> torch.Tensor:
        """Return a score for every output: ZAP's while it learns, that of whole numbers when it is finished."""
        if not bool((self.step > 0).all()):
            scores: torch.Tensor = self.zap(ofmap, channels)
            return scores
        seen = torch.floor(ofmap * self.pattern_of(ofmap) * (_TOP / self.top) + 0.5).clamp_(0, _TOP)
        sums = _depthwise(seen, self.first[channels], self.first_bias[channels])
        hidden = torch.floor(sums.relu_() * _per_channel(0.5 ** self.shift[channels]) + 0.5).clamp_(0, _TOP)
        scores = _depthwise(hidden, self.second[channels], self.second_bias[channels])
        return scores * _per_channel(self.step[channels])

    @torch.no_grad()
    def finish(self) -> None:
        """Round weights and biases."""
        self.top = torch.where(self.top > 0, self.top, torch.ones_like(self.top))
        input_step = self.top / _TOP
        first, first_bias = folded(self.zap.conv1, self.zap.bn1)
        second, second_bias = folded(self.zap.conv2, self.zap.bn2)
        self.first, first_scale = _powers(first)
        self.second, second_scale = _powers(second)
        sum_step = input_step * first_scale
        highest = (self.zap.bn1.bias + _DEVIATIONS * self.zap.bn1.weight.abs()).clamp(min=0) / sum_step
        self.shift = torch.ceil(torch.log2((highest / _TOP).clamp(min=1))).clamp(0, 23)
        self.step = sum_step * 2.0**self.shift * second_scale
        self.first_bias = _whole(first_bias / sum_step)
        self.second_bias = _whole(second_bias / self.step)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the whole numbers, not what they were rounded from."""
        return {name: value for name, value in super().tensors().items() if not name.startswith("zap.")}

    def work(self, threshold: float) -> PredictorWork:
        """Return ZAP's two kernels; what a product takes is the arithmetic of the architecture."""
        return ZAP_WORK


def _powers(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round weights (K, 1, 3, 3) to powers of two times a scale (K,), for each kernel; return them and the scales."""
    scale = weights.abs().amax(dim=(1, 2, 3)).clamp(min=1e-12) / _LARGEST_WEIGHT
    sizes = weights.abs() / scale[:, None, None, None]
    powers = 2.0 ** torch.round(torch.log2(sizes.clamp(min=0.5))).clamp(0, 6)
    return torch.where(sizes < 0.5, torch.zeros_like(weights), weights.sign() * powers), scale


def _whole(values: torch.Tensor) -> torch.Tensor:
    return torch.round(values).clamp(-_BIAS_LIMIT, _BIAS_LIMIT)


def _per_channel(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]


def _depthwise(values: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(values, weights, bias, padding=1, groups=values.shape[1])
