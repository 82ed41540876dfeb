"""Weights that were adapted to skipping, on disk: one safetensors file with a state dict for every operating point."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.network.weights import check_digest, digest, header_fault, put_weights, read_tensors, write_tensors
from zapsim.frontend.skipping import Setting
from zapsim.frontend.training.predictor import PredictorFile

METADATA_KEY = "zapsim_adapted"

How = Literal["recalibrated", "finetuned"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AdaptedPoint(_Record):
    """One operating point: thresholds by layer, and what was done to the weights for them."""

    thresholds: dict[str, float]
    how: How


class AdaptedHeader(_Record):
    """Everything in the file but the numbers.

    `weights_sha256` is of the network before, `predictors_sha256` of the file of its predictors, `provenance` says
    how the weights were adapted.
    """

    version: Literal[1] = 1
    network: str
    weights_sha256: str
    predictors_sha256: str
    points: dict[str, AdaptedPoint] = Field(min_length=1)
    provenance: dict[str, Any]
    tensors_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """An operating point and the state dict that belongs to it."""

    setting: Setting
    how: How
    state: Mapping[str, torch.Tensor]

    def model(self, unmodified: nn.Module) -> nn.Module:
        """Return a copy of the network with these weights, in eval mode.

        Raises
        ------
        FrontendError
            If they do not fit.
        """
        made = copy.deepcopy(unmodified).eval()
        put_weights(made, self.state, f"weights of point {self.setting.name}")
        return made


def save_adapted(
    path: Path, points: Sequence[Adapted], predictors: PredictorFile, provenance: Mapping[str, Any]
) -> None:
    """Write `points` to `path`, atomically."""
    tensors = {
        f"{point.setting.name}/{name}": value.detach().cpu().contiguous()
        for point in points
        for name, value in point.state.items()
    }
    header = AdaptedHeader(
        network=predictors.header.network,
        weights_sha256=predictors.header.weights_sha256,
        predictors_sha256=predictors.sha256,
        points={
            point.setting.name: AdaptedPoint(thresholds=dict(point.setting.thresholds), how=point.how)
            for point in points
        },
        provenance=dict(provenance),
        tensors_sha256=digest(tensors),
    )
    write_tensors(path, tensors, METADATA_KEY, header.model_dump_json())


def load_adapted(path: Path, predictors: PredictorFile) -> tuple[Adapted, ...]:
    """Read the points of a file and make sure that it belongs to these predictors.

    Raises
    ------
    FrontendError
        If it is missing, damaged, foreign, or made for other predictors.
    """
    text, tensors = read_tensors(path, METADATA_KEY, "adapted weights")
    try:
        header = AdaptedHeader.model_validate_json(text)
    except ValidationError as error:
        raise header_fault(path, error) from None
    check_digest(path, tensors, header.tensors_sha256)
    if header.predictors_sha256 != predictors.sha256:
        raise FrontendError(f"{path}: made for other predictors of {header.network} than these")
    return tuple(
        Adapted(Setting(name, point.thresholds), point.how, _state(tensors, name))
        for name, point in header.points.items()
    )


def _state(tensors: Mapping[str, torch.Tensor], point: str) -> dict[str, torch.Tensor]:
    prefix = f"{point}/"
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
