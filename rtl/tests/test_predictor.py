"""The predictor unit against its whole-number reference, bit by bit, and against the timing model, cycle by cycle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtl.bench.hexfile import read_words
from rtl.bench.simulator import BENCHES, ROOT, Testbench, build, job_folder
from rtl.quantised_predictor import FoldedPredictor, load_folded, quantise
from rtl.tests.checks import assert_clean, assert_refused, chosen
from rtl.tests.predictor_jobs import MEMORIES, NUMBERS, PredictorJob, Unit
from zapsim.patterns import PATTERNS, pattern_map
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.schedule import Schedule

PREDICTORS = ROOT / "traces" / "vgg16_hed_1_2.zap.safetensors"
CROPS = BENCHES / "vgg16_crops.npz"
LAYERS = ("conv1_2", "conv2_2", "conv4_2", "conv5_3")
THRESHOLD = 0.1

UNITS = {
    "9x1": Unit(),
    "9x2": Unit(channels=2),
    "3x4": Unit(taps=3, channels=4, word=8),
    "1x1": Unit(taps=1),
    "9x2 powers of two": Unit(channels=2, powers_of_two=True),
}
IN_CI = ("9x2", "9x2 powers of two")


LATENCY = 3
"""Cycles beside MACs: the first one, the last score, the last word."""

EVEN = ("1/3", "1/3c", "2/5", "1/2", "1/2c", "3/5", "2/3")
"""Patterns with work for both kernels in every row."""


def check_cycles(unit: Unit, job: PredictorJob, result: dict[str, int]) -> int:
    """Check that the unit multiplies exactly as long as the model says; return the cycles beside that."""
    work = job.model_cycles(unit)
    assert result["working"] == work, job.name
    beside = result["cycles"] - work
    assert beside >= LATENCY, job.name
    return beside


@pytest.fixture(scope="module", params=UNITS)
def unit(request: pytest.FixtureRequest, everything: bool) -> Unit:
    return UNITS[chosen(request, everything, IN_CI)]


@pytest.fixture(scope="module")
def bench(unit: Unit) -> Testbench:
    return build("tb_zap_predictor", unit.parameters, numbers=NUMBERS, memories=MEMORIES)


def run(bench: Testbench, unit: Unit, work, jobs: list[PredictorJob]) -> list[dict[str, int]]:
    """Run jobs and check their masks."""
    settings = [job.write(job_folder(work, index), unit) for index, job in enumerate(jobs)]
    results = bench.run(work, settings)
    for index, (job, result) in enumerate(zip(jobs, results, strict=True)):
        expected = job.mask_words(unit)
        assert result["words"] == len(expected), job.name
        if expected:  # the simulator writes no empty file
            assert read_words(job_folder(work, index) / "masks.hex", unit.word) == expected, job.name
    return results


def real_job(layer: str, *, powers_of_two: bool, channels: int = 8) -> PredictorJob:
    with np.load(CROPS) as crops:
        ofmap, start = crops[layer][:channels], int(crops[f"{layer}/first_channel"])
    folded, pattern = load_folded(PREDICTORS, layer, slice(start, start + channels))
    predictor = quantise(folded, ofmap, pattern, THRESHOLD, powers_of_two=powers_of_two)
    return PredictorJob(layer, predictor, predictor.quantised(ofmap), pattern)


def random_job(
    rng: np.random.Generator, unit: Unit, *, pattern: str, size: tuple[int, int, int] | None = None
) -> PredictorJob:
    drawn = unit.channels * int(rng.integers(1, 4)), int(rng.integers(1, 12)), int(rng.integers(1, 12))
    channels, rows, cols = drawn if size is None else size
    ofmap = np.maximum(rng.normal(size=(channels, rows, cols)), 0)
    kernels = [rng.normal(size=size) for size in ((channels, 3, 3), (channels,)) * 2]
    predictor = quantise(
        FoldedPredictor(*kernels), ofmap + 1e-3, pattern, float(rng.normal()) / 4, powers_of_two=unit.powers_of_two
    )
    title = f"{channels}x{rows}x{cols} {pattern}"
    return PredictorJob(title, predictor, predictor.quantised(ofmap), pattern)


def test_real_layers(bench: Testbench, unit: Unit, tmp_path, table, request: pytest.FixtureRequest) -> None:
    """The unit takes the model's cycles and a constant, which `predictor.latency` of the shipped files covers."""
    jobs = [real_job(layer, powers_of_two=unit.powers_of_two) for layer in LAYERS]
    results = run(bench, unit, tmp_path, jobs)
    rows = []
    for job, result in zip(jobs, results, strict=True):
        beside = check_cycles(unit, job, result)
        assert beside == LATENCY, job.name
        size = "×".join(map(str, job.shape))
        rows.append(
            {"unit": request.node.callspec.id, "layer": job.name, "outputs": size, "model": job.model_cycles(unit),
             "rtl_working": result["working"], "rtl_latency": beside}
        )  # fmt: skip
    table(f"predictor-{request.node.callspec.id}".replace(" ", "-"), rows)


