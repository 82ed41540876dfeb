"""Operating points from measured curves, and the file that holds them.

Source of the problem: Shomron et al., "Thanks for Nothing", ECCV 2020, section 4: minimise the sum of MAC_l(t_l)
subject to sum of err_l(t_l) <= E. It is solved here on the measured step curves themselves, without fitting functions
to them (:mod:`zapsim.frontend.tuning.knapsack` says how, and how near the optimum). A layer may also do without its
predictor, which then costs nothing. If there are curves of several methods, every layer takes the method, too, that the
budget is best spent on.

The curves know each layer by itself: what skipping in one layer does to the next is for an evaluation to say. A point's
quality is therefore what the curves expect of it:

- ``macs_saved``: share of the network's convolution MACs that is saved, net of the predictors' own.
- ``summed_error``: sum of the layers' lost shares of activation (weighted, if the curves are); of squared curves the
  root of the sum, which is a relative error of the network's output.
- ``most_macs_saved``: what no thresholds of these curves can save within the error budget (:func:`for_error`).
- ``least_summed_error``: the error below which no thresholds of these curves save as much (:func:`for_saving`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from zapsim.errors import FrontendError, did_you_mean
from zapsim.files import write_atomically
from zapsim.frontend.data.photographs import described_photographs
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.frontend.tuning.curves import Curves, LayerCurve
from zapsim.frontend.tuning.knapsack import Options, choose
from zapsim.reading.json_text import read_json
from zapsim.reading.text import Line
from zapsim.tracefile.records import OperatingPoint, PredictorSetting


class UnreachableError(FrontendError):
    """A saving that no thresholds reach."""


class UnreachableWarning(UserWarning):
    """A saving that no thresholds reach, beside others that are reached."""


def for_error(curves: Curves, budget: float) -> OperatingPoint:
    """Return the thresholds that save the most MACs with a summed error of at most `budget` (point ``e0.2`` and so on).

    Raises
    ------
    FrontendError
        If the budget is negative or not finite.
    """
    if not (isfinite(budget) and budget >= 0):
        raise FrontendError(f"an error budget must be 0 or more, got {budget}")
    choice = choose([Options(layer.macs, layer.errors) for layer in _layers(curves)], curves.most(budget))
    assert choice is not None  # without predictors there is no error
    bound = (_dense(curves) - choice.bound) / curves.dense_macs
    return _point(curves, f"e{budget:g}", choice.taken, {"asked_summed_error": budget, "most_macs_saved": bound})


def for_saving(curves: Curves, saving: float) -> OperatingPoint:
    """Return the thresholds of least summed error that save a share `saving` of the MACs (point ``s0.2`` and so on).

    Raises
    ------
    UnreachableError
        If no thresholds save that much.
    """
    if not (isfinite(saving) and saving >= 0):
        raise FrontendError(f"a saving must be a share from 0 to 1, got {saving}")
    budget = _dense(curves) - saving * curves.dense_macs
    choice = choose([Options(layer.errors, layer.macs) for layer in _layers(curves)], budget)
    if choice is None:
        most = math.fsum(float(layer.macs[0] - layer.macs.min()) for layer in _layers(curves)) / curves.dense_macs
        raise UnreachableError(
            f"a saving of {saving:.1%} cannot be reached: all thresholds at 1 save {most:.2%} of the MACs"
        )
    return _point(
        curves,
        f"s{saving:g}",
        choice.taken,
        {"asked_macs_saved": saving, "least_summed_error": curves.total(choice.bound)},
    )


def for_threshold(curves: Curves, threshold: float) -> OperatingPoint:
    """Return one threshold for all layers, which the curves must hold (point ``t0.2`` and so on).

    Raises
    ------
    FrontendError
        If the curves do not hold it, or are of several methods.
    """
    _check_one_method(curves)
    return _point(curves, f"t{threshold:g}", [1 + layer.index(threshold) for layer in curves.layers])


def best_threshold(curves: Curves, budget: float) -> OperatingPoint:
    """Return the highest common threshold with a summed error of at most `budget` (point ``u0.2`` and so on).

    If even -1 has more, no layer predicts.

    Raises
    ------
    FrontendError
        If the curves are of several methods.
    """
    _check_one_method(curves)
    errors = np.sum([layer.error for layer in curves.layers], axis=0)
    fitting = int(np.searchsorted(errors, curves.most(budget), side="right"))
    return _point(curves, f"u{budget:g}", [fitting] * len(curves.layers), {"asked_summed_error": budget})


def trade_off(curves: Curves, budgets: Sequence[float]) -> tuple[OperatingPoint, ...]:
    """Return :func:`for_error` for every budget."""
    return tuple(for_error(curves, budget) for budget in budgets)


def expected(curves: Curves, point: OperatingPoint) -> OperatingPoint:
    """Return a point, whose thresholds the curves must hold, with the quality that they expect of it."""
    options = []
    for layer in _layers(curves):
        setting = point.predictors.get(layer.name)
        options.append(0 if setting is None else layer.option(setting))
    return _point(curves, point.name, options)


def _point(
    curves: Curves, name: str, options: Sequence[int], bounds: Mapping[str, float] | None = None
) -> OperatingPoint:
    """Return the point of an option per layer."""
    pairs = list(zip(_layers(curves), options, strict=True))
    saved = _dense(curves) - math.fsum(float(layer.macs[option]) for layer, option in pairs)
    quality = {
        "macs_saved": saved / curves.dense_macs,
        "summed_error": curves.total(math.fsum(layer.errors[option] for layer, option in pairs)),
        **(bounds or {}),
    }
    settings = {layer.name: layer.setting(option) for layer, option in pairs if option}
    note = f"expected from curves measured {curves.note}" if curves.note else ""
    return OperatingPoint(name=name, predictors=settings, quality=quality, quality_note=note)


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What a layer can do: 0 is to do without a predictor, then come the thresholds of its methods' curves in turn.

    So the best of several methods is found as the best of several thresholds is: each is charged its own MACs.
    """

    curves: tuple[LayerCurve, ...]

    @property
    def name(self) -> str:
        return self.curves[0].name

    @property
    def macs(self) -> NDArray[np.float64]:
        """MACs of every option."""
        return np.concatenate(([float(self.curves[0].shape.macs)], *(curve.macs for curve in self.curves)))

    @property
    def errors(self) -> NDArray[np.float64]:
        """Errors of every option."""
        return np.concatenate(([0.0], *(curve.error for curve in self.curves)))

    def setting(self, option: int) -> PredictorSetting:
        """Return the setting that an option above 0 means."""
        place = option - 1
        for curve in self.curves:
            if place < len(curve.thresholds):
                return curve.setting(float(curve.thresholds[place]))
            place -= len(curve.thresholds)
        raise IndexError(option)

    def option(self, setting: PredictorSetting) -> int:
        """Return the option that a setting means."""
        start = 1
        for curve in self.curves:
            if curve.setting(setting.threshold).method == setting.method:
                return start + curve.index(setting.threshold)
            start += len(curve.thresholds)
        raise FrontendError(f"no curve of layer '{self.name}' of method '{setting.method}'")


