"""How much a metric differs from one image to the next: mean, standard deviation and 95 % interval of the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Final

_T: Final = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)  # fmt: skip
"""Quantiles of 97.5 % of Student's t for 1, 2, 3 and so on degrees of freedom.

Figures of a run must not depend on which extras are installed, and SciPy, which belongs to some, would make a plain
installation two fifths larger. A test holds these to ``scipy.special.stdtrit``.
"""

_Z: Final = 1.959963984540054
"""The same of the normal distribution."""


@dataclass(frozen=True, slots=True)
class OverImages:
    """A metric over images that run one by one.

    Attributes
    ----------
    images
        How many there are, at least two.
    mean, deviation
        Mean, and standard deviation of one image (with images − 1 in the denominator).
    low, high
        Bounds of the mean of all images like these with 95 % confidence, by Student's t, which assumes a normal
        distribution over images.
    """

    images: int
    mean: float
    deviation: float
    low: float
    high: float


def over_images(values: Sequence[float]) -> OverImages:
    """Summarise at least two finite values, one per image.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    images = len(values)
    if images < 2:
        raise ValueError(f"an interval needs at least two values, got {images}")
    mean = fsum(values) / images
    deviation = sqrt(fsum((value - mean) ** 2 for value in values) / (images - 1))
    reach = student_t_quantile(images - 1) * deviation / sqrt(images)
    return OverImages(images, mean, deviation, mean - reach, mean + reach)


def student_t_quantile(freedom: int) -> float:
    """Return the quantile of 97.5 % of Student's t (beyond 30 degrees of freedom by Cornish and Fisher's expansion)."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    first = (_Z**3 + _Z) / 4
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    third = (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384
    return _Z + first / freedom + second / freedom**2 + third / freedom**3
