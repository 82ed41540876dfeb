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
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from zapsim.errors import FrontendError, did_you_mean
from zapsim.files import write_atomically
from zapsim.frontend.skipping import Setting
from zapsim.frontend.training.predictor import PredictorFile
from zapsim.frontend.tuning.curves import Curves, LayerCurve
from zapsim.frontend.tuning.knapsack import Choice, Options, choose


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


def _name(text: str) -> str:
    """Refuse names that cannot name a trace's maps."""
    if not text.isprintable() or "/" in text or not text:
        raise ValueError("a point's name must be printable and without '/'")
    return text


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StoredPoint(_Record):
    """One operating point: thresholds by layer, and what the curves said of it."""

    name: Annotated[str, AfterValidator(_name)]
    thresholds: dict[str, float]
    macs_saved: float
    error: float
    bound: float | None = None


class PointsFile(_Record):
    """What a file of operating points says.

    `predictors` is the SHA-256 of the predictor file, `provenance` says how the curves were measured.
    """

    kind: Literal["zapsim operating points"] = "zapsim operating points"
    version: Literal[1] = 1
    network: str
    weights_sha256: str
    predictors_sha256: str
    points: tuple[StoredPoint, ...] = Field(min_length=1)
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _once(self) -> PointsFile:
        names = [point.name for point in self.points]
        if len(set(names)) < len(names):
            raise ValueError("two operating points have the same name")
        return self

    def settings(self, names: Sequence[str] | None = None) -> tuple[Setting, ...]:
        """Return all points, or those of `names`.

        Raises
        ------
        FrontendError
            If there is no point of a name.
        """
        found = {point.name: Setting(point.name, point.thresholds) for point in self.points}
        for name in names or ():
            if name not in found:
                raise FrontendError(
                    f"no operating point '{name}'{did_you_mean(name, found)}; there are: {', '.join(found)}"
                )
        return tuple(found[name] for name in (names or found))


def points_json(points: Sequence[TunedPoint], predictors: PredictorFile, provenance: Mapping[str, Any]) -> str:
    """Return the file's text for `points`."""
    stored = tuple(
        StoredPoint(
            name=point.setting.name,
            thresholds=dict(point.setting.thresholds),
            macs_saved=point.macs_saved,
            error=point.error,
            bound=point.bound,
        )
        for point in points
    )
    header = predictors.header
    file = PointsFile(
        network=header.network,
        weights_sha256=header.weights_sha256,
        predictors_sha256=predictors.sha256,
        points=stored,
        provenance=dict(provenance),
    )
    return file.model_dump_json(indent=1) + "\n"


def save_points(
    path: Path, points: Sequence[TunedPoint], predictors: PredictorFile, provenance: Mapping[str, Any]
) -> None:
    """Write `points` to `path`, atomically."""
    write_atomically(path, points_json(points, predictors, provenance), parents=True)


def load_points(path: Path, predictors: PredictorFile) -> PointsFile:
    """Read a file of operating points and make sure that it belongs to these predictors.

    Raises
    ------
    FrontendError
        If it is missing, not such a file, or made for other predictors.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise FrontendError(f"{path}: cannot be read ({reason})") from None
    try:
        file = PointsFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise FrontendError(f"{path}: not a file of operating points: {where}: {first['msg']}") from None
    if file.predictors_sha256 != predictors.sha256:
        raise FrontendError(f"{path}: made for other predictors of {file.network} than these")
    for point in file.points:
        for layer in point.thresholds:
            if layer not in predictors.predictors:
                raise FrontendError(f"{path}: point {point.name} sets layer '{layer}', which has no predictor")
    return file
