"""Operating points on disk: a JSON file of thresholds, for which predictors and weights, and how they were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from zapsim.errors import FrontendError, did_you_mean
from zapsim.files import write_atomically
from zapsim.frontend.operating_points import TunedPoint
from zapsim.frontend.predictor_file import PredictorFile
from zapsim.frontend.thresholds import Setting


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
