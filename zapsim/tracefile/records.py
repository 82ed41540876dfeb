"""The records of a trace: network, images, layers, operating points, and the maps of one layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from zapsim.errors import TraceError, shown
from zapsim.patterns import NO_PATTERN, PATTERNS, pattern_map
from zapsim.reading.text import Line, one_line
from zapsim.tracefile.decision_unit import DecisionUnit
from zapsim.tracefile.fields import Record as _Record
from zapsim.tracefile.order import FilterOrder
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.predictor_work import ZAP_WORK, PredictorWork
from zapsim.workload import ConvShape, Workload

FORMAT_VERSION: Final = 2
"""Of a trace with an order of filters, or with points that share maps; all others are of version 1."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MapKind = Literal["ifmap_nonzero", "ofmap_nonzero", "mask"]
ValueKind = Literal["early_exit_macs"]
ExitCounts: TypeAlias = NDArray[np.uint16 | np.uint32]
"""MACs of each output until its sign is known, with a check after every MAC."""


GIVEN: Final = "given"
"""Method of a layer whose mask was made elsewhere."""


class Network(_Record):
    """The traced network: its name, the SHA-256 of its weights and their source."""

    name: Line
    weights_sha256: Sha256
    source: Line


class Image(_Record):
    """One traced image: its name, the SHA-256 of the tensor that the network saw, and its source."""

    name: Line
    sha256: Sha256
    source: Line


class TracedLayer(_Record):
    """One convolution of the network.

    Attributes
    ----------
    shape
        The layer's shape, with N = 1.
    relu
        Whether a ReLU follows; only then does the trace hold `ofmap_nonzero`.
    unpredicted
        The reason why the layer has no predictor; None if it has one.
    """

    shape: ConvShape
    relu: bool
    unpredicted: Line | None = None


