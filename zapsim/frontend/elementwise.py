"""Comparisons of maps, counts of bits and products with masks: on a processor NumPy takes a quarter of torch's time.

Both give the same. torch compares to bools one value after another, and makes a map of numbers from a mask before it
multiplies. Types that NumPy does not know (bfloat16), and other devices, are left to torch.
"""

from __future__ import annotations

import numpy as np
import torch

_SHARED_TYPES = (torch.float32, torch.float64)

_COUNTED_AT_ONCE = 2**18
"""Values whose bools fit the cache, so that no new memory is taken for those of a whole map."""


def nonzero(values: torch.Tensor) -> torch.Tensor:
    """Tell which values are not zero, as bool."""
    if values.dtype == torch.bool:
        return values
    if not _in_numpy(values):
        return values != 0
    return torch.from_numpy(np.not_equal(values.detach().numpy(), 0))


def count_nonzero(values: torch.Tensor) -> int:
    """Count the values that are not zero."""
    if values.device.type != "cpu":
        return int(values.count_nonzero())
    count = 0
    for part in torch.split(values.flatten(), _COUNTED_AT_ONCE):
        count += int(np.count_nonzero(nonzero(part).numpy()))
    return count


def above(scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Tell which scores are above `threshold`, rounded to their type, as bool."""
    if not _in_numpy(scores):
        return scores > threshold
    with np.errstate(over="ignore"):  # a threshold beyond all numbers of the type is infinite, as for torch
        return torch.from_numpy(np.greater(scores.detach().numpy(), float(threshold)))


def zero_skipped(ofmap: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Set the outputs that `mask`, bool of the same shape, leaves out to zero in place, and return the ofmap."""
    if not _in_numpy(ofmap) or ofmap.requires_grad:
        return ofmap.mul_(mask)
    values = ofmap.numpy()
    with np.errstate(invalid="ignore"):  # infinite ones become NaN without a word, as in torch
        np.multiply(values, mask.numpy(), out=values)
    return ofmap


def _in_numpy(values: torch.Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in _SHARED_TYPES
