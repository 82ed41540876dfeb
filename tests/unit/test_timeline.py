"""The timeline by hand: overlap by buffer depth, the shared channel, causes of waits, the predictor's two rhythms."""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import arch
from zapsim.arrays.tiles import Tiles, even_shares, shared_out, tile_table, whole_stage
from zapsim.errors import ZapsimError
from zapsim.timing.dram import channel_of
from zapsim.timing.predictor import Prediction
from zapsim.timing.residency import Loads
from zapsim.timing.timeline.event import run_events
from zapsim.timing.timeline.fast import run_fast, run_with_stalls
from zapsim.timing.timeline.schedule import Schedule, build_schedule
from zapsim.timing.timeline.times import Stalls, stalls

pytestmark = pytest.mark.kernels
NONE = np.zeros(3, dtype=np.int64)


def ints(*values):
    return np.array(values, dtype=np.int64)


def three(load=(4, 4, 4), compute=(10, 10, 10), store=(0, 0, 0), depth=1, store_depth=1, **rest):
    """Return three tiles that load ifmaps only."""
    loads = np.stack([ints(*load), NONE, NONE], axis=1)
    plan = Schedule(
        ints(*compute), NONE, loads, ints(*store), NONE - 1, ints(), ints(), (depth, 1, 1, store_depth), 0, 0
    )
    return replace(plan, **rest)


def run(schedule):
    times, waits = run_with_stalls(schedule)
    assert run_events(schedule).end == times.end
    assert stalls(schedule, times) == waits
    return times, waits


def test_without_overlap_everything_adds_up():
    times, waits = run(three(depth=0, store=(3, 3, 3), store_depth=0))
    # Load 0-4, compute 4-14, store 14-17: but the next load is asked for at 14 too, and the store is the older tile's.
    assert list(times.start) == [4, 21, 38]
    assert list(times.store_end) == [17, 34, 51]
    assert times.end == 51
    assert waits == Stalls(dram_read=12, dram_write=9)


def test_a_double_buffer_hides_what_is_shorter_than_the_compute():
    times, waits = run(three(depth=1))
    assert list(times.start) == [4, 14, 24]
    assert waits == Stalls(dram_read=4)


def test_a_slow_channel_sets_the_pace():
    times, waits = run(three(load=(20, 20, 20), depth=1))
    # Tiles 0 and 1 are loaded at once, tile 2 when tile 0 is finished (at 30), but the channel is busy until 40.
    assert list(times.start) == [20, 40, 60]
    assert (times.end, waits.dram_read) == (70, 40)


def test_depth_bounds_how_far_ahead_the_channel_works():
    times, _ = run(three(load=(1, 1, 8), compute=(10, 2, 10), depth=1))
    assert times.load_end[2, 0] == 1 + 10 + 8  # tile 2 takes the place of tile 0, which is finished at 11
    deeper, _ = run(three(load=(1, 1, 8), compute=(10, 2, 10), depth=2))
    assert deeper.load_end[2, 0] == 10


def test_writes_and_reads_share_the_channel():
    times, waits = run(three(store=(30, 0, 0), depth=0))
    # Compute 4-14; store 14-44 goes before the load of tile 1 (44-48), which waits 30 cycles of writing.
    assert list(times.start) == [4, 48, 62]
    assert waits == Stalls(dram_read=12, dram_write=30)


def test_a_full_ofmap_buffer_is_named():
    times, waits = run(three(load=(0, 0, 0), store=(25, 25, 0), store_depth=1))
    # Tile 2 needs the place of tile 0, whose store ends at 10 + 25; the end waits for the second store.
    assert list(times.start) == [0, 10, 35]
    assert times.end == 60
    assert waits == Stalls(buffer=15, dram_write=15)


def test_latency_delays_the_first_tile_but_not_the_channel():
    plain, late = (run(three(load=(20, 20, 20), latency=latency))[0] for latency in (0, 7))
    assert list(late.start - plain.start) == [7, 7, 7]


def test_filters_come_after_the_ifmap_of_the_same_tile():
    loads = np.stack([ints(2, 1, 0), ints(3, 1, 0), NONE], axis=1)
    for depth, ends in ((0, [[2, 5], [16, 17]]), (1, [[2, 5], [6, 7]])):  # alone, or tile 1 right after tile 0
        times, _ = run(three(loads=loads, depths=(depth, depth, depth, 1)))
        assert times.load_end[:2, :2].tolist() == ends


def test_tiles_that_end_in_one_cycle_ask_in_the_order_of_tiles():
    """Tile 1 takes no time and ends with tile 0, in cycle 2. Its store was there before the filters of tile 2."""
    loads = np.stack([NONE, ints(0, 2, 3), NONE], axis=1)
    times, waits = run(three(compute=(2, 0, 1), loads=loads, stores=ints(0, 2, 2), depths=(2, 1, 2, 2)))
    assert list(times.start) == [0, 2, 7]
    assert times.load_end[:, 1].tolist()[1:] == [2, 7]
    assert list(times.store_end)[1:] == [4, 10]
    assert waits == Stalls(dram_read=3, dram_write=2 + 2)


def test_tiles_that_wait_for_one_another_are_refused():
    plan = three(waits_for=ints(0, -1, -1), job_after=ints(1), job_cycles=ints(5))
    with pytest.raises(ZapsimError, match="wait for one another"):
        run_fast(plan)