def _layers(curves: Curves) -> list[_Layer]:
    """Return each layer with its curves, in the order of the layers."""
    by_name: dict[str, list[LayerCurve]] = {}
    for curve in curves.layers:
        by_name.setdefault(curve.name, []).append(curve)
    return [_Layer(tuple(each)) for each in by_name.values()]


def _check_one_method(curves: Curves) -> None:
    """Refuse a common threshold of several methods."""
    if len(_layers(curves)) < len(curves.layers):
        raise FrontendError(
            "one threshold for all layers means something else with every method: name one method, or give an error "
            "or a saving"
        )


def _dense(curves: Curves) -> float:
    """Return the MACs of the predicted layers if they compute everything."""
    return math.fsum(layer.macs[0] for layer in _layers(curves))


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PointsFile(_Record):
    """What a file of operating points says.

    `predictors_sha256` is the SHA-256 of the predictor file, `provenance` says how the curves were measured.
    """

    kind: Literal["zapsim operating points"] = "zapsim operating points"
    version: Literal[2, 3] = 2
    network: Line
    weights_sha256: Line
    predictors_sha256: Line
    points: tuple[OperatingPoint, ...] = Field(min_length=1)
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _check_points(self) -> PointsFile:
        names = [point.name for point in self.points]
        if len(set(names)) < len(names):
            raise ValueError("two operating points have the same name")
        if any(point.maps is not None for point in self.points):
            raise ValueError("only the points of a trace have the maps of others")
        if any("/" in name or not name for name in names):
            raise ValueError("a point's name must not be empty and be without '/', as it names the maps of traces")
        return self


