"""One predicted layer through the hardware: the pattern on a systolic array, the predictor unit, then the rest.

Values go from stage to stage: the unit sees what the array has computed, and the array computes what the unit asks for.
Beside it stands zapsim's timeline of the same layer with the same mask, with memory that is never waited for.

``python -m rtl.predicted_layer FOLDER`` leaves the waveforms of the three stages there (VCD, for GTKWave or Surfer),
the timeline (JSON, for ui.perfetto.dev) and a picture of both (SVG).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtl.bench.hexfile import read_words, signed
from rtl.bench.simulator import BENCHES, ROOT, MissingToolError, build, check_tools, job_folder
from rtl.picture import draw
from rtl.quantised_predictor import load_folded, quantise
from rtl.tests import predictor_jobs, stage
from rtl.tests.convolution import cuts
from rtl.tests.predictor_jobs import PredictorJob, Unit
from rtl.tests.stage import Stage
from rtl.tests.test_systolic import ENGINE, WS, Array
from zapsim.arch.policy import PRESETS
from zapsim.arch.spec import ArchSpec
from zapsim.report.timeline_file import TimedLayer, timeline_json
from zapsim.timing.layer import LayerTiming, time_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import LayerTrace, PredictorSetting

LAYER, THRESHOLD = "conv5_2", 0.1
ARRAY, UNIT = Array(WS, 4, 4), Unit(channels=2)
PREDICTORS = ROOT / "traces" / "vgg16_hed_1_2.zap.safetensors"


@dataclass(frozen=True)
class Run:
    """What the hardware took and what zapsim says; cycles."""

    pattern: dict[str, int]
    predictor: dict[str, int]
    rest: dict[str, int]
    mask: NDArray[np.bool_]
    model: LayerTiming

    @property
    def cycles(self) -> int:
        """Cycles of the layer in hardware, the stages one after another (the unit takes inputs while tiles run)."""
        return self.predictor["cycles"] + self.rest["cycles"]


def run(work: Path, *, waves: Path | None = None) -> Run:
    """Run the layer in hardware and in zapsim.

    Parameters
    ----------
    work
        A folder for memories and results.
    waves
        A folder to leave waveforms in; None: none.
    """
    cut = next(cut for cut in cuts() if cut.name == LAYER)
    shape, pattern = cut.layer.shape, cut.pattern
    folders = [work / name for name in ("pattern", "predictor", "rest")]
    for folder in folders:
        folder.mkdir()
    known = np.broadcast_to(pattern[None, :, :, None], cut.mask.shape).copy()
    stage_a = Stage("pattern", cut.layer, known, pattern)
    sums, pattern_run = _on_array(stage_a, folders[0], waves)

    # Behind the ReLU; the trained predictor expects the size of outputs that it has seen.
    ofmap = np.zeros((shape.K, shape.P, shape.Q))
    ofmap[:, pattern] = np.maximum(sums, 0).T
    with np.load(BENCHES / "vgg16_crops.npz") as crops:
        ofmap *= float(crops["conv5_3"].max()) / ofmap.max()
    folded, name = load_folded(PREDICTORS, LAYER, slice(0, shape.K))
    predictor = quantise(folded, ofmap, name, THRESHOLD)
    job = PredictorJob(LAYER, predictor, predictor.quantised(ofmap), name, _arrivals(stage_a, pattern_run))
    unit_run, bits = _on_unit(job, folders[1], waves)
    mask = np.broadcast_to(pattern[None], (shape.K, shape.P, shape.Q)).copy()
    mask[:, ~pattern] = bits
    mask = mask.transpose(1, 2, 0)[None]

    stage_b = Stage("rest", cut.layer, mask & ~known, ~pattern)
    _, rest_run = _on_array(stage_b, folders[2], waves)
    nonzero = PackedMap.from_bool(cut.layer.ofmap() > 0)
    ifmap = PackedMap.from_bool(cut.layer.ifmap > 0)
    trace = LayerTrace(
        shape=shape, ifmap_nonzero=ifmap, ofmap_nonzero=nonzero, mask=PackedMap.from_bool(mask),
        setting=PredictorSetting(pattern=name, threshold=THRESHOLD),
    )  # fmt: skip
    model = time_layer(ENGINE, _arch(), trace, PRESETS["zap"])
    if waves is not None:
        text = timeline_json([TimedLayer(LAYER, model.timeline)], _arch().clock, "zapsim beside its hardware")
        (waves / "timeline.json").write_text(text)
    return Run(pattern_run, unit_run, rest_run, mask, model)


def _on_array(stage_: Stage, work: Path, waves: Path | None) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Run a stage; return the sums of the pixels put on the array (pixels, K) and the numbers."""
    bench = build(
        "tb_systolic", ARRAY.parameters, numbers=stage.NUMBERS, memories=stage.MEMORIES, waves=waves is not None
    )
    folder = job_folder(work, 0)
    file = None if waves is None else waves / f"{stage_.name}.vcd"
    (numbers,) = bench.run(work, [ARRAY.write(stage_, folder)], waves=file)
    stage_.check(folder)
    sums = signed(read_words(folder / "ofmap.hex", 24), 24).reshape(-1, stage_.layer.shape.K)
    return sums, numbers


