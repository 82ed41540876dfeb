"""Where on the array useful MACs are done: hand-worked arrays, and sums that are the layer's demanded MACs."""

import numpy as np
import pytest

from tests.builders import conv
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.arrays.engine import Demand
from zapsim.arrays.engines import ENGINES
from zapsim.errors import ZapsimError
from zapsim.report.figures.pe_work import _WORK, pe_macs
from zapsim.report.figures.utilisation import array_use
from zapsim.simulation import layer_timing
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace

TRACE = "traces/digits_cnn.safetensors"
ARRAYS = (
    ("eyeriss", {}), ("eyeriss", {"array.balance": "row-pairing"}), ("eyeriss", {"array.balance": "filter-deal"}),
    ("eyeriss", {"array.rows": 7, "array.cols": 5}), ("systolic_16x16", {}),
    ("systolic_16x16", {"array.dataflow": "output-stationary"}),
    ("systolic_16x16", {"array.dataflow": "output-stationary", "array.fold_boundary": "kept"}),
    ("systolic_16x16", {"array.dataflow": "input-stationary"}),
    ("systolic_16x16", {"array.dataflow": "input-stationary", "array.fold_boundary": "crossed"}),
    ("systolic_zap", {}), ("lanes_256", {}), ("lanes_256", {"array.clusters": 2, "array.spread.clusters": "pixels"}),
    ("lanes_256", {"array.spread.lanes": "slices", "array.sync": "pe"}),
)  # fmt: skip


@pytest.mark.kernels
@pytest.mark.parametrize(("name", "changes"), ARRAYS)
def test_all_demanded_macs_are_somewhere(name, changes):
    arch = load_arch(name, changes)
    for policy_name in ("zap", "zap-gate", "dense"):
        policy = preset(policy_name, arch.inputs)
        if policy_name == "zap-gate" and changes.get("array.dataflow") == "output-stationary":
            continue  # an output-stationary array cannot gate outputs
        for layer in Trace(TRACE).layers(None, [0]):
            timing = layer_timing(arch, layer, policy)
            macs = pe_macs(arch, layer, policy, timing)
            assert macs.sum() == timing.demanded_macs
            assert macs.size * getattr(arch.array, "count", 1) == arch.array.pe_count
            assert (macs > 0).sum() <= timing.active_pes or policy_name != "dense" or name != "eyeriss"
            assert macs.max() <= timing.cycles.total * arch.array.mac_units  # each MAC takes its cycle


# Outputs of three pixels (rows) and two filters (columns); a filter has three products.
MASK = np.array([[1, 0], [0, 0], [1, 1]], dtype=bool)
BY_HAND = {
    # Products on rows: row 0 has two folds, row 1 one. Filter 0 has two outputs, filter 1 one.
    ("weight-stationary", "kept"): [[4, 2], [2, 1]],
    # Pixels on columns: pixels 0 and 2 share column 0, with three outputs; pixel 1 has none.
    ("input-stationary", "kept"): [[6, 0], [3, 0]],
    # ... or pixel 2 takes the place of pixel 1.
    ("input-stationary", "crossed"): [[2, 4], [1, 2]],
    # Pixels on rows, all three products of an output in one PE.
    ("output-stationary", "kept"): [[6, 3], [0, 0]],
    # ... or pixel 2, with both filters, takes the place of pixel 1.
    ("output-stationary", "crossed"): [[3, 0], [3, 3]],
}


@pytest.mark.parametrize(("dataflow", "boundary"), BY_HAND)
def test_a_systolic_array_by_hand(dataflow, boundary):
    changes = {"array.rows": 2, "array.cols": 2, "array.dataflow": dataflow}
    if dataflow != "weight-stationary":
        changes["array.fold_boundary"] = boundary
    arch = load_arch("systolic_16x16", changes)
    shape = conv("a", C=3, K=2, H=1, W=3, R=1, S=1, padding=(0, 0, 0, 0))
    (mapping,) = ENGINES[dataflow].map_stages(shape, arch)
    demand = Demand(mask=PackedMap.from_bool(MASK.reshape(1, 1, 3, 2)))
    found = _WORK[type(arch.array)](shape, arch, mapping, demand)
    assert found.tolist() == BY_HAND[dataflow, boundary]


def test_work_without_a_place_is_refused():
    trace = Trace(TRACE)
    for name, changes in (
        ("systolic_16x16", {"array.pixel_order": "grouped"}), ("lanes_256", {"array.dispatch": "block-queue"})
    ):  # fmt: skip
        arch = load_arch(name, changes)
        with pytest.raises(ZapsimError, match=r"no place|no places of their own"):
            array_use(arch, trace, preset("zap", arch.inputs))


def test_use_of_the_network_is_that_of_its_layers():
    arch, trace = load_arch("eyeriss"), Trace(TRACE)
    policy = preset("zap", arch.inputs)
    (network,) = array_use(arch, trace, policy)
    names = [layer.shape.name for layer in trace.header.layers]
    layers = array_use(arch, trace, policy, names)
    assert [use.name for use in layers] == names
    low, high = np.min([use.share for use in layers], axis=0), np.max([use.share for use in layers], axis=0)
    assert (network.share <= high).all()
    assert (network.share >= low).all()
    with pytest.raises(ZapsimError, match="no layer 'conv9'"):
        array_use(arch, trace, policy, ["conv9"])