def test_random_layers_of_all_patterns(bench: Testbench, unit: Unit, tmp_path) -> None:
    """Multipliers rest only where lines are too short, or too unequal, for four of them to hold work enough."""
    rng = np.random.default_rng(1)
    jobs = [random_job(rng, unit, pattern=pattern) for pattern in PATTERNS for _ in range(6)]
    for job, result in zip(jobs, run(bench, unit, tmp_path, jobs), strict=True):
        channels, rows, cols = job.shape
        lines = channels // unit.channels * rows
        assert check_cycles(unit, job, result) <= LATENCY + lines * (cols + 2), job.name


def test_what_multipliers_rest(bench: Testbench, unit: Unit, tmp_path, table, request: pytest.FixtureRequest) -> None:
    """On maps of 14×14 and larger, hardly: at most a line or so per layer, but for two patterns of whole rows."""
    rng = np.random.default_rng(4)
    sizes = ((8, 14, 14), (4, 28, 28), (4, 12, 56))
    jobs = [random_job(rng, unit, pattern=pattern, size=size) for pattern in PATTERNS for size in sizes]
    results = run(bench, unit, tmp_path, jobs)
    rows = []
    for job, result in zip(jobs, results, strict=True):
        rest, cols = check_cycles(unit, job, result) - LATENCY, job.shape[2]
        if job.pattern in EVEN:
            assert rest <= 3, job.name
        elif job.pattern not in ("1/3r", "1/2r"):
            assert rest <= cols + 2, job.name
        rows.append({"layer": job.name, "model": job.model_cycles(unit), "rest": rest})
    table(f"predictor-rest-{request.node.callspec.id}".replace(" ", "-"), rows)


def test_channels_that_lanes_do_not_divide(bench: Testbench, unit: Unit, tmp_path) -> None:
    """The last group of channels is padded with zeros: the unit takes the cycles of a whole one, the model a part."""
    if unit.channels == 1:
        pytest.skip("one channel at a time divides all")
    job = real_job("conv5_3", powers_of_two=unit.powers_of_two, channels=unit.channels + 1)
    (result,) = run(bench, unit, tmp_path, [job])
    whole = real_job("conv5_3", powers_of_two=unit.powers_of_two, channels=2 * unit.channels)
    assert result["working"] == whole.model_cycles(unit)


def test_who_is_slow_is_waited_for(bench: Testbench, unit: Unit, tmp_path) -> None:
    """Mask words that nobody takes, and inputs that come late, cost time and change no bit."""
    rng = np.random.default_rng(2)
    slow = [replace(random_job(rng, unit, pattern="1/2"), refusals=128) for _ in range(6)]
    for pattern in PATTERNS:
        job = random_job(rng, unit, pattern=pattern)
        late = np.sort(rng.integers(0, 3 * job.model_cycles(unit), len(job.inputs(unit))))
        slow.append(replace(job, arrivals=late, refusals=64))
    for job, result in zip(slow, run(bench, unit, tmp_path, slow), strict=True):
        assert result["working"] == job.model_cycles(unit)


