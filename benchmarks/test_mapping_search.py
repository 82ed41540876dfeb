"""The row-stationary mapping search on Eyeriss, one layer shape at a time, nothing remembered.

pytest benchmarks/test_mapping_search.py --benchmark-columns=min,median,rounds --benchmark-sort=min

The shapes are those that take longest among the layers of VGG-16, ResNet-50, MobileNet and AlexNet, alone or in a batch
of four; the first is VGG-16's conv3_2. Every mapping that is timed is checked.
"""

import time

import pytest

from zapsim.arch.load import load_arch
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search, search_prices
from zapsim.arrays.row_stationary.strips import Stage
from zapsim.workload import ConvShape

EYERISS = load_arch("eyeriss")
HAVE = Resources.of(EYERISS)
PRICES = search_prices(EYERISS)
SAME = (1, 1, 1, 1)
SHAPES = {
    "3x3": ConvShape("", C=256, H=56, W=56, K=256, R=3, S=3, padding=SAME),
    "1x1": ConvShape("", C=64, H=56, W=56, K=256, R=1, S=1),
    "1x1, N=4": ConvShape("", N=4, C=64, H=56, W=56, K=256, R=1, S=1),
    "1x1 stride 2, N=4": ConvShape("", N=4, C=512, H=28, W=28, K=1024, R=1, S=1, stride=(2, 2)),
    "depthwise, N=4": ConvShape("", N=4, C=144, H=56, W=56, K=144, R=3, S=3, stride=(2, 2), padding=SAME, groups=144),
    "fully connected, N=4": ConvShape("", N=4, C=9216, H=1, W=1, K=4096, R=1, S=1),
}
STAGES = {"dense": (Stage(),), "two stages": (Stage(16), Stage(6))}


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
@pytest.mark.parametrize("shape", SHAPES)
def test_search(benchmark, shape, objective, stages):
    wanted = Objective(objective, () if objective == "latency" else PRICES, STAGES[stages])
    found = benchmark.pedantic(
        search, args=(SHAPES[shape], HAVE, wanted), setup=search.cache_clear, rounds=7, warmup_rounds=1
    )
    check_mapping(SHAPES[shape], HAVE, found)
