"""Areas of predictor and mask logic in the shipped tables: what synthesis of rtl/ gave, times a published NAND2."""

import csv
from pathlib import Path

import pytest

from zapsim.arch.load import load_arch
from zapsim.arch.predictor_section import ARITHMETIC

ROOT = Path(__file__).parents[2]
NAND2_UM2 = {"45 nm": 0.798, "65 nm": 1.43}


@pytest.fixture(scope="module")
def nand2() -> dict[str, int]:
    """NAND2 equivalents by design, as ``python -m rtl.synthesis.area`` printed them."""
    with (ROOT / "rtl" / "synthesis" / "areas.csv").open(encoding="utf-8") as file:
        return {row["design"]: int(row["nand2"]) for row in csv.DictReader(file)}


def parts(name: str) -> tuple[dict[str, float], float]:
    """Return an architecture's areas by part, and the area of a NAND2 in its process."""
    area = load_arch(name).area
    assert area is not None
    return area.parts, NAND2_UM2[area.technology]


@pytest.mark.parametrize("name", ["eyeriss", "eyeriss_45nm", "lanes_256", "lanes_zap", "systolic_16x16"])
def test_a_predictor_lane_is_a_ninth_of_the_unit(name, nand2):
    areas, gate = parts(name)
    assert areas["predictor_lanes"] == round(nand2["predictor, 9 lanes, int16"] / 9 * gate)


@pytest.mark.parametrize("name", ["eyeriss", "eyeriss_45nm"])
def test_a_pe_pays_for_its_list_of_windows(name, nand2):
    areas, gate = parts(name)
    control = "control of a row-stationary PE, 24 filters, "
    assert areas["mask_units"] == round((nand2[control + "list of windows"] - nand2[control + "every window"]) * gate)


def test_a_lane_pays_for_its_search_or_its_share_of_the_queue(nand2):
    areas, gate = parts("lanes_256")
    search = nand2["output lane with its search of the mask, 8 bit"] - nand2["output lane without it, 8 bit"]
    assert areas["mask_units"] == round(search * gate)
    areas, gate = parts("lanes_zap")
    assert areas["mask_units"] == round(nand2["block queue of 16 lanes, 4 filters"] / 16 * gate)


def test_an_edge_pays_for_the_lists_of_vectors(nand2):
    areas, gate = parts("systolic_16x16")
    control = "control of a 16×16 weight-stationary array, "
    lists = nand2[control + "masks, 4 looked at a cycle"] - nand2[control + "no masks"]
    assert areas["mask_units"] == round(lists / (16 + 16) * gate)
    assert load_arch("tpu_128x128").area.parts["mask_units"] == areas["mask_units"]


def test_narrow_arithmetic_is_rounded_up(nand2):
    whole = nand2["predictor, 9 lanes, int16"]
    for arithmetic, design in (("int8", "int8"), ("power-of-two", "powers of two")):
        share = nand2[f"predictor, 9 lanes, {design}"] / whole
        assert share <= ARITHMETIC[arithmetic].area < share + 0.01
