"""What many tests need: tiny layers, random and correlated masks, trace files, architectures, a simple engine."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from zapsim.arch.spec import ArchSpec
from zapsim.arch.tables import ENERGY_ACTIONS
from zapsim.arrays.engine import STANDARD, WHOLE_LAYER, Demand, StageResult, StageShare
from zapsim.arrays.gating import outputs_per_pixel, switching_macs
from zapsim.arrays.tiles import whole_stage
from zapsim.counts import Counts, Cycles
from zapsim.patterns import pattern_map
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import (
    Image,
    LayerTrace,
    Network,
    OperatingPoint,
    PredictorSetting,
    TracedLayer,
    TraceHeader,
    map_kinds,
    tensor_name,
)
from zapsim.tracefile.writer import DIGEST_KEY, METADATA_KEY, TraceWriter, text_digest
from zapsim.workload import ConvShape

SPADS = {"ifmap": "12 words", "filter": "224 words", "psum": "24 words"}
BUSES = {"ifmap": 1, "filter": 4, "psum": 4}
SIZE = {"rows": 6, "cols": 5}
ARRAYS: dict[str, dict[str, Any]] = {
    "row-stationary": {**SIZE, "spads": SPADS, "buses": BUSES},
    "weight-stationary": SIZE,
    "output-stationary": SIZE,
    "input-stationary": SIZE,
    "output-lanes": {"clusters": 2, "pes": 2, "lanes": 3, "filter_buffer": "512 words", "buses": BUSES},
}
"""A small array of each dataflow."""


def counts_with_dram(stage: StageResult) -> Counts:
    """Return the actions of a stage that finds nothing on chip, with the words of its tiles that pass DRAM."""
    tiles = stage.tiles
    return stage.counts + Counts(dram_reads=tiles.loaded_words, dram_writes=int(tiles.spilled_words.sum()))


def conv(name: str = "conv", **dims: Any) -> ConvShape:
    """Return a small 3×3 layer with 3 channels and 4 filters on a 6×5 map, changed by `dims`."""
    plain: dict[str, Any] = {"C": 3, "H": 6, "W": 5, "K": 4, "R": 3, "S": 3, "padding": (1, 1, 1, 1)}
    return ConvShape(name, **plain | dims)


def random_map(rng: np.random.Generator, size: tuple[int, ...], density: float, correlated: bool = False) -> PackedMap:
    """Return a map (images, rows, columns, channels) of about `density`.

    A correlated one has whole regions and whole channels that are mostly zero, as feature maps have.
    """
    noise = rng.random(size)
    if correlated:
        noise = noise / 3 + rng.random((*size[:3], 1)) / 3 + rng.random((size[0], 1, 1, size[3])) / 3
        return PackedMap.from_bool(noise <= np.quantile(noise, density) if density else np.zeros(size, dtype=bool))
    return PackedMap.from_bool(noise < density)


def random_layer(
    rng: np.random.Generator,
    shape: ConvShape,
    *,
    pattern: str = "1/2",
    density: float = 0.5,
    correlated: bool = False,
    miss: float = 0.1,
) -> LayerTrace:
    """Return a predicted layer whose predictor errs, on zeros and on non-zeros alike, with probability `miss`."""
    outputs = (shape.N, shape.P, shape.Q, shape.K)
    ifmap = random_map(rng, (shape.N, shape.H, shape.W, shape.C), 0.6, correlated)
    nonzero = random_map(rng, outputs, density, correlated)
    first = PackedMap.of_pattern(pattern_map(pattern, shape.P, shape.Q), shape.N, shape.K)
    guess = PackedMap.from_bool(nonzero.unpack() ^ (rng.random(outputs) < miss))
    setting = PredictorSetting(pattern=pattern, threshold=0.0)
    return LayerTrace(shape=shape, ifmap_nonzero=ifmap, ofmap_nonzero=nonzero, mask=guess | first, setting=setting)


def with_mask(layer: LayerTrace, mask: PackedMap) -> LayerTrace:
    """Return the layer with another mask."""
    return LayerTrace(**{name: getattr(layer, name) for name in LayerTrace.model_fields} | {"mask": mask})


# --- traces ---------------------------------------------------------------------------------------------------------

LAYERS = (
    TracedLayer(shape=conv("conv1", K=5), relu=True, unpredicted="first convolution"),
    TracedLayer(shape=conv("conv2", C=5, K=11, stride=(2, 1), padding=(1, 0, 1, 1)), relu=True),
    TracedLayer(shape=ConvShape("fc", C=11, H=1, W=1, K=3, R=1, S=1), relu=False, unpredicted="no ReLU follows"),
)
"""A first convolution, a predicted one with an asymmetric stride and padding, a last one without a ReLU."""


def sha(text: str) -> str:
    """Return a digest to stand for something that is not there."""
    return hashlib.sha256(text.encode()).hexdigest()


def trace_header(
    layers: tuple[TracedLayer, ...] = LAYERS,
    *,
    images: int = 1,
    points: tuple[str, ...] = ("t=0",),
    pattern: str = "1/2",
    **changes: Any,
) -> TraceHeader:
    """Return a header; every layer that may have a predictor has one at every point."""
    setting = PredictorSetting(pattern=pattern, threshold=0.25)
    predictors = {layer.shape.name: setting for layer in layers if layer.unpredicted is None}
    plain: dict[str, Any] = {
        "network": Network(name="tiny", weights_sha256=sha("weights"), source="made for tests"),
        "images": tuple(Image(name=f"photo{i}", sha256=sha(f"photo{i}"), source="drawn") for i in range(images)),
        "layers": layers,
        "operating_points": tuple(
            OperatingPoint(
                name=name, predictors=predictors, quality={"top1_agreement": 0.75}, quality_note="4 pictures"
            )
            for name in points
        ),
        "provenance": {"seed": 7},
    }
    return TraceHeader(**plain | changes)


def trace_maps(header: TraceHeader, seed: int = 0, density: float = 0.5) -> Iterator[tuple[Any, ...]]:
    """Yield all that `header` announces as ``TraceWriter.write`` takes it: point, image, layer, kind, map."""
    rng = np.random.default_rng(seed)
    for point in header.operating_points:
        for image in range(len(header.images)):
            for layer in header.layers:
                made = random_layer(rng, layer.shape, pattern=_pattern(point, layer), density=density, correlated=True)
                for kind in map_kinds(layer, point):
                    yield point.name, image, layer.shape.name, kind, getattr(made, kind)


def _pattern(point: OperatingPoint, layer: TracedLayer) -> str:
    setting = point.predictors.get(layer.shape.name)
    return setting.pattern if setting else "1/2"


def write_trace(path: Path, header: TraceHeader | None = None, seed: int = 0, density: float = 0.5) -> Path:
    """Write a trace of random maps and return its path."""
    header = header or trace_header()
    with TraceWriter(path, header) as writer:
        for one in trace_maps(header, seed, density):
            writer.write(*one)
    return path


def tamper(
    path: Path,
    *,
    header: Callable[[dict[str, Any]], object] | None = None,
    maps: Callable[[dict[str, np.ndarray]], object] | None = None,
    seal: bool = True,
) -> Path:
    """Change a trace file in place: its header as a dict, its maps as arrays; with `seal`, digests fit the maps."""
    with safe_open(path, framework="numpy") as file:
        head = json.loads(file.metadata()[METADATA_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    if maps is not None:
        maps(tensors)
    if seal:
        head["digests"] = {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in tensors.items()}
    if header is not None:
        header(head)
    said = json.dumps(head)
    save_file(tensors, path, metadata={METADATA_KEY: said, DIGEST_KEY: text_digest(said)})
    return path


# --- architectures and an engine ------------------------------------------------------------------------------------


def arch(dataflow: str = "row-stationary", **changes: Any) -> ArchSpec:
    """Return a small architecture in which every action costs 1 pJ and the predictor is a unit of 9 lanes."""
    return ArchSpec.model_validate({
        "name": "tiny",
        "description": "for tests",
        "array": {"dataflow": dataflow, **ARRAYS[dataflow]},
        "word": "16 bit",
        "clock": "100 MHz",
        "buffers": {"glb": {"size": "8 KiB"}, "prefetch": {"ifmap": 0, "filter": 1, "ofmap": 0}},
        "dram": {"bandwidth": "400 MB/s"},
        "predictor": {"unit": "dedicated", "lanes": 9, "latency": "8 cycles"},
        "energy": {"technology": "none", "actions": dict.fromkeys(ENERGY_ACTIONS, "1 pJ")},
        **changes,
    })  # fmt: skip


class OneCycleAnOutput:
    """The simplest engine: an output that is computed takes one cycle, and nothing else is executed."""

    served = STANDARD

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0
    ) -> list[None]:
        """Need no mapping."""
        return [None] * len(stages)

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: None, demand: Demand) -> StageResult:
        """Count a cycle an output that takes time, and a read from the GLB a MAC that switches."""
        marked = None if demand.mask is None else outputs_per_pixel(demand.mask, shape.groups)
        executed = switching_macs(shape, marked, demand.window_nonzero)
        outputs = shape.outputs if demand.mask is None or demand.gate else demand.mask.count()
        counts = Counts(
            macs_executed=executed, macs_gated=outputs * shape.macs_per_output - executed, glb_reads=executed
        )
        return StageResult(Cycles(compute=outputs), counts, 1, whole_stage(outputs, outputs, free_words=1000))


def map_name(*parts: Any) -> str:
    """Return the name of a map in the file, from (point, image, layer, kind)."""
    return tensor_name(*parts)


def write_idx(path: Path | str, values: np.ndarray) -> Path:
    """Write numbers from 0 to 255, of any shape, as an idx file (the format of MNIST); return its path."""
    sizes = np.array(values.shape, dtype=">u4").tobytes()
    Path(path).write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())
    return Path(path)
