"""What stage B need not load a second time, by hand: 10 ifmap and 6 filter words of stage A, 16 and 6 of stage B."""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import arch
from zapsim.arrays.tiles import Tiles, tile_table, whole_stage
from zapsim.timing.residency import Residency, operand_loads

pytestmark = pytest.mark.kernels


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def stage(ifmap: tuple[int, int], filters: tuple[int, int], free: int, **changes: object) -> Tiles:
    """Two tiles, a block each."""
    none = ints(0, 0)
    table = tile_table(
        ints(5, 5), ifmap=ints(*ifmap), filters=ints(*filters), psums=none, spilled=none, outputs=ints(1, 1),
        block=ints(0, 1),
    )  # fmt: skip
    return replace(whole_stage(1, 1), table=table, blocks=2, reach=ints(0, 1), free_words=free, **changes)


def loaded(free: int, coded: float = 1.0, by_tile: str = "", resident: bool = False, **changes: object):
    """Return the words that stage B loads, ifmap and filters, and the words that remain free."""
    unit: dict[str, object] = {"unit": "array"} if by_tile == "array" else {"unit": "dedicated", "lanes": 9}
    unit["granularity"] = "tile" if by_tile else "layer"
    both = {name: value for name, value in changes.items() if not name.startswith("only_")}
    first = both | {name[5:]: value for name, value in changes.items() if name.startswith("only_")}
    # The stage that leaves less free decides.
    stages = [stage((6, 4), (3, 3), free, **first), stage((8, 8), (4, 2), free + 7, **both)]
    (a, b), left = operand_loads(arch(predictor=unit), stages, Residency(ifmap=resident), coded)
    assert a.table.tolist() == [[0, 0] if resident else [6, 4], [3, 3]]
    assert a.words == (6 if resident else 16)
    return (*b.table.tolist(), left)


@pytest.mark.parametrize(
    ("case", "ifmap", "filters", "left"),
    [
        ({"free": 20}, [3, 3], [0, 0], 4),  # 6 of the 16 words are new, and half of them are each tile's
        ({"free": 16}, [3, 3], [0, 0], 0),
        ({"free": 15}, [3, 3], [4, 2], 5),  # room for the ifmap alone, which comes first
        ({"free": 10}, [3, 3], [4, 2], 0),
        ({"free": 9}, [8, 8], [0, 0], 3),
        ({"free": 5}, [8, 8], [4, 2], 5),
        ({"free": 20, "coded": 0.5}, [3, 3], [4, 2], 0),  # ten coded words are twenty on chip
        ({"free": 19, "coded": 0.5}, [8, 8], [0, 0], 13),
        ({"free": 14, "coded": 0.75}, [3, 3], [4, 2], 0),  # 13.3 words, rounded up
        ({"free": 20, "ifmap_apart": True}, [8, 8], [0, 0], 14),  # no word serves both stages
        ({"free": 7, "ifmap_stays": True}, [3, 3], [0, 0], 1),  # it has its place already
        ({"free": 7, "only_ifmap_stays": True}, [8, 8], [0, 0], 1),  # but not if stage B drops it
        ({"free": 10, "filters_stay": True}, [3, 3], [0, 0], 0),
        ({"free": 10, "only_filters_stay": True}, [3, 3], [4, 2], 0),
        ({"free": 20, "resident": True}, [0, 0], [0, 0], 14),
    ],
)
def test_what_stage_a_left(case, ifmap, filters, left):
    assert loaded(**case) == (ifmap, filters, left)


@pytest.mark.parametrize(
    ("unit", "free", "ifmap", "filters", "left"),
    [
        # A unit of its own works on one block while the array is at the next: both are on chip, at most 6 and 3 words.
        ("dedicated", 20, [2, 4], [1, 0], 2),
        ("dedicated", 17, [2, 4], [4, 2], 5),
        ("dedicated", 11, [8, 8], [1, 0], 5),
        ("array", 20, [2, 4], [1, 0], 11),
        ("array", 8, [2, 4], [4, 2], 2),
    ],
)
def test_block_by_block_only_the_blocks_on_chip_need_room(unit, free, ifmap, filters, left):
    assert loaded(free, by_tile=unit) == (ifmap, filters, left)
