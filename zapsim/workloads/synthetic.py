"""Synthetic traces: maps that are drawn at random, with given shares of zeros, for networks without masks.

Every output of a layer gets a normal variate

    x(row, column, filter) = sqrt(a) · s(row, column) + sqrt(b) · c(filter) + sqrt(1 - a - b) · e(row, column, filter)

with a smooth field s that all filters share (`space`), an offset c of each filter (`channel`), and independent noise e.
The largest ones, as many as `density` says, are not zero. Of the outputs outside the pattern, the smallest ones are
skipped, as many as `skipped` says: the zeros first. So a predictor is never wrong unless more is skipped than is zero.

What is left out: real maps are smooth within a channel, zeros of one layer follow from those before it, and a trained
predictor is wrong where it is hard. A synthetic trace is good for studies of scale, not for statements about a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import WorkloadError, did_you_mean
from zapsim.patterns import pattern_map
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import (
    Image,
    Network,
    OperatingPoint,
    PredictorSetting,
    TracedLayer,
    TraceHeader,
)
from zapsim.tracefile.writer import TraceWriter
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.rates import Rates

SYNTHETIC = "synthetic"
"""The word by which everything made from such a trace is known: name of the operating point, part of all others."""

SYNTHETIC_NOTE = "no network: synthetic masks"
"""What stands in the place of the data that a quality was measured on."""

_NOTHING = hashlib.sha256(b"").hexdigest()
_SMALLEST_MAP = 4
_CELL = 4
"""Pixels between the independent values of the smooth field."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How the zeros lie: the variance that neighbouring pixels (`space`) and a filter's outputs (`channel`) share."""

    space: float = 0.0
    channel: float = 0.0

    def __post_init__(self) -> None:
        if min(self.space, self.channel) < 0 or self.space + self.channel > 1:
            raise WorkloadError(
                f"correlation: expected shares of 0 or more that sum to at most 1, got {self.space:g} in space and "
                f"{self.channel:g} in channels"
            )

    def __str__(self) -> str:
        if self == Likeness():
            return "uniform"
        return f"correlated, {self.space:g} in space, {self.channel:g} in channels"


def synthesise(
    workload: Workload,
    rates: Rates | Mapping[str, Rates],
    out: Path,
    *,
    pattern: str = "1/2",
    likeness: Likeness | None = None,
    images: int = 1,
    seed: int = 0,
) -> None:
    """Write a synthetic trace.

    Parameters
    ----------
    workload
        The layers, in their order. The first has no predictor and a full ifmap, as a picture has; the last has no ReLU.
    rates
        Of all layers, or by layer; a layer that is not named has no ReLU.
    out
        The file to write.
    pattern
        The outputs that are computed first.
    likeness
        How the zeros lie (None: independent of one another).
    images
        How many sets of maps are drawn.
    seed
        Of all random numbers.

    Raises
    ------
    WorkloadError
        If rates name an unknown layer, or more is to be skipped than the pattern leaves.
    TraceError
        If the file cannot be written.
    """
    likeness = likeness or Likeness()
    by_layer = _rates_by_layer(workload, rates)
    predicted = {
        shape.name
        for index, shape in enumerate(workload.layers)
        if index and by_layer[shape.name].density < 1 and min(shape.P, shape.Q) >= _SMALLEST_MAP
    }
    header = _header(workload, by_layer, predicted, pattern, likeness, images, seed)
    with TraceWriter(out, header) as writer:
        for image in range(images):
            random = np.random.default_rng([seed, image])
            before: NDArray[np.bool_] | None = None
            for traced in header.layers:
                shape, rate = traced.shape, by_layer[traced.shape.name]
                ifmap = _ifmap(shape, before, random)
                writer.write(SYNTHETIC, image, shape.name, "ifmap_nonzero", PackedMap.from_bool(ifmap[np.newaxis]))
                before = np.ones((shape.P, shape.Q, shape.K), dtype=np.bool_)
                if traced.relu:
                    values = _values(shape, likeness, random)
                    before = _largest(values, rate.density)
                    writer.write(SYNTHETIC, image, shape.name, "ofmap_nonzero", PackedMap.from_bool(before[np.newaxis]))
                    if shape.name in predicted:
                        mask = _mask(shape, values, before, rate.skipped, pattern)
                        writer.write(SYNTHETIC, image, shape.name, "mask", PackedMap.from_bool(mask[np.newaxis]))
                        before = before & mask