class PredictorSetting(_Record):
    """One layer's predictor: an output is computed if it is in the pattern or its score is above the threshold.

    Attributes
    ----------
    pattern
        The outputs that are computed first; ``none`` if the mask was made elsewhere, so that nothing comes first.
    threshold
        Of the scores; without meaning if the mask was made elsewhere.
    method
        How scores are made: one of :mod:`zapsim.frontend.methods`, or ``given``.
    work
        What that takes in hardware.
    unit
        What is decided on together, by one score; None: single outputs.
    """

    pattern: str
    threshold: float
    method: Line = "zap"
    work: PredictorWork = ZAP_WORK
    unit: DecisionUnit | None = None

    @model_validator(mode="after")
    def _known_pattern(self) -> PredictorSetting:
        if self.pattern not in (*PATTERNS, NO_PATTERN):
            raise ValueError(f"unknown pattern {shown(self.pattern)}; known: {', '.join(PATTERNS)}")
        if (self.pattern == NO_PATTERN) != (self.method == GIVEN):
            raise ValueError(f"pattern '{NO_PATTERN}' goes with method '{GIVEN}', got {self.pattern}, {self.method}")
        return self

    @model_serializer(mode="wrap")
    def _without_zap(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as in files that are older than methods and units, so that these keep their bytes."""
        record: dict[str, Any] = handler(self)
        for name, usual in (("method", "zap"), ("work", ZAP_WORK), ("unit", None)):
            if getattr(self, name) == usual:
                record.pop(name, None)
        return record

    @property
    def text(self) -> str:
        """The setting in a few words."""
        if self.pattern == NO_PATTERN:
            return "masks from elsewhere"
        named = "" if self.method == "zap" else f"{self.method}, "
        unit = "" if self.unit is None else f" by {self.unit}"
        return f"{named}pattern {self.pattern}, threshold {self.threshold:g}{unit}"


class OperatingPoint(_Record):
    """Pattern and threshold of each predicted layer, and the quality that was measured with them.

    Attributes
    ----------
    predictors
        Settings by layer name; every other layer computes all of its outputs.
    quality
        Measured metrics by name, such as ``top1_accuracy``, ``top1_agreement`` (both shares of 1) or
        ``relative_output_error`` (norm of the difference over the norm of the unmodified network's output). With a
        ``traced_`` before it, it is of the traced images, and without it of others.
    quality_note
        How and on what `quality` was measured.
    calibrated_on
        Digests of the photographs on which the thresholds were chosen, if known. In files they stand in the provenance.
    error_weights
        Weights of the layers' errors in the budget that the thresholds were chosen for; empty if all count the same.
        In files they stand in the provenance.
    order
        A static order of filters in which the accelerator has the network; None: the network's own.
    maps
        In a trace: the point of the same predictors whose maps are also this one's; None: it has maps of its own.
    """

    name: Line
    predictors: dict[str, PredictorSetting]
    quality: dict[Line, float] = Field(default_factory=dict)
    quality_note: Line = ""
    order: FilterOrder | None = None
    maps: Line | None = None
    calibrated_on: frozenset[str] = Field(default=frozenset(), exclude=True, repr=False)
    error_weights: dict[str, float] = Field(default_factory=dict, exclude=True, repr=False)

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older versions of the files do not know, unless it is there."""
        record: dict[str, Any] = handler(self)
        return {name: value for name, value in record.items() if name not in ("order", "maps") or value is not None}

    @property
    def thresholds(self) -> dict[str, float]:
        """Thresholds by layer name."""
        return {layer: setting.threshold for layer, setting in self.predictors.items()}

    def with_quality(self, quality: Mapping[str, float], note: str) -> OperatingPoint:
        """Copy the point with another quality."""
        return OperatingPoint(
            name=self.name,
            predictors=self.predictors,
            quality=dict(quality),
            quality_note=note,
            order=self.order,
            maps=self.maps,
        )


class TraceHeader(_Record):
    """Everything in a trace except the maps.

    `values` names the counts beside the maps that were taken from real values, for every layer that a ReLU follows.
    """

    version: Literal[1, 2] = 1
    network: Network
    images: tuple[Image, ...] = Field(min_length=1)
    layers: tuple[TracedLayer, ...] = Field(min_length=1)
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1)
    provenance: dict[str, Any]
    values: tuple[ValueKind, ...] = ()
    digests: dict[str, Sha256] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _lowest_version(cls, fields: Any) -> Any:
        """Take the lowest version that can hold the points, if none is given."""
        if not isinstance(fields, dict) or "version" in fields:
            return fields
        points = [point for point in fields.get("operating_points", ()) if isinstance(point, OperatingPoint)]
        return {"version": FORMAT_VERSION if any(map(_needs_version_2, points)) else 1, **fields}

    @model_validator(mode="after")
    def _consistent(self) -> TraceHeader:
        names = {layer.shape.name for layer in self.layers}
        if len(names) < len(self.layers):
            raise ValueError("two layers have the same name")
        for layer in self.layers:
            one_line(layer.shape.name)
            if layer.shape.N != 1:
                raise ValueError(f"layer {layer.shape.name}: a traced layer has N = 1, got {layer.shape.N}")
        points = [point.name for point in self.operating_points]
        if len(set(points)) < len(points):
            raise ValueError("two operating points have the same name")
        for point in self.operating_points:
            if unknown := sorted(set(point.predictors) - names):
                raise ValueError(f"operating point {point.name} sets unknown layers: {', '.join(unknown)}")
        self._check_orders()
        maps = [name for name, _ in self.tensors()]
        if len(set(maps)) < len(maps):
            raise ValueError("two maps have the same name: a '/' in the name of a layer or operating point")
        return self

    def _check_orders(self) -> None:
        """Refuse orders of filters that do not fit the layers, and maps that cannot be shared."""
        shapes = {layer.shape.name: layer.shape for layer in self.layers}
        points = {point.name: point for point in self.operating_points}
        for point in self.operating_points:
            if self.version == 1 and _needs_version_2(point):
                raise ValueError(f"operating point {point.name}: a trace of version 1 holds no order of filters")
            owner = point if point.maps is None else points.get(point.maps)
            if owner is None or owner.maps is not None or owner.predictors != point.predictors:
                raise ValueError(f"operating point {point.name} cannot have the maps of '{point.maps}'")
            if point.order is not None:
                try:
                    point.order.check_fit(shapes)
                except ValueError as error:
                    raise ValueError(f"operating point {point.name}: {error}") from None

    @property
    def hash(self) -> str:
        """SHA-256 of the header and thus of all maps, whose digests it holds: the identity of the trace."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def workload(self) -> Workload:
        """Make a workload of the traced layers (N = 1)."""
        return Workload(self.network.name, tuple(layer.shape for layer in self.layers))

    def tensors(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Yield the name and the shape (rows, columns, bytes or channels) of every map, in the order of the file."""
        for name, shape, _ in self._stored():
            yield name, shape

    def dtypes(self) -> dict[str, str]:
        """Map every map's name to its type in safetensors' words: U8 for maps, U16 or U32 for counts."""
        return {name: dtype for name, _, dtype in self._stored()}

    def _stored(self) -> Iterator[tuple[str, tuple[int, int, int], str]]:
        for point in (point for point in self.operating_points if point.maps is None):
            for image in range(len(self.images)):
                for layer in self.layers:
                    shape = layer.shape
                    for kind in map_kinds(layer, point):
                        yield tensor_name(point.name, image, shape.name, kind), packed_shape(shape, kind), "U8"
                    for value in self.values if layer.relu else ():
                        dims = shape.P, shape.Q, shape.K
                        yield tensor_name(point.name, image, shape.name, value), dims, count_dtype(shape)


def _needs_version_2(point: OperatingPoint) -> bool:
    return point.order is not None or point.maps is not None


def count_dtype(shape: ConvShape) -> Literal["U16", "U32"]:
    """Choose the smallest type for a layer's MACs per output, in safetensors' words."""
    return "U16" if shape.macs_per_output < 2**16 else "U32"


def map_kinds(layer: TracedLayer, point: OperatingPoint) -> tuple[MapKind, ...]:
    """List the maps that a trace holds of `layer` at `point`."""
    kinds: list[MapKind] = ["ifmap_nonzero"]
    if layer.relu:
        kinds.append("ofmap_nonzero")
    if layer.shape.name in point.predictors:
        kinds.append("mask")
    return tuple(kinds)


def tensor_name(point: str, image: int, layer: str, kind: MapKind | ValueKind) -> str:
    """Name one map as the file does."""
    return f"{point}/{image}/{layer}/{kind}"


def packed_shape(shape: ConvShape, kind: MapKind) -> tuple[int, int, int]:
    """Return the shape (rows, columns, bytes) of one image's packed map."""
    if kind == "ifmap_nonzero":
        return shape.H, shape.W, -(-shape.C // 8)
    return shape.P, shape.Q, -(-shape.K // 8)


class LayerTrace(BaseModel):
    """The maps of one layer for the images of a batch (``shape.N`` of them), at one operating point.

    Attributes
    ----------
    ifmap_nonzero
        (N, H, W, C).
    ofmap_nonzero
        (N, P, Q, K), after the ReLU and before skipping; None if no ReLU follows.
    mask
        (N, P, Q, K), 1 = computed: pattern or predicted non-zero; None if the layer has no predictor.
    setting
        Pattern and threshold of the predictor; None if and only if `mask` is None.
    early_exit_macs
        (N, P, Q, K), 1 to C/groups · R · S; None if the trace holds no counts or no ReLU follows.

    Raises
    ------
    TraceError
        If a map's shape is not the layer's, or if the mask leaves out outputs of its pattern.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    shape: ConvShape
    ifmap_nonzero: PackedMap
    ofmap_nonzero: PackedMap | None = None
    mask: PackedMap | None = None
    setting: PredictorSetting | None = None
    early_exit_macs: ExitCounts | None = None

    def model_post_init(self, _context: object) -> None:
        """Check the maps against the shape and each other."""
        shape = self.shape
        expected = {
            "ifmap_nonzero": (shape.N, shape.H, shape.W, shape.C),
            "ofmap_nonzero": (shape.N, shape.P, shape.Q, shape.K),
            "mask": (shape.N, shape.P, shape.Q, shape.K),
            "early_exit_macs": (shape.N, shape.P, shape.Q, shape.K),
        }
        for kind, dims in expected.items():
            values = getattr(self, kind)
            if values is not None and values.shape != dims:
                raise TraceError(f"layer {shape.name}: {kind} must be {dims}, got {values.shape}")
        if (self.mask is None) != (self.setting is None):
            raise TraceError(f"layer {shape.name}: a mask needs its predictor's setting, and a setting its mask")
        if self.mask is not None and self.pattern_outputs().without(self.mask).count():
            raise TraceError(f"layer {shape.name}: the mask leaves out outputs of its own pattern")
        exits, most = self.early_exit_macs, shape.macs_per_output
        if exits is not None and (exits.min() < 1 or exits.max() > most):
            raise TraceError(
                f"layer {shape.name}: early_exit_macs must be 1 to {most}, got {exits.min()} to {exits.max()}"
            )

    @cached_property
    def summaries(self) -> dict[object, Any]:
        """What was computed from the maps together; it disappears with the layer."""
        return {}

    @cached_property
    def has_pattern(self) -> bool:
        """Whether outputs of a pattern are computed before the rest is known."""
        return self.setting is not None and self.setting.pattern != NO_PATTERN

    def pattern_positions(self) -> NDArray[np.bool_]:
        """Draw the pixels of the pattern: bool (P, Q); raises TraceError if the layer has no predictor."""
        return pattern_map(self._pattern(), self.shape.P, self.shape.Q)

    def pattern_outputs(self) -> PackedMap:
        """Pack the outputs of the pattern (N, P, Q, K); raises TraceError if the layer has no predictor."""
        shape = self.shape
        return _pattern_outputs(self._pattern(), shape.N, shape.P, shape.Q, shape.K)

    def _pattern(self) -> str:
        if self.setting is None:
            raise TraceError(f"layer {self.shape.name} has no predictor, so no pattern")
        return self.setting.pattern


@lru_cache(maxsize=32)
def _pattern_outputs(pattern: str, N: int, P: int, Q: int, K: int) -> PackedMap:
    """Share one map among all layers of the same shape and pattern, so that its summaries are computed once."""
    return PackedMap.of_pattern(pattern_map(pattern, P, Q), N, K)
