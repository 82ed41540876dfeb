"""The zero-activation predictor (ZAP) of one layer, and the file that holds those of a network.

Source: Shomron et al., "Thanks for Nothing", ECCV 2020 (arXiv 1909.07636), section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn
from torch.nn import functional

from zapsim.errors import FrontendError
from zapsim.files import write_atomically
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.weights import check_digest, digest, header_fault, read_tensors, tensor_file
from zapsim.patterns import PATTERNS, pattern_map

_ALL = slice(None)

PARAMETERS_PER_CHANNEL = 24
"""Two depthwise 3×3 filters with bias (10 each) and two batch normalisations (2 each)."""


class Predictor(nn.Module):
    """Guesses which outputs outside the pattern are non-zero from those inside it.

    Masked post-ReLU ofmap -> depthwise 3×3 -> BN -> ReLU -> depthwise 3×3 -> BN. Channels do not mix.

    Parameters
    ----------
    channels
        Channels of the ofmap.
    pattern
        Name of the pattern whose outputs are computed first.
    """

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__()
        self.channels = channels
        self.pattern = pattern
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn2 = nn.BatchNorm2d(channels)
        # Scores start around the middle of [0, 1], where the training's clamp lets gradients through.
        nn.init.constant_(self.bn2.weight, 0.25)
        nn.init.constant_(self.bn2.bias, 0.5)

    def start_as_neighbour_rule(self) -> None:
        """Set the parameters so that scores depend on the sum of the computed outputs around, and on nothing else.

        The hidden layer says how far the normalised sum of the 3×3 is below 1 (one deviation above its mean), and
        lowers the score: it is lowest where all computed neighbours are zero, rises with their sum, and saturates.
        """
        with torch.no_grad():
            for conv in (self.conv1, self.conv2):
                conv.weight.zero_()
                assert conv.bias is not None
                conv.bias.zero_()
            self.conv1.weight.fill_(-1 / 9)
            self.bn1.bias.fill_(1)
            self.conv2.weight[:, :, 1, 1] = -1

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:])).to(ofmap.device)

    def forward(self, ofmap: torch.Tensor, channels: slice = _ALL) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap; those inside the pattern mean nothing.

        `channels` says which of the layer's `ofmap` holds: channels do not mix, so that a layer can be done in parts,
        with the same scores, gradients and statistics.
        """
        seen = ofmap * self.pattern_of(ofmap)
        hidden = torch.relu_(_normalised(self.bn1, _depthwise(self.conv1, seen, channels), channels))
        return _normalised(self.bn2, _depthwise(self.conv2, hidden, channels), channels)

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        scores: torch.Tensor = self(ofmap)
        return (scores > threshold) | self.pattern_of(ofmap)


def _depthwise(conv: nn.Conv2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
    """Return a depthwise convolution with the filters of `channels`."""
    bias = None if conv.bias is None else conv.bias[channels]
    return functional.conv2d(values, conv.weight[channels], bias, padding=conv.padding, groups=values.shape[1])


def _normalised(norm: nn.BatchNorm2d, values: torch.Tensor, channels: slice) -> torch.Tensor:
    """Return batch normalisation of `channels`; in training mode their running statistics learn, too."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    return functional.batch_norm(
        values,
        norm.running_mean[channels],
        norm.running_var[channels],
        norm.weight[channels],
        norm.bias[channels],
        norm.training,
        norm.momentum,
        norm.eps,
    )


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
class PredictorSet:
    """The predictors of a network.

    Attributes
    ----------
    header
        What their file says of them.
    predictors
        By layer, in eval mode.
    sha256
        Of the file.
    source
        What messages call them: the file's path.
    """

    header: PredictorHeader
    predictors: dict[str, Predictor]
    sha256: str
    source: str

    def check_fit(self, weights_sha256: str, graph: Graph) -> None:
        """Make sure that the predictors belong to this network.

        Raises
        ------
        FrontendError
            If they were trained for other weights or for layers that the network does not have.
        """
        if self.header.weights_sha256 != weights_sha256:
            raise FrontendError(f"{self.source}: made for {self.header.network} with other weights than these")
        channels = {site.name: site.shape.K for site in graph.eligible}
        for layer, about in self.header.layers.items():
            if channels.get(layer) != about.channels:
                raise FrontendError(
                    f"{self.source}: layer {layer} with {about.channels} channels cannot be predicted in this network"
                )


def save_predictors(
    path: Path | None,
    network: str,
    weights_sha256: str,
    predictors: Mapping[str, Predictor],
    provenance: Mapping[str, Any],
) -> PredictorSet:
    """Write predictors to a file, atomically, and return them with what the file says of them.

    Parameters
    ----------
    path
        The file (None: write nothing).
    network, weights_sha256
        What the predictors were trained for.
    predictors
        By layer.
    provenance
        How they were trained.
    """
    tensors = {
        f"{layer}/{name}": value.detach().cpu().contiguous()
        for layer, predictor in predictors.items()
        for name, value in _parameters(predictor).items()
    }
    header = PredictorHeader(
        network=network,
        weights_sha256=weights_sha256,
        layers={
            layer: LayerPredictor(pattern=predictor.pattern, channels=predictor.channels)
            for layer, predictor in predictors.items()
        },
        provenance=dict(provenance),
        tensors_sha256=digest(tensors),
    )
    content = tensor_file(tensors, METADATA_KEY, header.model_dump_json())
    if path is not None:
        write_atomically(path, content, parents=True)
    evaluated = {layer: predictor.eval() for layer, predictor in predictors.items()}
    return PredictorSet(header, evaluated, hashlib.sha256(content).hexdigest(), str(path or "predictors"))


def load_predictors(path: Path) -> PredictorSet:
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
    predictors = {layer: Predictor(about.channels, about.pattern) for layer, about in header.layers.items()}
    expected = {
        f"{layer}/{name}": value.shape
        for layer, predictor in predictors.items()
        for name, value in _parameters(predictor).items()
    }
    stored = {name: value.shape for name, value in tensors.items()}
    if stored != expected:
        odd = sorted(name for name in stored.keys() | expected.keys() if stored.get(name) != expected.get(name))[0]
        raise FrontendError(f"{path}: {odd} does not fit the layers of the header")
    check_digest(path, tensors, header.tensors_sha256)
    for layer, predictor in predictors.items():
        state = {name: tensors[f"{layer}/{name}"] for name in _parameters(predictor)}
        predictor.load_state_dict(state, strict=False)
    evaluated = {layer: predictor.eval() for layer, predictor in predictors.items()}
    return PredictorSet(header, evaluated, hashlib.sha256(path.read_bytes()).hexdigest(), str(path))


def _parameters(predictor: Predictor) -> dict[str, torch.Tensor]:
    """Return what a file holds of a predictor: all but the count of batches, which only training uses."""
    return {name: value for name, value in predictor.state_dict().items() if "num_batches" not in name}
