"""Feature maps that stay on chip between layers."""

import pytest

from tests.builders import arch, conv, random_layer
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS
from zapsim.errors import ConfigError
from zapsim.simulation import layer_timing, simulate
from zapsim.timing.residency import Residency, resident_maps
from zapsim.tracefile.reader import Trace
from zapsim.workload import ConvShape

CHAIN = (
    conv("a", C=3, H=8, W=8, K=4),  # ofmap 256 words
    conv("b", C=4, H=8, W=8, K=2),  # 128
    conv("c", C=2, H=4, W=4, K=8),  # after pooling; 128
    conv("d", C=3, H=4, W=4, K=8),  # takes something else
)


def spec(resident: str):
    return arch(buffers={"glb": {"size": "8 KiB", "resident": resident}, "prefetch": {"ifmap": 0, "ofmap": 0}})


@pytest.mark.parametrize(
    ("resident", "ofmaps"),
    [
        ("0 B", [False] * 4),
        ("511 B", [False, True, False, False]),  # a's 256 words do not fit; b's do
        ("512 B", [True, False, False, False]),  # a's do, but then b's 128 do not fit beside them
        ("768 B", [True, True, False, False]),
        ("2 KiB", [True, True, False, False]),
    ],
)
def test_what_stays(resident, ofmaps):
    stays = resident_maps(spec(resident), CHAIN)
    assert [one.ofmap for one in stays] == ofmaps
    assert [one.ifmap for one in stays] == [False, *ofmaps[:-1]]


def test_another_batch_does_not_follow():
    shapes = (CHAIN[0], ConvShape("b", N=2, C=4, H=8, W=8, K=2, R=1, S=1))
    assert not resident_maps(spec("4 KiB"), shapes)[0].ofmap


@pytest.mark.kernels
@pytest.mark.parametrize("dataflow", ["row-stationary", "weight-stationary", "output-lanes"])
def test_dram_sees_nothing_of_what_stays(rng, dataflow):
    layer = random_layer(rng, conv(K=9), correlated=True)
    plain = layer_timing(arch(dataflow), layer, PRESETS["zap"])
    home = layer_timing(arch(dataflow), layer, PRESETS["zap"], Residency(ifmap=True, ofmap=True))
    assert home.timeline.schedule.loads[:, 0].sum() == home.timeline.schedule.stores.sum() == 0
    assert home.counts.dram_reads < plain.counts.dram_reads
    assert home.counts.dram_writes == 0
    assert home.cycles.total < plain.cycles.total
    assert home.counts.glb_reads == plain.counts.glb_reads


def test_a_run_with_maps_that_stay_reads_and_writes_less():
    trace = Trace("traces/digits_cnn.safetensors")
    keys = ["buffers.glb.size=1 MiB"]
    plain = simulate(load_arch("systolic_16x16", keys), trace, PRESETS["zap"]).total
    home = simulate(load_arch("systolic_16x16", [*keys, "buffers.glb.resident=512 KiB"]), trace, PRESETS["zap"]).total
    assert home.policy.counts.dram_writes < plain.policy.counts.dram_writes
    assert home.policy.cycles.total <= plain.policy.cycles.total


def test_a_buffer_needs_room_to_work():
    with pytest.raises(ConfigError, match=r"buffers\.glb\.resident: 110592 B leave nothing of the 110592 B of size"):
        load_arch("systolic_16x16", ["buffers.glb.resident=108 KiB"])