# --- the channel --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dram", "words", "cycles"),
    [
        ({"bandwidth": "400 MB/s"}, 8, 4),  # 16 bytes at 4 a cycle of 100 MHz
        ({"bandwidth": "400 MB/s"}, 9, 5),  # 18 bytes: a started cycle counts
        ({"bandwidth": "240 MB/s"}, 12, 10),  # 24 bytes at 2.4: exactly 10
        ({"bandwidth": "400 MB/s", "burst": "64 B"}, 1, 16),
        ({"bandwidth": "400 MB/s", "burst": "64 B"}, 0, 0),
        ({"bandwidth": "400 MB/s", "refresh": 0.2}, 8, 5),  # 3.2 bytes a cycle are left
        ({"bandwidth": "3 GB/s", "refresh": 0.1}, 27, 2),
    ],
)
def test_cycles_of_a_request(dram, words, cycles):
    channel = channel_of(arch(dram=dram))
    assert channel.cycles(words) == cycles
    assert list(channel.cycles(ints(words, 0, words))) == [cycles, 0, cycles]


def test_latency_is_in_cycles_of_the_array():
    assert channel_of(arch(dram={"bandwidth": "1 GB/s", "latency": "27.5 ns"})).latency == 3


# --- stages -------------------------------------------------------------------------------------------------------


def stage(cycles, outputs, block, blocks, reach=None):
    none = np.zeros(len(cycles), dtype=np.int64)
    table = tile_table(
        ints(*cycles), ifmap=none, filters=none, psums=none, spilled=none, outputs=ints(*outputs), block=ints(*block)
    )
    return replace(
        whole_stage(1, 1), table=table, blocks=blocks, reach=np.arange(blocks) if reach is None else ints(*reach)
    )


FIRST = stage([10, 10, 10], [4, 4, 4], [0, 1, 2], 3)
REST = stage([20, 20, 20], [4, 4, 4], [0, 1, 2], 3)


def planned(first: Tiles, rest: Tiles | None, prediction: Prediction, latency=0):
    unit = {"unit": "dedicated", "lanes": 1, "latency": f"{latency} cycles"}
    stages = [first] if rest is None else [first, rest]
    loads = [Loads(tiles.table[1:3]) for tiles in stages]
    return build_schedule(arch(predictor=unit), stages, loads, 0, prediction)


def test_a_layer_at_a_time():
    plan = planned(FIRST, REST, Prediction(unit_cycles=36), latency=2)
    times, waits = run(plan)
    # 12 cycles of the unit for each tile, beside it: 0-12, 12-24, 24-36, and 2 until the mask is there.
    assert list(plan.stage) == [0, 0, 0, 2, 2, 2]
    assert list(times.job_end) == [12, 24, 36]
    assert list(times.start) == [0, 10, 20, 38, 58, 78]
    assert waits == Stalls(predictor=8)


def test_a_job_ends_with_the_tile_that_brings_its_inputs_or_later():
    times, _ = run(planned(FIRST, None, Prediction(unit_cycles=3)))
    assert list(times.job_end) == [10, 20, 30]


def test_block_by_block_the_unit_works_beside_the_next_block():
    plan = planned(FIRST, REST, Prediction(unit_cycles=24, by_tile=True))
    times, waits = run(plan)
    assert list(plan.stage) == [0, 0, 2, 0, 2, 2]  # A0 A1 B0 A2 B1 B2
    # A0 0-10 and its job 0-10 (ends with it); A1 10-20, B0 20-40, A2 40-50 with its job until 50, B1, B2.
    assert list(times.start) == [0, 10, 20, 40, 50, 70]
    assert waits == Stalls()


def test_a_window_that_reaches_into_the_next_block_waits_for_it():
    first = replace(FIRST, reach=ints(1, 2, 2))
    plan = planned(first, REST, Prediction(unit_cycles=24, by_tile=True))
    assert list(plan.stage) == [0, 0, 0, 2, 2, 2]
    assert list(plan.job_after) == [1, 2, 2]
    assert list(plan.waits_for) == [-1, -1, -1, 0, 1, 2]


def test_a_unit_on_the_array_is_a_tile_of_its_own():
    by_layer = planned(FIRST, REST, Prediction(array_cycles=6, reread_words=8))
    assert list(by_layer.stage) == [0, 0, 0, 1, 2, 2, 2]
    assert list(by_layer.cycles) == [10, 10, 10, 6, 20, 20, 20]
    assert by_layer.loads[3, 2] == 4  # 8 words at 2 a cycle
    by_tile = planned(FIRST, REST, Prediction(array_cycles=6, by_tile=True))
    assert list(by_tile.stage) == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert list(by_tile.cycles) == [10, 2, 20] * 3
    assert not by_tile.loads.any()
    reread = planned(FIRST, REST, Prediction(array_cycles=6, reread_words=12, by_tile=True))
    assert reread.loads[:, 2].tolist() == [0, 2, 0] * 3  # 4 words for each block


def test_stages_cut_into_different_tiles_are_matched_by_their_share_of_the_layer():
    rest = stage([5] * 6, [2] * 6, range(6), 6)
    plan = planned(FIRST, rest, Prediction(unit_cycles=3, by_tile=True))
    assert list(plan.waits_for[plan.stage == 2]) == [0, 0, 1, 1, 2, 2]


# --- shares -------------------------------------------------------------------------------------------------------


def test_shares_sum_to_the_whole():
    assert list(shared_out(10, ints(1, 1, 1))) == [4, 3, 3]
    assert list(shared_out(7, ints(0, 5, 0, 2))) == [0, 5, 0, 2]
    assert list(shared_out(7, ints(0, 0))) == [0, 0]
    assert list(even_shares(ints(10, 3, 0), ints(3, 2, 1))) == [3, 3, 4, 1, 2, 0]
    huge = shared_out(2**52, ints(2**40, 2**41))
    assert huge.sum() == 2**52
