"""The predictors of a network, of one method or several, and the file that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from zapsim.errors import FrontendError, did_you_mean
from zapsim.files import write_atomically
from zapsim.frontend.methods.predictor import Predictor
from zapsim.frontend.methods.registry import METHODS, method_class
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.network.weights import check_digest, digest, header_fault, read_tensors, tensor_file
from zapsim.frontend.skipping import scorer_key
from zapsim.patterns import PATTERNS
from zapsim.reading.text import Line

METADATA_KEY = "zapsim_predictors"

_ZAP_ALONE = ("zap",)
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerPredictor(_Record):
    """Which predictors a layer has: one of each of the file's methods."""

    pattern: Literal[PATTERNS]  # type: ignore[valid-type]
    channels: int = Field(gt=0, le=2**20)


class PredictorHeader(_Record):
    """Everything in a predictor file but the numbers.

    `methods` names those of which every layer has a predictor, `provenance` says how they were trained (data, options,
    losses, versions).
    """

    version: Literal[1] = 1
    network: Line
    weights_sha256: _Sha256
    layers: dict[Line, LayerPredictor] = Field(min_length=1)
    methods: tuple[Line, ...] = Field(default=_ZAP_ALONE, min_length=1)
    provenance: dict[str, Any]
    tensors_sha256: _Sha256

    @model_serializer(mode="wrap")
    def _without_zap(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as in files that are older than methods, so that these keep their bytes."""
        record: dict[str, Any] = handler(self)
        if self.methods == _ZAP_ALONE:
            record.pop("methods", None)
        return record


@dataclass(frozen=True, slots=True, eq=False)
class PredictorSet:
    """The predictors of a network.

    Attributes
    ----------
    header
        What their file says of them.
    predictors
        Those of the file's first method by layer, in eval mode.
    sha256
        Of the file.
    source
        What messages call them: the file's path.
    further
        Those of the file's other methods by method and layer.
    """

    header: PredictorHeader
    predictors: dict[str, Predictor]
    sha256: str
    source: str
    further: Mapping[str, Mapping[str, Predictor]] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that can be used: the file's, then those that need no training."""
        untrained = (name for name, method in METHODS.items() if not method.trained)
        return tuple(dict.fromkeys((*self.header.methods, *untrained)))

    def of_method(self, method: str) -> Mapping[str, Predictor]:
        """Return the predictors of a method by layer; those of an untrained method are made.

        Raises
        ------
        FrontendError
            If the method is unknown, or has to be trained and was not.
        """
        made = method_class(method)
        if method == self.header.methods[0]:
            return self.predictors
        if method in self.further:
            return self.further[method]
        if made.trained:
            raise FrontendError(
                f"{self.source}: holds predictors of method {', '.join(self.header.methods)}, not of '{method}'; "
                f"train with --method {' '.join((*self.header.methods, method))}"
            )
        return {
            layer: made(channels=about.channels, pattern=about.pattern).eval()
            for layer, about in self.header.layers.items()
        }

    def select(self, methods: Sequence[str] = ()) -> dict[str, Predictor]:
        """Return predictors by layer, those of further methods under :func:`~zapsim.frontend.skipping.scorer_key`.

        Parameters
        ----------
        methods
            The first is found under the layers' own names. Default: all that can be used.

        Raises
        ------
        FrontendError
            As :meth:`of_method`.
        """
        first, *others = methods or self.methods
        scorers = dict(self.of_method(first))
        for method in others:
            scorers |= {scorer_key(layer, method): each for layer, each in self.of_method(method).items()}
        return scorers

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
    further: Sequence[Mapping[str, Predictor]] = (),
) -> PredictorSet:
    """Write predictors to a file, atomically, and return them with what the file says of them.

    Parameters
    ----------
    path
        The file (None: write nothing).
    network, weights_sha256
        What the predictors were trained for.
    predictors
        By layer, all of one method.
    provenance
        How they were trained.
    further
        Those of other methods by layer: of the same layers, with the same patterns.
    """
    by_method = {_method_of(each): dict(each) for each in (predictors, *further)}
    tensors = {
        f"{_prefix(layer, method)}{name}": value.detach().cpu().contiguous()
        for method, each in by_method.items()
        for layer, predictor in each.items()
        for name, value in predictor.tensors().items()
    }
    header = PredictorHeader(
        network=network,
        weights_sha256=weights_sha256,
        layers={
            layer: LayerPredictor(pattern=predictor.pattern, channels=predictor.channels)
            for layer, predictor in predictors.items()
        },
        methods=tuple(by_method),
        provenance=dict(provenance),
        tensors_sha256=digest(tensors),
    )
    content = tensor_file(tensors, METADATA_KEY, header.model_dump_json())
    if path is not None:
        write_atomically(path, content, parents=True)
    return _predictor_set(header, by_method, content, str(path or "predictors"))


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
    for method in header.methods:
        if method not in METHODS:
            raise FrontendError(
                f"{path}: methods: this zapsim has no method '{method}'{did_you_mean(method, METHODS)}; "
                f"known: {', '.join(METHODS)}"
            )
    channels = sum(about.channels for about in header.layers.values())
    numbers = sum(value.numel() for value in tensors.values())
    if any(METHODS[method].trained for method in header.methods) and channels > numbers:
        raise FrontendError(f"{path}: the header has {channels:,} channels, but the file only {numbers:,} numbers")
    by_method = {
        method: {
            layer: METHODS[method](channels=about.channels, pattern=about.pattern)
            for layer, about in header.layers.items()
        }
        for method in header.methods
    }
    parts = {
        _prefix(layer, method): predictor for method, each in by_method.items() for layer, predictor in each.items()
    }
    expected = {
        f"{prefix}{name}": value.shape for prefix, each in parts.items() for name, value in each.tensors().items()
    }
    stored = {name: value.shape for name, value in tensors.items()}
    if stored != expected:
        odd = sorted(name for name in stored.keys() | expected.keys() if stored.get(name) != expected.get(name))[0]
        raise FrontendError(f"{path}: {odd} does not fit the layers of the header")
    types = {f"{prefix}{name}": value.dtype for prefix, each in parts.items() for name, value in each.tensors().items()}
    for name, value in tensors.items():
        if value.dtype != types[name]:
            stored_type, type_ = (str(dtype).removeprefix("torch.") for dtype in (value.dtype, types[name]))
            raise FrontendError(f"{path}: {name} is {stored_type}, expected {type_}")
    check_digest(path, tensors, header.tensors_sha256)
    for prefix, predictor in parts.items():
        predictor.load_tensors({name: tensors[f"{prefix}{name}"] for name in predictor.tensors()})
    return _predictor_set(header, by_method, path.read_bytes(), str(path))


def _predictor_set(
    header: PredictorHeader, by_method: Mapping[str, dict[str, Predictor]], content: bytes, source: str
) -> PredictorSet:
    first, *others = ({layer: each.eval() for layer, each in part.items()} for part in by_method.values())
    further = dict(zip(header.methods[1:], others, strict=True))
    return PredictorSet(header, first, hashlib.sha256(content).hexdigest(), source, further)


def _method_of(predictors: Mapping[str, Predictor]) -> str:
    return next(predictor.method for predictor in predictors.values())


def _prefix(layer: str, method: str) -> str:
    """Return how the names of a predictor's tensors begin; ZAP's are as in files that are older than methods."""
    return f"{layer}/" if method == "zap" else f"{layer}/{method}/"