def _rates_by_layer(workload: Workload, rates: Rates | Mapping[str, Rates]) -> dict[str, Rates]:
    """Give every layer its rates; the last has no ReLU."""
    names = [layer.name for layer in workload.layers]
    if isinstance(rates, Rates):
        return {**dict.fromkeys(names, rates), names[-1]: Rates(1.0)}
    unknown = [name for name in rates if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise WorkloadError(f"rates: {workload.name} has no layer '{unknown[0]}'{hint}; it has: {', '.join(names)}")
    return {name: rates.get(name, Rates(1.0)) for name in names}


def _header(
    workload: Workload,
    rates: Mapping[str, Rates],
    predicted: set[str],
    pattern: str,
    likeness: Likeness,
    images: int,
    seed: int,
) -> TraceHeader:
    names = (f"{SYNTHETIC} maps", *(f"{SYNTHETIC} maps {number}" for number in range(2, images + 1)))
    return TraceHeader(
        network=Network(name=f"{workload.name} ({SYNTHETIC})", weights_sha256=_NOTHING, source=f"none: {SYNTHETIC}"),
        images=tuple(Image(name=name, sha256=_NOTHING, source=f"random numbers, seed {seed}") for name in names),
        layers=tuple(
            TracedLayer(
                shape=shape.batch(1),
                relu=rates[shape.name].density < 1,
                unpredicted=None if shape.name in predicted else _reason(index, shape, rates[shape.name]),
            )
            for index, shape in enumerate(workload.layers)
        ),
        operating_points=(
            OperatingPoint(
                name=SYNTHETIC,
                predictors={
                    shape.name: PredictorSetting(pattern=pattern, threshold=0.0)
                    for shape in workload.layers
                    if shape.name in predicted
                },
                quality_note=SYNTHETIC_NOTE,
            ),
        ),
        provenance={
            SYNTHETIC: {
                "zeros": str(likeness),
                "density": {name: rate.density for name, rate in rates.items()},
                "skipped": {name: rate.skipped for name, rate in rates.items() if rate.skipped is not None},
            },
            "seed": seed,
        },
    )


def _reason(index: int, shape: ConvShape, rate: Rates) -> str:
    if index == 0:
        return "first layer"
    return "no ReLU" if rate.density >= 1 else f"output map of {shape.P}×{shape.Q} is too small"


def _values(shape: ConvShape, likeness: Likeness, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw the variates of a layer's outputs: float32 (P, Q, K)."""
    noise = random.standard_normal((shape.P, shape.Q, shape.K), dtype=np.float32)
    space = _smooth(shape.P, shape.Q, random)[:, :, np.newaxis] * np.sqrt(likeness.space)
    channel = random.standard_normal(shape.K) * np.sqrt(likeness.channel)
    rest = np.sqrt(1 - likeness.space - likeness.channel)
    return np.asarray(rest * noise + space + channel, dtype=np.float32)


def _smooth(rows: int, columns: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw a field of deviation 1 that changes little from pixel to pixel: bilinear between values 4 pixels apart."""
    coarse = random.standard_normal((rows // _CELL + 2, columns // _CELL + 2))
    at_rows, at_columns = np.arange(rows) / _CELL, np.arange(columns) / _CELL
    upright = np.stack([np.interp(at_rows, np.arange(len(coarse)), line) for line in coarse.T], axis=1)
    field = np.stack([np.interp(at_columns, np.arange(upright.shape[1]), line) for line in upright])
    return np.asarray((field - field.mean()) / (field.std() or 1.0), dtype=np.float64)


def _largest(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Mark the share of the largest values, to the nearest output."""
    marked = np.zeros(values.size, dtype=np.bool_)
    count = round(share * values.size)
    if count:
        marked[np.argpartition(values, -count, axis=None)[-count:]] = True
    return marked.reshape(values.shape)


def _mask(
    shape: ConvShape, values: NDArray[np.float32], nonzero: NDArray[np.bool_], skipped: float | None, pattern: str
) -> NDArray[np.bool_]:
    """Mark the computed outputs: those of the pattern, and all but the smallest of the others."""
    first = np.broadcast_to(pattern_map(pattern, shape.P, shape.Q)[:, :, np.newaxis], values.shape)
    if skipped is None:
        return first | nonzero
    count, outside = round(skipped * values.size), int((~first).sum())
    if count > outside:
        raise WorkloadError(
            f"layer {shape.name}: {skipped:.1%} of the outputs cannot be skipped, since pattern {pattern} leaves "
            f"{outside / values.size:.1%}; skip less, or choose another pattern"
        )
    mask = np.ones(values.size, dtype=np.bool_)
    candidates = np.flatnonzero(~first.reshape(-1))
    if count:
        mask[candidates[np.argpartition(values.reshape(-1)[candidates], count - 1)[:count]]] = False
    return mask.reshape(values.shape)


def _ifmap(shape: ConvShape, before: NDArray[np.bool_] | None, random: np.random.Generator) -> NDArray[np.bool_]:
    """Make the ifmap of the ofmap before it: the same, pooled, or flattened; where none fits, of its density alone."""
    if before is None:
        return np.ones((shape.H, shape.W, shape.C), dtype=np.bool_)
    P, Q, K = before.shape
    if K == shape.C and shape.H <= P and shape.W <= Q:
        step_rows, step_columns = P // shape.H, Q // shape.W
        cut = before[: shape.H * step_rows, : shape.W * step_columns]
        return np.asarray(cut.reshape(shape.H, step_rows, shape.W, step_columns, K).any(axis=(1, 3)), dtype=np.bool_)
    if shape.H == shape.W == 1 and before.size == shape.C:
        return before.transpose(2, 0, 1).reshape(1, 1, -1)
    drawn: NDArray[np.bool_] = random.random((shape.H, shape.W, shape.C)) < before.mean()
    return drawn