def _on_unit(job: PredictorJob, work: Path, waves: Path | None) -> tuple[dict[str, int], NDArray[np.bool_]]:
    """Run the predictor; return the numbers and the bits outside the pattern, bool (K, outputs)."""
    bench = build(
        "tb_zap_predictor", UNIT.parameters, numbers=predictor_jobs.NUMBERS, memories=predictor_jobs.MEMORIES,
        waves=waves is not None,
    )  # fmt: skip
    folder = job_folder(work, 0)
    file = None if waves is None else waves / "predictor.vcd"
    (numbers,) = bench.run(work, [job.write(folder, UNIT)], waves=file)
    words = read_words(folder / "masks.hex", UNIT.word)
    assert words == job.mask_words(UNIT)
    bits = np.array([word >> bit & 1 for word in words for bit in range(UNIT.word)], dtype=bool)
    channels = job.shape[0]
    by_group = bits[: channels * (len(bits) // channels)].reshape(channels // UNIT.channels, -1, UNIT.channels)
    return numbers, by_group.transpose(0, 2, 1).reshape(channels, -1)


def _arrivals(stage_a: Stage, numbers: dict[str, int]) -> NDArray[np.int64]:
    """Return when each input of the unit is there: with the end of the tile of filters that its channels are in."""
    filters, known = stage_a.layer.shape.K, len(stage_a.pixels())
    tiles = filters // ARRAY.cols
    ends = numbers["waiting"] + (np.arange(tiles) + 1) * numbers["running"] // tiles
    return np.repeat(ends, known * ARRAY.cols // UNIT.channels)


def _arch() -> ArchSpec:
    """Return the array and the unit with memory that is never waited for."""
    return ArchSpec.model_validate({
        "name": "rtl", "description": "as built", "array": ARRAY.arch.array, "word": "8 bit", "clock": "1 GHz",
        "buffers": {"glb": {"size": "64 MiB"}}, "dram": {"bandwidth": "100000 GB/s"},
        "predictor": {"unit": "dedicated", "lanes": UNIT.lanes, "latency": "0 cycles"},
        "energy": {"technology": "none", "actions": {}},
    })  # fmt: skip


def main() -> int:
    """Run the layer and leave waveforms and timeline in a folder."""
    if len(sys.argv) != 2:
        print("usage: python -m rtl.predicted_layer FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]).resolve()
    try:
        check_tools()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            done = run(Path(work), waves=folder)
        draw(folder, done.predictor["cycles"])
    except MissingToolError as fault:
        print(fault, file=sys.stderr)
        return 2
    print(f"{LAYER}: {done.cycles} cycles in hardware, {done.model.cycles.total} in zapsim; see {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
