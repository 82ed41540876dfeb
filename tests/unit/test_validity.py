"""Warnings where a model leaves the range that it was compared in."""

import csv
from pathlib import Path

from zapsim.arch.load import load_arch
from zapsim.arch.validity import SYSTOLIC_SIDES, departures


def keys(name: str, *overrides: str) -> list[str]:
    return [departure.key for departure in departures(load_arch(name, list(overrides)))]


def test_what_was_validated_has_no_warning():
    assert keys("eyeriss") == keys("systolic_16x16") == keys("tpu_128x128") == []


def test_larger_arrays_and_smaller_memories_leave_the_range():
    assert keys("eyeriss", "array.rows=13") == ["array.rows"]
    assert keys("tpu_128x128", "array.rows=256", "array.cols=4") == ["array.rows", "array.cols"]
    assert keys("eyeriss", "array.spads.filter=4 words") == [
        "energy.actions.filter_spad_reads", "energy.actions.filter_spad_writes"
    ]  # fmt: skip
    (wide,) = departures(load_arch("eyeriss", ["array.cols=28"]))
    assert str(wide) == (
        "array.cols is 28; cycles were compared with Eyeriss, a chip of 12 × 14 PEs at 14 and fewer only"
    )
    assert wide.record() == {
        "model": "cycles", "key": "array.cols", "value": "28", "validated": "14 and fewer",
        "against": "Eyeriss, a chip of 12 × 14 PEs",
    }  # fmt: skip


def test_the_range_of_systolic_arrays_is_that_of_the_validation():
    table = Path("validation/scalesim_dense.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in table if not line.startswith("#"))
    sides = [int(row[key]) for row in rows for key in ("array.rows", "array.cols")]
    assert (min(sides), max(sides)) == SYSTOLIC_SIDES
