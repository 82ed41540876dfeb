"""Operating points: which threshold each layer's predictor uses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zapsim.errors import FrontendError


@dataclass(frozen=True, slots=True)
class Setting:
    """A named set of thresholds, by layer; a layer that is not in it computes everything.

    An output outside the pattern is computed if its score is above the threshold: a higher one skips more.
    """

    name: str
    thresholds: Mapping[str, float]


def uniform_settings(thresholds: Sequence[float], layers: Iterable[str]) -> tuple[Setting, ...]:
    """Return one setting for each threshold, the same in all `layers`, named ``t0.2`` and so on.

    Raises
    ------
    FrontendError
        If a threshold is not finite or given twice.
    """
    if not all(math.isfinite(value) for value in thresholds):
        raise FrontendError(f"thresholds must be finite, got {', '.join(map(str, thresholds))}")
    if len(set(thresholds)) < len(thresholds):
        raise FrontendError(f"a threshold is given twice: {', '.join(map(str, thresholds))}")
    names = tuple(layers)
    return tuple(Setting(f"t{value:g}", dict.fromkeys(names, value)) for value in thresholds)
