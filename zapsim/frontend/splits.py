"""Training, calibration and test are of different photographs, and of enough of them: refusals, and warnings.

Predictors learn on the first, thresholds are chosen on the second, and what is measured on the third holds for pictures
that nobody has seen. The files of predictors and operating points name their photographs in their provenance
(:mod:`zapsim.frontend.data.photographs`), so that the next step can compare.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.photographs import described_photographs
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.tracefile.records import OperatingPoint

LEAST_PHOTOGRAPHS = 6
"""With six, the median of all photographs like these lies between the least and the greatest with 97 % confidence
(1 - 2^-5), with five only with 94 %: fewer say nothing at 95 %, whatever their values are."""


class OverlapWarning(UserWarning):
    """Photographs of one split are in another one, too."""


def check_enough(images: ImageSet, purpose: str) -> None:
    """Make sure that images are of enough photographs to say something of others.

    Raises
    ------
    FrontendError
        If they are not; `purpose` is what they are for.
    """
    count = len(set(images.photographs()))
    if count < LEAST_PHOTOGRAPHS:
        raise FrontendError(
            f"{images.description}: {count} photograph{'' if count == 1 else 's'} to {purpose}, but fewer than "
            f"{LEAST_PHOTOGRAPHS} say nothing of others; give at least {LEAST_PHOTOGRAPHS}"
        )


def training_photographs(predictors: PredictorSet) -> frozenset[str]:
    """Return the photographs that predictors learnt from; none if their file does not say."""
    return described_photographs(predictors.header.provenance)


def calibration_photographs(points: Iterable[OperatingPoint]) -> frozenset[str]:
    """Return the photographs on which the thresholds of operating points were chosen."""
    return frozenset().union(*(point.calibrated_on for point in points))


def check_unseen(images: ImageSet, predictors: PredictorSet, *, allowed: bool) -> int:
    """Make sure that thresholds are not chosen on photographs of the training; return how many are.

    Raises
    ------
    FrontendError
        If some are, unless that is `allowed`: then there is a warning.
    """
    photographs = frozenset(images.photographs())
    count = len(photographs & training_photographs(predictors))
    if not count:
        return 0
    text = (
        f"{count} of the {len(photographs)} photographs to tune on are photographs of the training, "
        "where predictors err less than elsewhere"
    )
    if not allowed:
        raise FrontendError(f"{text}; give others, leave these out (--unseen), or allow it (--allow-overlap)")
    warnings.warn(text, OverlapWarning, stacklevel=3)
    return count


def warn_of_overlap(
    what: str, sets: Sequence[ImageSet | None], predictors: PredictorSet | None, points: Iterable[OperatingPoint] = ()
) -> None:
    """Warn, in one line, if photographs of `sets` are among those of the training or the calibration.

    `what` says what is done with them.
    """
    photographs: frozenset[str] = frozenset().union(*(images.photographs() for images in sets if images is not None))
    trained = 0 if predictors is None else len(photographs & training_photographs(predictors))
    tuned = len(photographs & calibration_photographs(points))
    parts = [f"{trained} trained the predictors"] if trained else []
    parts += [f"{tuned} chose the thresholds"] if tuned else []
    if parts:
        several = "" if len(photographs) == 1 else "s"
        text = (
            f"of {len(photographs)} photograph{several} {what}, {' and '.join(parts)}: expect larger errors elsewhere"
        )
        warnings.warn(text, OverlapWarning, stacklevel=3)
