"""The zero-activation predictor in whole numbers, as the unit in ``rtl/src/zap_predictor.sv`` computes it.

Batch normalisations fold into weights and biases. Activations are 0 to 127. Weights are int8, or ± powers of two from
1 to 64 and zero, scaled per channel and kernel. The first sum is shifted right (rounded half up) to 0 to 127, by a
number of places per channel; the threshold is taken off the second bias. Scales come from the activations that are
given, so these should be representative. Needs no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from zapsim.patterns import pattern_map

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_EPSILON = 1e-5  # of torch's batch normalisation
_TOP = 127
_BIAS_LIMIT = 2**23 - 1 - 9 * _TOP * _TOP  # sums of 24 bits cannot overflow


@dataclass(frozen=True)
class FoldedPredictor:
    """Both kernels of some channels without their batch normalisations: weights (K, 3, 3) and biases (K,)."""

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    def scores(self, ofmap: NDArray[Any], pattern: str) -> Floats:
        """Return the scores of post-ReLU outputs (K, P, Q) in floating point."""
        return depthwise(self.hidden(ofmap, pattern), self.second) + self.second_bias[:, None, None]

    def hidden(self, ofmap: NDArray[Any], pattern: str) -> Floats:
        """Return what the first kernel gives, behind its ReLU."""
        seen = ofmap.astype(np.float64) * pattern_map(pattern, *ofmap.shape[1:])
        return np.maximum(depthwise(seen, self.first) + self.first_bias[:, None, None], 0)


@dataclass(frozen=True)
class QuantisedPredictor:
    """What the unit's memories hold, int64: weights (K, 3, 3), biases, right shifts (K,); `step` is that of inputs."""

    first: Ints
    first_bias: Ints
    first_shift: Ints
    second: Ints
    second_bias: Ints
    step: float

    def quantised(self, ofmap: NDArray[Any]) -> Ints:
        """Return activations (K, P, Q) as the unit takes them."""
        steps = np.floor(ofmap.astype(np.float64) / self.step + 0.5)
        return np.clip(steps, 0, _TOP).astype(np.int64)

    def computed(self, activations: Ints, pattern: str) -> NDArray[np.bool_]:
        """Return the predictions as bool (K, P, Q), also inside the pattern, where they mean nothing."""
        seen = activations * pattern_map(pattern, *activations.shape[1:])
        sums = depthwise(seen, self.first) + self.first_bias[:, None, None]
        shift = self.first_shift[:, None, None]
        half = np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
        hidden = np.clip((np.maximum(sums, 0) + half) >> shift, 0, _TOP)
        scores: NDArray[np.bool_] = depthwise(hidden, self.second) + self.second_bias[:, None, None] > 0
        return scores


def depthwise(values: NDArray[Any], kernels: NDArray[Any]) -> NDArray[Any]:
    """Return the depthwise 3×3 convolution of (K, P, Q) with (K, 3, 3), zeros around."""
    _, rows, cols = values.shape
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros(values.shape, dtype=np.result_type(values, kernels))
    for r in range(3):
        for s in range(3):
            total += padded[:, r : r + rows, s : s + cols] * kernels[:, r, s, None, None]
    return total


def load_folded(path: Path, layer: str, channels: slice) -> tuple[FoldedPredictor, str]:
    """Read some channels of a layer's predictor from a ``.zap.safetensors`` file; return it and its pattern."""
    with safe_open(path, "np") as file:
        header = json.loads(file.metadata()["zapsim_predictors"])

        def tensor(name: str) -> Floats:
            values: Floats = file.get_tensor(f"{layer}/{name}")[channels].astype(np.float64)
            return values

        kernels = []
        for n in (1, 2):
            gain = tensor(f"bn{n}.weight") / np.sqrt(tensor(f"bn{n}.running_var") + _EPSILON)
            kernels.append(tensor(f"conv{n}.weight")[:, 0] * gain[:, None, None])
            kernels.append((tensor(f"conv{n}.bias") - tensor(f"bn{n}.running_mean")) * gain + tensor(f"bn{n}.bias"))
    return FoldedPredictor(*kernels), header["layers"][layer]["pattern"]


def quantise(
    folded: FoldedPredictor, ofmap: NDArray[Any], pattern: str, threshold: float, *, powers_of_two: bool = False
) -> QuantisedPredictor:
    """Return the predictor in whole numbers.

    Parameters
    ----------
    folded
        The predictor of K channels.
    ofmap
        Post-ReLU outputs (K, P, Q) that set the scales.
    pattern, threshold
        Which outputs are computed first, and the score above which another is computed.
    powers_of_two
        Whether weights are powers of two instead of int8.
    """
    step = max(float(ofmap.max()), 1e-9) / _TOP
    first, first_scale = _weights(folded.first, powers_of_two)
    second, second_scale = _weights(folded.second, powers_of_two)
    largest = folded.hidden(ofmap, pattern).max(axis=(1, 2))
    in_sums = np.maximum(largest / (step * first_scale), 1)
    shift = np.clip(np.ceil(np.log2(in_sums / _TOP)), 0, 23).astype(np.int64)
    hidden_step = step * first_scale * 2.0**shift
    return QuantisedPredictor(
        first=first,
        first_bias=_bias(folded.first_bias / (step * first_scale)),
        first_shift=shift,
        second=second,
        second_bias=_bias((folded.second_bias - threshold) / (hidden_step * second_scale)),
        step=step,
    )


def _weights(kernels: Floats, powers_of_two: bool) -> tuple[Ints, Floats]:
    """Return whole weights and the size of one step, per channel."""
    largest = np.maximum(np.abs(kernels).max(axis=(1, 2)), 1e-12)
    if not powers_of_two:
        scale = largest / _TOP
        return np.rint(kernels / scale[:, None, None]).astype(np.int64), scale
    scale = largest / 64
    sizes = np.abs(kernels) / scale[:, None, None]
    powers = 2.0 ** np.clip(np.rint(np.log2(np.maximum(sizes, 1e-9))), 0, 6)
    return np.where(sizes < 0.5, 0, np.sign(kernels) * powers).astype(np.int64), scale


def _bias(values: Floats) -> Ints:
    return np.clip(np.rint(values), -_BIAS_LIMIT, _BIAS_LIMIT).astype(np.int64)
