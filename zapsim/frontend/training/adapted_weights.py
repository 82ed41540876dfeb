"""Weights adapted to skipping, on disk: a safetensors file with a state dict for each of some operating points."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torch import nn

from zapsim.errors import FrontendError
from zapsim.files import write_atomically
from zapsim.frontend.data.photographs import described_photographs
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.network.weights import (
    check_digest,
    copy_of,
    digest,
    header_fault,
    put_weights,
    read_tensors,
    tensor_file,
)
from zapsim.frontend.skipping import operating_point
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.reading.text import Line
from zapsim.tracefile.records import OperatingPoint

METADATA_KEY = "zapsim_adapted"

Adaptation = Literal["recalibrated", "finetuned"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AdaptedHeader(_Record):
    """Everything in the file but the numbers.

    `weights_sha256` is of the network before, `predictors_sha256` of the file of its predictors; `how` says by the
    point's name what was done to the weights, and `provenance` says with what.
    """

    version: Literal[2, 3] = 2
    network: Line
    weights_sha256: Line
    predictors_sha256: Line
    points: tuple[OperatingPoint, ...] = Field(min_length=1)
    how: dict[str, Adaptation]
    provenance: dict[str, Any]
    tensors_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedWeights:
    """An operating point, the state dict that was adapted to it, and how.

    `statistics` holds the predictors' own statistics, ``layer/bn1.running_mean`` and so on, if these were adapted too.
    """

    point: OperatingPoint
    how: Adaptation
    state: Mapping[str, torch.Tensor]
    statistics: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def scorers(self, predictors: Mapping[str, Predictor]) -> dict[str, Predictor]:
        """Return the predictors as this point has them; `predictors` themselves stay as they are."""
        if not self.statistics:
            return dict(predictors)
        adapted = copy.deepcopy(dict(predictors))
        for layer, predictor in adapted.items():
            names = [name for name in predictor.state_dict() if f"{layer}/{name}" in self.statistics]
            predictor.load_state_dict({name: self.statistics[f"{layer}/{name}"] for name in names}, strict=False)
        return adapted

    def model(self, unmodified: nn.Module) -> nn.Module:
        """Return a copy of the network with these weights, in eval mode.

        Raises
        ------
        FrontendError
            If they do not fit.
        """
        adapted = copy_of(unmodified).eval()
        put_weights(adapted, self.state, f"weights of point {self.point.name}")
        return adapted


def save_adapted(
    path: Path, adapted: Sequence[AdaptedWeights], predictors: PredictorSet, provenance: Mapping[str, Any]
) -> None:
    """Write adapted weights to `path`, atomically."""
    tensors = {
        f"{weights.point.name}/{name}": value.detach().cpu().contiguous()
        for weights in adapted
        for name, value in {**weights.state, **_prefixed(weights.statistics)}.items()
    }
    header = AdaptedHeader(
        version=3 if any(weights.point.order for weights in adapted) else 2,  # version 2 knows no order of filters
        network=predictors.header.network,
        weights_sha256=predictors.header.weights_sha256,
        predictors_sha256=predictors.sha256,
        points=tuple(weights.point for weights in adapted),
        how={weights.point.name: weights.how for weights in adapted},
        provenance=dict(provenance),
        tensors_sha256=digest(tensors),
    )
    write_atomically(path, tensor_file(tensors, METADATA_KEY, header.model_dump_json()), parents=True)


def load_adapted(path: Path, predictors: PredictorSet) -> tuple[AdaptedWeights, ...]:
    """Read adapted weights and make sure that they belong to these predictors.

    Raises
    ------
    FrontendError
        If the file is missing, damaged, foreign, or made for other predictors.
    """
    text, tensors = read_tensors(path, METADATA_KEY, "adapted weights")
    try:
        document = json.loads(text)
        if isinstance(document, dict) and document.get("version") == 1:
            document = _upgraded(document, path, predictors)
        header = AdaptedHeader.model_validate(document)
    except ValidationError as error:
        raise header_fault(path, error, newest=3) from None
    except ValueError as error:
        raise FrontendError(f"{path}: the header is not JSON ({error})") from None
    names = [point.name for point in header.points]
    if sorted(header.how) != sorted(set(names)) or len(set(names)) < len(names):
        raise FrontendError(f"{path}: how: expected a word for each of the points {', '.join(names)}, and no other")
    check_digest(path, tensors, header.tensors_sha256)
    _check_predictors(path, header.model_dump(), predictors)
    seen = {"calibrated_on": described_photographs(header.provenance)}
    return tuple(
        AdaptedWeights(point.model_copy(update=seen), header.how[point.name], *_states(tensors, point.name))
        for point in header.points
    )


def _check_predictors(path: Path, header: Mapping[str, Any], predictors: PredictorSet) -> None:
    if header.get("predictors_sha256") != predictors.sha256:
        raise FrontendError(f"{path}: made for other predictors of {header.get('network')} than these")


class _Version1Point(_Record):
    """An operating point as version 1 of the file held it: without name and patterns."""

    thresholds: dict[str, float]
    how: Adaptation


def _upgraded(document: dict[str, Any], path: Path, predictors: PredictorSet) -> dict[str, Any]:
    """Return a header of version 1 as version 2; the patterns come from the predictors that it was made for."""
    stored = TypeAdapter(dict[str, _Version1Point]).validate_python(document.get("points"))
    _check_predictors(path, document, predictors)
    points = [operating_point(name, predictors.predictors, old.thresholds) for name, old in stored.items()]
    return {
        **document,
        "version": 2,
        "points": [point.model_dump() for point in points],
        "how": {name: old.how for name, old in stored.items()},
    }


_PREDICTORS = "predictors:"
"""Begins the names of the predictors' tensors, which no module's name does."""


def statistics_of(predictors: Mapping[str, Predictor]) -> dict[str, torch.Tensor]:
    """Return the statistics of predictors' normalisation by name."""
    return {
        f"{layer}/{name}": value
        for layer, predictor in predictors.items()
        for name, value in predictor.state_dict().items()
        if "running_" in name
    }


def _prefixed(statistics: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{_PREDICTORS}{name}": value for name, value in statistics.items()}


def _states(tensors: Mapping[str, torch.Tensor], point: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the state dict of the network at a point, and the statistics of its predictors."""
    prefix = f"{point}/"
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    statistics = {name.removeprefix(_PREDICTORS): own.pop(name) for name in list(own) if name.startswith(_PREDICTORS)}
    return own, statistics
