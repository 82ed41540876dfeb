"""95 % intervals of what is measured on images, where crops of one photograph are not independent.

Photographs are what is drawn from the world, so photographs are what intervals resample or count, never their crops.

- *Shares* (agreement, accuracy): Clopper and Pearson's exact interval (Biometrika 26, 1934). If photographs have
  several images, with the effective number of images of Korn and Graubard (Survey Methodology 24, 1998).
- *Losses*, differences of two shares on the same images: what was lost and what was won each have such an interval, and
  these are joined by the squares of their reaches (Zou and Donner, Statistics in Medicine 27, 2008). With nothing lost
  and nothing won, the interval is what the exact ones say, never [0, 0].
- *Ratios* (output error, MACs): the bootstrap over photographs, with percentiles as far out as Student's t asks for
  this number of photographs (Hesterberg, The American Statistician 69, 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import hypot, inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, stdtrit

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_RESAMPLES = 2000

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
"""Which photograph each image is of: 0 to photographs - 1."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over photographs, and how many images and photographs it is of."""

    value: float
    low: float
    high: float
    images: int
    photographs: int


def places_of(photographs: Sequence[str]) -> Places:
    """Give each photograph of a set of images a number, given the name or digest of each image's photograph."""
    numbers: Places = np.unique(np.array(photographs), return_inverse=True)[1].astype(np.int64)
    return numbers


def share(hits: Bools, places: Places) -> Estimate:
    """Return the share of images that are hits.

    With photographs of several images, the effective number of images is p (1 - p) over the variance between
    photographs, and is smaller by the square of the ratio of Student's quantiles. If all images are hits, or none, it
    is the number of photographs: those may be alike within.
    """
    images, photographs = len(hits), _count(places)
    value = float(hits.mean())
    if images == photographs:
        effective = float(images)
    elif photographs < 2:
        return Estimate(value, 0.0, 1.0, images, photographs)
    elif value in (0.0, 1.0):
        effective = float(photographs)
    else:
        residuals = np.bincount(places, hits - value)
        variance = photographs / (photographs - 1) * float((residuals**2).sum()) / images**2
        ratio = stdtrit(images - 1, 1 - _TAIL) / stdtrit(photographs - 1, 1 - _TAIL)
        effective = min(float(images), value * (1 - value) / variance * ratio**2) if variance > 0 else float(images)
    return Estimate(value, *_clopper_pearson(value * effective, effective), images, photographs)


def _clopper_pearson(hits: float, images: float) -> tuple[float, float]:
    low = 0.0 if hits <= 0 else float(betaincinv(hits, images - hits + 1, _TAIL))
    high = 1.0 if hits >= images else float(betaincinv(hits + 1, images - hits, 1 - _TAIL))
    return low, high


def paired_loss(before: Bools, after: Bools, places: Places) -> Estimate:
    """Return how many more images were right before than after, as a share of all."""
    lost, won = share(before & ~after, places), share(after & ~before, places)
    value = lost.value - won.value
    low = value - hypot(lost.value - lost.low, won.high - won.value)
    high = value + hypot(lost.high - lost.value, won.value - won.low)
    return Estimate(value, low, high, lost.images, lost.photographs)


def root_ratio(above: Floats, below: Floats, places: Places) -> Estimate:
    """Return sqrt(sum of `above` / sum of `below`) over images."""
    return _resampled((above, below), places, lambda sums: np.sqrt(sums[0] / sums[1]))


def root_ratio_difference(above: Floats, reference: Floats, below: Floats, places: Places) -> Estimate:
    """Return the root ratio of `above` minus that of `reference`, on the same images."""

    def statistic(sums: Floats) -> Floats:
        difference: Floats = np.sqrt(sums[0] / sums[2]) - np.sqrt(sums[1] / sums[2])
        return difference

    return _resampled((above, reference, below), places, statistic)


def mean_difference(values: Floats, reference: Floats, places: Places) -> Estimate:
    """Return the mean over images of `values` minus that of `reference`."""
    ones = np.ones(len(values))
    return _resampled((values - reference, ones), places, lambda sums: sums[0] / sums[1])


def _resampled(columns: Sequence[Floats], places: Places, statistic: Callable[[Floats], Floats]) -> Estimate:
    """Return a statistic of the columns' sums, with the bootstrap's interval over photographs.

    `statistic` takes sums (columns, resamples). The same photographs are drawn at every call, so that figures of
    different methods can be compared.
    """
    images, photographs = len(columns[0]), _count(places)
    sums = np.array([np.bincount(places, column) for column in columns])
    value = float(statistic(sums.sum(axis=1, keepdims=True))[0])
    if photographs < 2:  # nothing is known of how photographs differ
        return Estimate(value, -inf, inf, images, photographs)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.concatenate([statistic(sums @ part.T.astype(np.float64)) for part in _draws(photographs)])
    tail = 100 * float(ndtr(-sqrt(photographs / (photographs - 1)) * stdtrit(photographs - 1, 1 - _TAIL)))
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    return Estimate(value, min(value, float(low)), max(value, float(high)), images, photographs)


@lru_cache(maxsize=2)
def _draws(photographs: int) -> tuple[NDArray[np.uint8], ...]:
    """Draw photographs with replacement: how often each was drawn, (resamples, photographs) in a few parts."""
    random = np.random.default_rng(0)
    drawn = np.empty((_RESAMPLES, photographs), dtype=np.uint8)
    for times in drawn:
        times[:] = np.bincount(random.integers(0, photographs, photographs), minlength=photographs)
    return tuple(np.array_split(drawn, 10))


def _count(places: Places) -> int:
    return int(places.max()) + 1
