"""The list of prediction methods, by the names that commands and files give them."""

from __future__ import annotations

from zapsim.errors import FrontendError, did_you_mean
from zapsim.frontend.methods.logistic import LogisticPredictor
from zapsim.frontend.methods.neighbours import NeighbourRule
from zapsim.frontend.methods.power_of_two import PowerOfTwoPredictor
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.methods.zap import ZapPredictor

_CLASSES: tuple[type[Predictor], ...] = (
    ZapPredictor,
    NeighbourRule,
    LogisticPredictor,
    PowerOfTwoPredictor,
)

METHODS: dict[str, type[Predictor]] = {method.method: method for method in _CLASSES}
"""Classes by name."""


def method_class(name: str) -> type[Predictor]:
    """Return the class of a method.

    Raises
    ------
    FrontendError
        If there is none of this name.
    """
    if name not in METHODS:
        raise FrontendError(f"unknown method '{name}'{did_you_mean(name, METHODS)}; known: {', '.join(METHODS)}")
    return METHODS[name]
