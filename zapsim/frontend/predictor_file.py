"""Predictors on disk: one safetensors file with what they are, for which weights, and how they were trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zapsim.errors import FrontendError
from zapsim.frontend.graph import Graph
from zapsim.frontend.predictor import Predictor
from zapsim.frontend.tensor_file import check_digest, digest, header_fault, read_tensors, write_tensors
from zapsim.patterns import PATTERNS

METADATA_KEY = "zapsim_predictors"

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerPredictor(_Record):
    """Which predictor a layer has."""

    pattern: Literal[PATTERNS]  # type: ignore[valid-type]
    channels: int = Field(gt=0)


class PredictorHeader(_Record):
    """Everything in a predictor file but the numbers.

    `provenance` says how they were trained (data, options, losses, versions).
    """

    version: Literal[1] = 1
    network: str
    weights_sha256: _Sha256
    layers: dict[str, LayerPredictor] = Field(min_length=1)
    provenance: dict[str, Any]
    tensors_sha256: _Sha256


@dataclass(frozen=True, slots=True, eq=False)
class PredictorFile:
    """A loaded file: header, predictors by layer (in eval mode) and the SHA-256 of the file."""

    header: PredictorHeader
    predictors: dict[str, Predictor]
    sha256: str


def save_predictors(
    path: Path,
    network: str,
    weights_sha256: str,
    predictors: Mapping[str, Predictor],
    provenance: Mapping[str, Any],
) -> None:
    """Write `predictors` to `path`, atomically."""
    tensors = {
        f"{layer}/{name}": value.detach().cpu().contiguous()
        for layer, predictor in predictors.items()
        for name, value in _parameters(predictor).items()
    }
    header = PredictorHeader(
        network=network,
        weights_sha256=weights_sha256,
        layers={layer: LayerPredictor(pattern=one.pattern, channels=one.channels) for layer, one in predictors.items()},
        provenance=dict(provenance),
        tensors_sha256=digest(tensors),
    )
    write_tensors(path, tensors, METADATA_KEY, header.model_dump_json())


def load_predictors(path: Path) -> PredictorFile:
    """Read and check a predictor file.

    Raises
    ------
    FrontendError
        If it is missing, damaged, foreign, of another version, or disagrees with its own header.
    """
    text, tensors = read_tensors(path, METADATA_KEY, "predictor")
    try:
        header = PredictorHeader.model_validate_json(text)
    except ValidationError as error:
        raise header_fault(path, error) from None
    predictors = {layer: Predictor(one.channels, one.pattern) for layer, one in header.layers.items()}
    expected = {
        f"{layer}/{name}": value.shape
        for layer, predictor in predictors.items()
        for name, value in _parameters(predictor).items()
    }
    found = {name: value.shape for name, value in tensors.items()}
    if found != expected:
        odd = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))[0]
        raise FrontendError(f"{path}: {odd} does not fit the layers of the header")
    check_digest(path, tensors, header.tensors_sha256)
    for layer, predictor in predictors.items():
        state = {name: tensors[f"{layer}/{name}"] for name in _parameters(predictor)}
        predictor.load_state_dict(state, strict=False)
    evaluated = {layer: predictor.eval() for layer, predictor in predictors.items()}
    return PredictorFile(header, evaluated, hashlib.sha256(path.read_bytes()).hexdigest())


def check_fit(path: Path, header: PredictorHeader, weights_sha256: str, graph: Graph) -> None:
    """Make sure that predictors belong to this network.

    Raises
    ------
    FrontendError
        If they were trained for other weights or for layers that the network has not.
    """
    if header.weights_sha256 != weights_sha256:
        raise FrontendError(f"{path}: made for {header.network} with other weights than these")
    channels = {site.name: site.shape.K for site in graph.eligible}
    for layer, one in header.layers.items():
        if channels.get(layer) != one.channels:
            raise FrontendError(
                f"{path}: layer {layer} with {one.channels} channels cannot be predicted in this network"
            )


def _parameters(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Return what a file holds of a predictor: all but the count of batches, which only training uses."""
    return {name: value for name, value in predictor.state_dict().items() if "num_batches" not in name}
