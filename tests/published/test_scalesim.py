"""Dense layers against SCALE-Sim v3: cycles, folds, mapping efficiency and utilisation of every row.

`validation/scalesim_dense.csv` is made by `make_scalesim_table.py`. Tolerance: none; SCALE-Sim's shares are printed
with nine digits.
"""

import csv
from itertools import pairwise

import pytest

from tests.reference.systolic_cases import arch_of
from zapsim.arch.arrays import SystolicArray
from zapsim.arrays.engine import Demand
from zapsim.arrays.systolic.mapping import SystolicMapping, map_systolic
from zapsim.arrays.systolic.timing import SystolicEngine
from zapsim.shipped import shipped_folder
from zapsim.workload import ConvShape

pytestmark = pytest.mark.published
TABLE = shipped_folder("validation") / "scalesim_dense.csv"


def rows() -> list[dict[str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def mapped(row: dict[str, str]) -> tuple[ConvShape, SystolicMapping]:
    H, W, R, S, C, K, stride = (int(row[dim]) for dim in ("H", "W", "R", "S", "C", "K", "stride"))
    shape = ConvShape(row["layer"], C=C, H=H, W=W, K=K, R=R, S=S, stride=(stride, stride))
    array = SystolicArray.model_validate(
        {"dataflow": row["array.dataflow"], "rows": int(row["array.rows"]), "cols": int(row["array.cols"])}
    )
    return shape, map_systolic(shape, array)


def test_the_table_is_broad() -> None:
    table = rows()
    assert len(table) >= 300
    for column, at_least in (("network", 4), ("array.dataflow", 3), ("array.rows", 5), ("layer", 40)):
        assert len({row[column] for row in table}) >= at_least
    keys = [
        (row["network"], row["layer"], row["array.dataflow"], row["array.rows"], row["array.cols"]) for row in table
    ]
    assert all(one != other for one, other in pairwise(sorted(keys)))


def test_every_row_is_equal() -> None:
    different = []
    for row in rows():
        shape, mapping = mapped(row)
        found = (mapping.cycles, mapping.folds, f"{mapping.mapping_efficiency:.9f}", f"{mapping.utilisation:.9f}")
        expected = (int(row["cycles"]), int(row["folds"]), row["mapping_efficiency"], row["utilisation"])
        if found != expected:
            different.append((shape, row["array.dataflow"], expected, found))
    assert not different


def test_the_engine_takes_the_mappings_cycles() -> None:
    engine = SystolicEngine()
    for row in rows():
        shape, mapping = mapped(row)
        arch = arch_of(mapping.array)
        result = engine.time_stage(shape, arch, engine.map_stages(shape, arch)[0], Demand())
        assert result.cycles.total == int(row["cycles"])
        assert result.counts.macs_executed == shape.macs


@pytest.mark.parametrize(
    ("layer", "cycles"),
    [
        # AlexNet as in SCALE-Sim's own topology file (whose ifmaps are not padded), weight-stationary, 128×128;
        # SCALE-Sim rounds an ofmap up where the stride does not divide, which is what the padding does here
        (ConvShape("Conv1", C=3, H=224, W=224, K=96, R=11, S=11, stride=(4, 4), padding=(0, 3, 0, 3)), 10_220),
        (ConvShape("Conv2", C=96, H=27, W=27, K=256, R=5, S=5), 34_617),
        (ConvShape("Conv3", C=256, H=13, W=13, K=384, R=3, S=3), 27_161),
    ],
)
def test_scalesims_own_alexnet(layer: ConvShape, cycles: int) -> None:
    assert map_systolic(layer, SystolicArray(dataflow="weight-stationary", rows=128, cols=128)).cycles == cycles
