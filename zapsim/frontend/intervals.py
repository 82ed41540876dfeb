"""Confidence intervals over images: what another draw of as many images might have given."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_Z = 1.959963984540054
"""Standard normal quantile of 97.5 %."""
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval over images."""

    value: float
    low: float
    high: float


def proportion(hits: int, images: int) -> Estimate:
    """Return a share with Wilson's interval (Journal of the American Statistical Association 22, 1927)."""
    share = hits / images
    centre = (share + _Z**2 / (2 * images)) / (1 + _Z**2 / images)
    reach = _Z / (1 + _Z**2 / images) * sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2))
    return Estimate(share, max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach)))


def paired_loss(before: NDArray[np.bool_], after: NDArray[np.bool_], seed: int = 0) -> Estimate:
    """Return how many more images were right before than after, as a share, with the paired bootstrap's interval."""
    images = len(before)
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    # Drawing images again is drawing the numbers of those that were lost, won and neither.
    shares = [lost / images, won / images, (images - lost - won) / images]
    drawn = np.random.default_rng(seed).multinomial(images, shares, size=_RESAMPLES)
    return _between((lost - won) / images, (drawn[:, 0] - drawn[:, 1]) / images)


def root_ratio(above: NDArray[np.float64], below: NDArray[np.float64], seed: int = 0) -> Estimate:
    """Return sqrt(sum of `above` / sum of `below`) over images, with the bootstrap's interval."""
    random = np.random.default_rng(seed)
    found = np.empty(_RESAMPLES)
    for index in range(_RESAMPLES):
        chosen = random.integers(0, len(above), len(above))
        whole = below[chosen].sum()
        found[index] = np.sqrt(above[chosen].sum() / whole) if whole > 0 else np.nan
    return _between(float(np.sqrt(above.sum() / below.sum())), found)


def _between(value: float, found: NDArray[np.float64]) -> Estimate:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(found, [tail, 100 - tail])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