def test_jobs_of_tiles_end_when_the_timeline_says(bench: Testbench, unit: Unit, tmp_path, table) -> None:
    """Inputs come while tiles run on the array; the last mask word comes soon after the model's.

    A tile is a group of channels here. The model lets a job start with its tile and end no earlier; the unit has two
    rows of the second kernel to do when the last input is there, of which it could not know before.
    """
    rng = np.random.default_rng(3)
    jobs, ends = [], []
    for pace in (0.2, 0.5, 0.9, 1.0, 1.1, 2.0, 4.0):
        job = real_job("conv5_3", powers_of_two=unit.powers_of_two)
        groups = job.shape[0] // unit.channels
        per_group = job.model_cycles(unit) // groups
        tiles = np.maximum((pace * per_group * rng.uniform(0.7, 1.3, groups)).astype(np.int64), 1)
        known = len(job.inputs(unit)) // groups
        starts = np.cumsum(tiles) - tiles
        arrivals = (starts[:, None] + (np.arange(known) * tiles[:, None]) // known).reshape(-1)
        jobs.append(replace(job, name=f"pace {pace}", arrivals=arrivals))
        ends.append(job_end(tiles, np.full(groups, per_group)))
    rows = []
    for job, end, result in zip(jobs, ends, run(bench, unit, tmp_path, jobs), strict=True):
        after, cols = result["cycles"] - end, job.shape[2]
        # Half of the outputs of these rows lie outside the pattern, and one of each kernel may be at work or wait;
        # between them, three rows are finished.
        left = LATENCY + int(np.ceil((cols + 3) * 9 / unit.taps)) + 3 * cols
        assert 0 <= after <= left, job.name
        rows.append({"inputs": job.name, "timeline": end, "rtl": result["cycles"], "after": after, "bound": left})
    table(f"predictor-stalls-{unit.taps}x{unit.channels}{'p' * unit.powers_of_two}", rows)


def job_end(tile_cycles: np.ndarray, job_cycles: np.ndarray) -> int:
    """Return when the last job ends on zapsim's timeline, every tile of the array being a job's input."""
    none = np.zeros_like(tile_cycles)
    schedule = Schedule(
        cycles=tile_cycles, stage=none, loads=np.zeros((len(none), 3), dtype=np.int64), stores=none, waits_for=none - 1,
        job_after=np.arange(len(none)), job_cycles=job_cycles, depths=(1, 1, 1, 1), latency=0, job_latency=0,
    )  # fmt: skip
    return int(run_fast(schedule).job_end[-1])


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"TAPS": 4}, "TAPS = 4: expected 1, 3 or 9"),
        ({"CHANNELS": 3}, "WORD = 16 must be a multiple of BITS = 3"),
        ({"SUM_BITS": 18}, "SUM_BITS = 18"),
        ({"FINISHERS": 2}, "FINISHERS = 2: expected 1 or 3"),
        ({"CHANNELS": 0}, "CHANNELS = 0: expected at least 1"),
        ({"SIZE_BITS": 4}, "SIZE_BITS = 4 do not hold MAX_COLS = 64"),
    ],
)
def test_unsupported_parameters_are_refused(parameters: dict[str, int], fault: str) -> None:
    assert_refused("zap_predictor", parameters, fault)


def test_lint_is_clean() -> None:
    for parameters in ({}, {"TAPS": 1}, {"TAPS": 3, "CHANNELS": 4}, {"CHANNELS": 2, "POWERS_OF_TWO": 1}):
        assert_clean("zap_predictor", parameters)


def test_whole_numbers_agree_with_the_trained_predictors(table) -> None:
    """Bits outside the pattern that are the same as in floating point, on real outputs."""
    rows = []
    for layer in LAYERS:
        with np.load(CROPS) as crops:
            ofmap, start = crops[layer].astype(np.float64), int(crops[f"{layer}/first_channel"])
        folded, pattern = load_folded(PREDICTORS, layer, slice(start, start + len(ofmap)))
        outside = ~pattern_map(pattern, *ofmap.shape[1:])
        exact = folded.scores(ofmap, pattern) > THRESHOLD
        row: dict[str, object] = {"layer": layer, "skipped_float": f"{1 - exact[:, outside].mean():.3f}"}
        for name, powers_of_two in (("int8", False), ("powers_of_two", True)):
            predictor = quantise(folded, ofmap, pattern, THRESHOLD, powers_of_two=powers_of_two)
            bits = predictor.computed(predictor.quantised(ofmap), pattern)
            row[f"same_{name}"] = f"{(bits == exact)[:, outside].mean():.4f}"
            row[f"skipped_{name}"] = f"{1 - bits[:, outside].mean():.3f}"
        rows.append(row)
        assert float(str(row["same_int8"])) > 0.97
    table("predictor-agreement", rows)


def test_folded_predictors_score_as_the_front_end_does() -> None:
    """The starting point of the whole numbers is the front end's own predictor, if torch is there to ask it."""
    torch = pytest.importorskip("torch")
    from zapsim.frontend.training.predictor import load_predictors

    for layer in LAYERS:
        with np.load(CROPS) as crops:
            ofmap, start = crops[layer].astype(np.float32), int(crops[f"{layer}/first_channel"])
        channels = slice(start, start + len(ofmap))
        folded, pattern = load_folded(PREDICTORS, layer, channels)
        with torch.no_grad():
            scores = load_predictors(PREDICTORS).predictors[layer](torch.from_numpy(ofmap)[None], channels)[0]
        outside = ~pattern_map(pattern, *ofmap.shape[1:])
        np.testing.assert_allclose(folded.scores(ofmap, pattern)[:, outside], scores.numpy()[:, outside], atol=2e-3)
