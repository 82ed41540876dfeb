"""What eats the saving of a predicted layer on Eyeriss, by cause, as docs/models/row-stationary.md states it.

The layer is CONV4_2 of the bundled VGG-16 trace. The machine, which moves every word, runs a real pass of each stage.
"""

from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.reference.row_stationary_machine import Machine
from tests.reference.row_stationary_passes import layer_passes
from zapsim.arch.arrays import PassParameters
from zapsim.arch.load import load_arch
from zapsim.arrays.engine import WHOLE_LAYER, Demand, StageResult, StageShare
from zapsim.arrays.row_stationary.equations import pass_costs
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.timing import RowStationaryEngine, work_per_pass
from zapsim.timing.dram import coded_words
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace

BUNDLED = Path(__file__).parents[2] / "traces" / "vgg16_hed_chelsea.safetensors"
ARCH, ENGINE = load_arch("eyeriss"), RowStationaryEngine()
TOGETHER = load_arch("eyeriss", ["array.mapping.stages=together"])


@cache
def layer() -> LayerTrace:
    found = next(islice(Trace(BUNDLED).layers(), 8, None))
    assert found.shape.name == "conv4_2"
    return found


@cache
def stages() -> tuple[PackedMap, PackedMap]:
    pattern, mask = layer().pattern_outputs(), layer().mask
    assert mask is not None
    return pattern, mask.without(pattern)


@cache
def mappings() -> tuple[PassParameters, PassParameters]:
    """Return the mapping of the dense layer, and the one for both stages."""
    shape = layer().shape
    shares = [kept.count() / shape.outputs for kept in stages()]
    coded = coded_words(ARCH, layer().ifmap_nonzero) / shape.ifmap_words
    kinds = WHOLE_LAYER, [StageShare(share) for share in shares]
    dense, staged = (ENGINE.map_stages(shape, TOGETHER, stages, coded)[0] for stages in kinds)
    return dense, staged


@cache
def timed() -> tuple[StageResult, StageResult, StageResult]:
    dense, staged = mappings()
    first, second = (ENGINE.time_stage(layer().shape, ARCH, staged, Demand(kept)) for kept in stages())
    return ENGINE.time_stage(layer().shape, ARCH, dense, Demand()), first, second


def test_causes_add_up_to_the_loss() -> None:
    dense, first, second = timed()
    both = first.cycles + second.cycles
    even = first.cycles.compute / first.imbalance + second.cycles.compute / second.imbalance
    causes = {
        "skipped outputs": even - dense.cycles.compute,
        "busiest column": both.compute - even,
        "buses": both.psum_bus + both.ifmap_bus - dense.cycles.psum_bus - dense.cycles.ifmap_bus,
        "filters": both.filter_load - dense.cycles.filter_load,
        "ramp": both.ramp - dense.cycles.ramp,
    }
    kept = sum(mask.count() for mask in stages()) / layer().shape.outputs
    assert even == pytest.approx(kept * dense.cycles.compute), "with no waiting, compute falls as MACs do"
    loss = both.total - dense.cycles.total
    assert sum(causes.values()) == pytest.approx(loss)
    thousands = {cause: round(cycles / 1e3) for cause, cycles in causes.items()}
    assert thousands == {"skipped outputs": -3202, "busiest column": 1383, "buses": 935, "filters": 1180, "ramp": 855}
    assert round(loss / dense.cycles.total, 3) == 0.087


def run_pass(mapping: PassParameters, kept: PackedMap) -> tuple[int, int]:
    """Return the cycles of a layer's first pass, of the model and of the machine."""
    shape, have = layer().shape, Resources.of(ARCH)
    sizes, _ = layer_passes(shape, mapping)
    model = pass_costs(shape, have, sizes, *work_per_pass(shape, mapping, kept)).cycles[0, 0, 0, 0, 0]
    rng = np.random.default_rng(0)
    ifmap = rng.integers(-5, 6, (shape.N, shape.H, shape.W, shape.C))
    machine = Machine(shape, have, ifmap, rng.integers(-5, 6, (shape.K, shape.C, shape.R, shape.S)))
    tile = range(mapping.p * mapping.t), range(mapping.q * mapping.r), range(mapping.e), range(1)
    machine.run_pass(mapping, *(list(part) for part in tile), kept.unpack())
    return int(model), machine.cycles


@pytest.mark.reference
@pytest.mark.slow
def test_the_machine_loses_as_much() -> None:
    """A pass of the dense layer and one of each stage; all passes of a stage are much alike."""
    dense, staged = mappings()
    full = PackedMap.full(*stages()[0].shape)
    passes = [run_pass(dense, full), *(run_pass(staged, kept) for kept in stages())]
    assert [round(model / machine - 1, 2) for model, machine in passes] == [0.04, 0.0, 0.07]