def save_points(
    path: Path, points: Sequence[OperatingPoint], predictors: PredictorSet, provenance: Mapping[str, Any]
) -> None:
    """Write `points` to `path` (JSON), atomically."""
    file = PointsFile(
        version=3 if any(point.order for point in points) else 2,  # version 2 knows no order of filters
        network=predictors.header.network,
        weights_sha256=predictors.header.weights_sha256,
        predictors_sha256=predictors.sha256,
        points=tuple(points),
        provenance=dict(provenance),
    )
    write_atomically(path, file.model_dump_json(indent=1) + "\n", parents=True)


def load_points(path: Path, predictors: PredictorSet, names: Sequence[str] | None = None) -> tuple[OperatingPoint, ...]:
    """Return the operating points of a file, or those of these `names`.

    Raises
    ------
    FrontendError
        If it is missing, not such a file, made for other predictors, or has no point of a name.
    """
    document = read_json(path, "file of operating points", FrontendError)
    try:
        if isinstance(document, dict) and document.get("version") == 1:
            document = _upgraded(document, path, predictors)
        file = PointsFile.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise FrontendError(f"{path}: not a file of operating points: {where}: {first['msg']}") from None
    weights = file.provenance.get("weights")
    chosen = {
        "calibrated_on": described_photographs(file.provenance),
        "error_weights": weights if isinstance(weights, dict) else {},
    }
    points = {point.name: _checked(point, path, file, predictors).model_copy(update=chosen) for point in file.points}
    for name in names or ():
        if name not in points:
            raise FrontendError(
                f"no operating point '{name}'{did_you_mean(name, points)}; there are: {', '.join(points)}"
            )
    return tuple(points[name] for name in (names or points))


def _checked(point: OperatingPoint, path: Path, file: PointsFile, predictors: PredictorSet) -> OperatingPoint:
    """Return the point if it belongs to these predictors."""
    if file.predictors_sha256 != predictors.sha256:
        raise FrontendError(f"{path}: made for other predictors of {file.network} than these")
    for layer in point.predictors:
        if layer not in predictors.predictors:
            raise FrontendError(f"{path}: point {point.name} sets layer '{layer}', which has no predictor")
    return point


class _Version1Point(_Record):
    """An operating point as version 1 of the file held it: without patterns."""

    name: Line
    thresholds: dict[Line, float]
    macs_saved: float
    error: float
    bound: float | None = None


def _upgraded(document: dict[str, Any], path: Path, predictors: PredictorSet) -> dict[str, Any]:
    """Return a file of version 1 as version 2; the patterns come from the predictors that it was made for."""
    points = []
    for stored in TypeAdapter(list[_Version1Point]).validate_python(document.get("points")):
        quality = {"macs_saved": stored.macs_saved, "summed_error": stored.error}
        if stored.bound is not None:
            quality["least_summed_error" if stored.name.startswith("s") else "most_macs_saved"] = stored.bound
        settings = {
            layer: {"pattern": predictors.predictors[layer].pattern, "threshold": threshold}
            for layer, threshold in stored.thresholds.items()
            if layer in predictors.predictors
        }
        if len(settings) < len(stored.thresholds) and document.get("predictors_sha256") == predictors.sha256:
            layer = next(layer for layer in stored.thresholds if layer not in settings)
            raise FrontendError(f"{path}: point {stored.name} sets layer '{layer}', which has no predictor")
        points.append({"name": stored.name, "predictors": settings, "quality": quality})
    return {**document, "version": 2, "points": points}
