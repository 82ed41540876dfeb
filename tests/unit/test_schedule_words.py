"""Which tile loads and stores the words of predictor, mask and ofmap, and which job it waits for, by hand.

The channel takes a cycle for two words.
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import arch
from zapsim.arrays.tiles import Tiles, tile_table, whole_stage
from zapsim.timing.predictor import Prediction
from zapsim.timing.residency import Loads
from zapsim.timing.timeline.schedule import Schedule, build_schedule

pytestmark = pytest.mark.kernels


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def stage(cycles: tuple[int, ...], outputs: tuple[int, ...]) -> Tiles:
    """Tiles without operands, a block each."""
    none, blocks = np.zeros(len(cycles), dtype=np.int64), len(cycles)
    table = tile_table(
        ints(*cycles), ifmap=none, filters=none, psums=none, spilled=none, outputs=ints(*outputs),
        block=np.arange(blocks),
    )  # fmt: skip
    return replace(whole_stage(1, 1), table=table, blocks=blocks, reach=np.arange(blocks))


REST = stage((10, 30, 20), (4, 4, 4))


def schedule(outputs: tuple[int, int, int], prediction: Prediction, ofmap: int = 0) -> Schedule:
    first = stage((10, 10, 10), outputs)
    loads = [Loads(tiles.table[1:3]) for tiles in (first, REST)]
    unit = {"unit": "dedicated", "lanes": 1, "latency": "0 cycles"}
    return build_schedule(arch(predictor=unit), [first, REST], loads, ofmap, prediction)


def test_the_predictors_weights_come_with_the_outputs_of_stage_a() -> None:
    plan = schedule((2, 0, 4), Prediction(unit_cycles=6, weight_words=12))
    assert plan.loads[:, 1].tolist() == [2, 0, 4, 0, 0, 0]
    assert not plan.loads[:, [0, 2]].any()
    assert not plan.stores.any()


def test_without_outputs_in_stage_a_each_of_its_tiles_brings_as_many_weights() -> None:
    plan = schedule((0, 0, 0), Prediction(unit_cycles=6, weight_words=12))
    assert plan.loads[:, 1].tolist() == [2, 2, 2, 0, 0, 0]


def test_hidden_weights_take_no_time_of_the_channel() -> None:
    plan = schedule((2, 0, 4), Prediction(unit_cycles=6, weight_words=12, weights_hidden=True))
    assert not plan.loads.any()


def test_spilled_mask_bits_go_with_outputs_and_come_with_the_cycles_of_stage_b() -> None:
    plan = schedule((2, 0, 4), Prediction(unit_cycles=6, spilled_words=12))
    assert plan.stores.tolist() == [2, 0, 4, 0, 0, 0]
    assert plan.loads[:, 2].tolist() == [0, 0, 0, 1, 3, 2]
    assert not plan.loads[:, :2].any()


def test_the_ofmap_goes_with_the_outputs_of_both_stages() -> None:
    plan = schedule((2, 0, 4), Prediction(unit_cycles=6), ofmap=36)
    assert plan.stores.tolist() == [2, 0, 4, 4, 4, 4]


def test_a_block_without_outputs_of_the_pattern_goes_with_the_one_before_it() -> None:
    plan = schedule((4, 0, 4), Prediction(unit_cycles=24, by_tile=True))
    assert plan.stage.tolist() == [0, 0, 2, 0, 2, 2]  # A0 A1 B0 A2 B1 B2
    assert plan.job_after.tolist() == [0, 3]
    assert plan.job_cycles.tolist() == [12, 12]
    assert plan.waits_for.tolist() == [-1, -1, 0, -1, 0, 1]


def test_jobs_take_their_share_of_the_unit() -> None:
    plan = schedule((2, 0, 4), Prediction(unit_cycles=10))
    assert plan.job_after.tolist() == [0, 2]
    assert plan.job_cycles.tolist() == [4, 6]  # a third of 10, rounded up, and the rest
    assert plan.waits_for.tolist() == [-1, -1, -1, 1, 1, 1]


def test_without_outputs_of_the_pattern_one_job_is_all_that_there_is_to_do() -> None:
    for by_tile in (False, True):
        plan = schedule((0, 0, 0), Prediction(unit_cycles=10, by_tile=by_tile))
        assert (plan.job_after.tolist(), plan.job_cycles.tolist()) == ([-1], [10])
        assert plan.waits_for[plan.stage == 2].tolist() == [0, 0, 0]
