"""The row-stationary mapping search on Eyeriss, one layer shape at a time, nothing remembered.

The shapes are those that take longest among the layers of VGG-16, ResNet-50, MobileNet and AlexNet, alone or in a batch
of four; the first is VGG-16's conv3_2.
"""

from __future__ import annotations

from functools import partial
from itertools import product

from benchmarks.measure import Expected, Row, Task, equal_to, medians
from zapsim.arch.load import load_arch
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search, search_prices
from zapsim.arrays.row_stationary.strips import Stage
from zapsim.workload import ConvShape

SAME = (1, 1, 1, 1)
SHAPES = {
    "3x3": ConvShape("", C=256, H=56, W=56, K=256, R=3, S=3, padding=SAME),
    "1x1": ConvShape("", C=64, H=56, W=56, K=256, R=1, S=1),
    "1x1, N=4": ConvShape("", N=4, C=64, H=56, W=56, K=256, R=1, S=1),
    "1x1 stride 2, N=4": ConvShape("", N=4, C=512, H=28, W=28, K=1024, R=1, S=1, stride=(2, 2)),
    "depthwise, N=4": ConvShape("", N=4, C=144, H=56, W=56, K=144, R=3, S=3, stride=(2, 2), padding=SAME, groups=144),
    "fully connected, N=4": ConvShape("", N=4, C=9216, H=1, W=1, K=4096, R=1, S=1),
}
STAGES = {"": (Stage(),), ", two stages": (Stage(16), Stage(6))}


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Time the search for every shape, objective and number of stages; quick: for latency only."""
    eyeriss = load_arch("eyeriss")
    resources, prices = Resources.of(eyeriss), search_prices(eyeriss)
    objectives = ("latency",) if quick else ("latency", "energy", "edp")
    measured = []
    for (name, shape), objective, (kind, stages) in product(SHAPES.items(), objectives, STAGES.items()):
        wanted = Objective(objective, () if objective == "latency" else prices, stages)
        found = search(shape, resources, wanted)
        check_mapping(shape, resources, found)
        label = f"{name}, {objective}{kind}"
        expected.check(f"mapping of {label}", [repr(found)])
        run = partial(_search, shape, resources, wanted)
        rounds = 3 if quick else 7
        taken = medians([Task(label, run, equal_to(found), prepare=search.cache_clear)], rounds)
        measured.append(Row("mapping search on eyeriss, a layer", label, taken[label], "ms", rounds=rounds))
    return measured


def _search(shape: ConvShape, resources: Resources, wanted: Objective, _prepared: None) -> object:
    return search(shape, resources, wanted)
