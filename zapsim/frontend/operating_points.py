"""Operating points from measured curves: one threshold, or one a layer for an error budget or a MAC saving.

Source of the problem: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4: minimise the sum of MAC_l(t_l)
subject to sum of err_l(t_l) <= E. Here it is solved on the measured step curves themselves, without fitting functions
to them (see :mod:`zapsim.frontend.choice` for method and optimality), and a layer may also go without its predictor,
which then costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from zapsim.errors import FrontendError
from zapsim.frontend.choice import Choice, Options, choose
from zapsim.frontend.curves import Curves, LayerCurve
from zapsim.frontend.thresholds import Setting


@dataclass(frozen=True, slots=True)
class TunedPoint:
    """Thresholds, and what the curves say of them.

    The curves know each layer by itself: what skipping in one layer does to the next is for an evaluation to say.

    Attributes
    ----------
    setting
        Threshold by layer; a layer that is not in it computes everything.
    macs_saved
        Share of the network's convolution MACs that is saved, net of the predictors' own.
    error
        Sum of the layers' lost shares of activation.
    bound
        What no other thresholds of these curves can beat: the most `macs_saved` within an error budget, or the least
        `error` for a saving. None where nothing was optimised.
    """

    setting: Setting
    macs_saved: float
    error: float
    bound: float | None = None


def for_error(curves: Curves, budget: float) -> TunedPoint:
    """Return thresholds that save most MACs with a summed error of at most `budget`.

    Raises
    ------
    FrontendError
        If the budget is negative or not finite.
    """
    if not (isfinite(budget) and budget >= 0):
        raise FrontendError(f"an error budget must be 0 or more, got {budget}")
    choice = choose([Options(_macs(layer), _errors(layer)) for layer in curves.layers], budget)
    assert choice is not None  # without predictors there is no error
    bound = (_dense(curves) - choice.bound) / curves.dense_macs
    return _point(curves, f"e{budget:g}", choice, bound)


def for_saving(curves: Curves, saving: float) -> TunedPoint:
    """Return thresholds of least summed error that save at least a share `saving` of the network's MACs.

    Raises
    ------
    FrontendError
        If no thresholds save that much.
    """
    if not (isfinite(saving) and saving >= 0):
        raise FrontendError(f"a saving must be a share from 0 to 1, got {saving}")
    budget = _dense(curves) - saving * curves.dense_macs
    choice = choose([Options(_errors(layer), _macs(layer)) for layer in curves.layers], budget)
    if choice is None:
        most = sum(_dense_macs(layer) - float(_macs(layer).min()) for layer in curves.layers) / curves.dense_macs
        raise FrontendError(
            f"a saving of {saving:.1%} cannot be reached: all thresholds at 1 save {most:.2%} of the MACs"
        )
    return _point(curves, f"s{saving:g}", choice, choice.bound)


def for_threshold(curves: Curves, threshold: float) -> TunedPoint:
    """Return what one threshold for all layers, which the curves must hold, saves and loses."""
    return at(curves, Setting(f"t{threshold:g}", {layer.name: threshold for layer in curves.layers}))


def best_threshold(curves: Curves, budget: float) -> TunedPoint:
    """Return the highest common threshold with a summed error of at most `budget`; none at all if even -1 has more."""
    errors = np.sum([layer.error for layer in curves.layers], axis=0)
    fitting = int(np.searchsorted(errors, budget, side="right"))
    if fitting == 0:
        return at(curves, Setting(f"u{budget:g}", {}))
    threshold = float(curves.layers[0].thresholds[fitting - 1])
    return at(curves, Setting(f"u{budget:g}", {layer.name: threshold for layer in curves.layers}))


def trade_off(curves: Curves, budgets: Sequence[float]) -> tuple[TunedPoint, ...]:
    """Return :func:`for_error` for every budget."""
    return tuple(for_error(curves, budget) for budget in budgets)


def at(curves: Curves, setting: Setting) -> TunedPoint:
    """Return what the curves say of a setting whose thresholds they hold."""
    taken = []
    for layer in curves.layers:
        threshold = setting.thresholds.get(layer.name)
        taken.append(0 if threshold is None else 1 + layer.index(threshold))
    return TunedPoint(setting, *_totals(curves, taken))


def _point(curves: Curves, name: str, choice: Choice, bound: float) -> TunedPoint:
    setting = Setting(name, _thresholds(curves, choice.taken))
    return TunedPoint(setting, *_totals(curves, choice.taken), bound)


def _thresholds(curves: Curves, taken: Sequence[int]) -> Mapping[str, float]:
    """Return the thresholds of the options taken; option 0 is to go without."""
    chosen = zip(curves.layers, taken, strict=True)
    return {layer.name: float(layer.thresholds[index - 1]) for layer, index in chosen if index}


def _totals(curves: Curves, taken: Sequence[int]) -> tuple[float, float]:
    """Return the share of MACs saved and the summed error."""
    chosen = list(zip(curves.layers, taken, strict=True))
    saved = _dense(curves) - sum(float(_macs(layer)[index]) for layer, index in chosen)
    return saved / curves.dense_macs, float(sum(_errors(layer)[index] for layer, index in chosen))


def _macs(layer: LayerCurve) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return MACs of every option: without the predictor, then at each threshold."""
    return np.concatenate(([_dense_macs(layer)], layer.macs))


def _errors(layer: LayerCurve) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.concatenate(([0.0], layer.error))


def _dense_macs(layer: LayerCurve) -> float:
    return float(layer.shape.macs)


def _dense(curves: Curves) -> float:
    """Return the MACs of the predicted layers if they compute everything."""
    return sum(_dense_macs(layer) for layer in curves.layers)
