"""Images are independent: their order and how they are split over runs change no result."""

from functools import reduce
from operator import add
from pathlib import Path

import pytest

from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.kernels

DIGITS = Path(__file__).parents[2] / "traces" / "digits_cnn.safetensors"
ARCHS = ("eyeriss_zap", "systolic_zap", "lanes_zap")


@pytest.fixture(scope="module")
def trace() -> Trace:
    return Trace(DIGITS)


@pytest.mark.parametrize("arch", ARCHS)
def test_permuted_images_permute_results_and_single_runs_sum_up(trace: Trace, arch: str) -> None:
    order = (2, 0, 1)
    whole, permuted = simulate(arch, trace, "zap", images=[0, 1, 2]), simulate(arch, trace, "zap", images=list(order))
    assert permuted.each_image == tuple(whole.each_image[image] for image in order)
    alone = [simulate(arch, trace, "zap", images=[image]) for image in range(3)]
    assert tuple(run.each_image[0] for run in alone) == whole.each_image
    for layer, parts in zip(whole.layers, zip(*(run.layers for run in alone), strict=True), strict=True):
        for side in ("baseline", "policy"):
            outcomes = [getattr(part.comparison, side) for part in parts]
            whole_side = getattr(layer.comparison, side)
            assert reduce(add, (outcome.cycles for outcome in outcomes)) == whole_side.cycles
            assert reduce(add, (outcome.counts for outcome in outcomes)) == whole_side.counts
