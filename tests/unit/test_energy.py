"""Energy: counts times prices, by component; what follows from cycles; DRAM left out; tables scaled."""

import pytest

from tests.builders import arch
from zapsim.arch.load import load_arch
from zapsim.arch.spec import ClockGating
from zapsim.arch.tables import ENERGY_ACTIONS
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENT_OF, COMPONENTS, energy_by_component
from zapsim.errors import ConfigError
from zapsim.timing.combination import clocked_cycles

FROM_CYCLES = ("cycles", "pe_idle_cycles", "pe_control_cycles")
"""Actions that are not counts but follow from them."""

PES = 30
"""Of the array of tests.builders: 6 × 5."""


def priced(include_dram=True, **actions):
    prices = {name: f"{pj} pJ" for name, pj in actions.items()}
    return arch(energy={"technology": "none", "include_dram": include_dram, "actions": prices})


def test_by_hand():
    spec = priced(
        macs_executed=2, macs_gated=0.5, ifmap_spad_reads=1, psum_spad_writes=3, filter_bus_words=4, bus_deliveries=8,
        pe_to_pe_words=5, glb_reads=6, glb_writes=7, dram_reads=200, predictor_macs=2.5, mask_bits_read=0.25,
        pe_active_cycles=2, pe_idle_cycles=0.5, pe_control_cycles=3, cycles=10,
    )  # fmt: skip
    counts = Counts(
        macs_executed=100, macs_gated=20, macs_skipped=10**6, macs_lost=10**6, ifmap_spad_reads=30, psum_spad_writes=2,
        filter_bus_words=3, bus_deliveries=9, pe_to_pe_words=1, glb_reads=5, glb_writes=1, dram_reads=4,
        predictor_macs=18, mask_bits_read=8, pe_active_cycles=1200,
    )  # fmt: skip
    assert energy_by_component(spec, counts, total_cycles=50) == {
        "mac": 100 * 2 + 20 * 0.5,
        "spads": 30 * 1 + 2 * 3,
        "noc": 3 * 4 + 9 * 8 + 1 * 5,
        "glb": 5 * 6 + 1 * 7,
        "dram": 4 * 200,
        "predictor": 18 * 2.5 + 8 * 0.25,
        "clock": 50 * 10 + 1200 * 2 + (50 * PES - 1200) * 0.5,
        "control": 1200 * 3,
    }


def test_every_action_has_one_component_and_counts_once():
    assert set(COMPONENT_OF) == set(ENERGY_ACTIONS)
    assert set(COMPONENT_OF.values()) == set(COMPONENTS)
    prices = {action: len(ENERGY_ACTIONS) - index for index, action in enumerate(ENERGY_ACTIONS)}
    prices["pe_active_cycles"] = prices["pe_idle_cycles"] + 1
    spec = priced(**prices)
    for action in set(ENERGY_ACTIONS) - {*FROM_CYCLES, "pe_active_cycles"}:
        energy = energy_by_component(spec, Counts(**{action: 1000}), 0)
        expected = dict.fromkeys(COMPONENTS, 0.0) | {COMPONENT_OF[action]: 1000 * prices[action]}
        assert energy == pytest.approx(expected)


@pytest.mark.parametrize(("active", "idle"), [(0, 10 * PES), (7 * PES, 3 * PES), (10 * PES, 0)])
def test_every_pe_is_active_or_idle_in_every_cycle(active, idle):
    counts = Counts(pe_active_cycles=active)
    for price, occurred in (("pe_active_cycles", active), ("pe_idle_cycles", idle), ("cycles", 10)):
        spec = priced(**dict.fromkeys(ENERGY_ACTIONS, 0) | {price: 1} | {"pe_active_cycles": int(price[:2] == "pe")})
        extra = active if price == "pe_idle_cycles" else 0
        assert energy_by_component(spec, counts, 10)["clock"] == occurred + extra


def test_idle_pes_of_lanes_are_lanes():
    spec = arch("output-lanes", energy={"technology": "none", "actions": dict.fromkeys(ENERGY_ACTIONS, "1 pJ")})
    assert energy_by_component(spec, Counts(pe_active_cycles=5), 3)["clock"] == 3 + 5 + (2 * 2 * 3 * 3 - 5)


def test_pes_stay_active_while_the_array_waits():
    def added(pe_cycles, array_cycles, waiting):
        return clocked_cycles(ClockGating(), pe_cycles, array_cycles, array_cycles + waiting, waiting)

    assert added(1200, 100, 50) == 600
    assert added(1200, 100, 0) == 0
    assert added(10, 3, 1) == 3  # 13.3 in all, rounded down
    assert added(0, 0, 10) == 0


def test_the_clock_of_pes_that_wait_may_stop():
    # 12 PEs in 100 cycles on the array, of which 20 wait for the slowest PE and 10 for a bus, and 50 for DRAM.
    cycles = Cycles(compute=70, imbalance=20, ifmap_bus=10, dram_read=50)
    times = cycles.total, cycles.waiting
    assert clocked_cycles(ClockGating(mode="none"), 1200, 100, *times) == 12 * 50
    assert clocked_cycles(ClockGating(mode="stalled", remaining=0.25), 1200, 100, *times) == 12 * 50 - 12 * 80 * 3 / 4
    assert clocked_cycles(ClockGating(mode="stalled", remaining=0.0), 1200, 100, *times) == 12 * 50 - 12 * 80


def test_parts_sum_to_the_total():
    counts = Counts(**{name: index + 1 for index, name in enumerate(Counts().as_dict())})
    spec = priced(**dict.fromkeys(ENERGY_ACTIONS, 1))
    occurred = sum(getattr(counts, action) for action in ENERGY_ACTIONS if action not in FROM_CYCLES)
    occurred += 7 + (7 * PES - counts.pe_active_cycles) + counts.pe_active_cycles
    assert sum(energy_by_component(spec, counts, 7).values()) == occurred


def test_nothing_done_costs_nothing():
    assert energy_by_component(priced(), Counts(macs_skipped=9, macs_lost=3), 0) == dict.fromkeys(COMPONENTS, 0.0)


def test_missing_actions_are_named_all_at_once():
    counts = Counts(macs_executed=5, dram_reads=3, glb_reads=2)
    with pytest.raises(ConfigError) as caught:
        energy_by_component(priced(glb_reads=1, pe_idle_cycles=0), counts, 7)
    hint = "set its energy (such as '1 pJ'; '0 pJ' if it should not count)"
    assert caught.value.faults == (
        f"tiny: energy.actions.macs_executed: missing, and it occurred 5 times; {hint}",
        f"tiny: energy.actions.dram_reads: missing, and it occurred 3 times; {hint}",
        f"tiny: energy.actions.cycles: missing, and it occurred 7 times; {hint}",
    )


def test_an_action_may_cost_nothing():
    counts = Counts(macs_executed=5)
    spec = priced(macs_executed=0, cycles=0, pe_idle_cycles=0)
    assert sum(energy_by_component(spec, counts, 7).values()) == 0


def test_the_chip_alone_has_no_dram():
    counts = Counts(macs_executed=5, dram_reads=3)
    chip = energy_by_component(priced(include_dram=False, macs_executed=1), counts, 0)
    assert "dram" not in chip
    assert chip == {name: pj for name, pj in energy_by_component(
        priced(macs_executed=1, dram_reads=9), counts, 0).items() if name != "dram"}  # fmt: skip


def test_an_idle_pe_costs_no_more_than_an_active_one():
    with pytest.raises(ConfigError, match=r"pe_idle_cycles: 9 pJ is more than the 2\.79 pJ of pe_active_cycles"):
        load_arch("eyeriss", ["energy.actions.pe_idle_cycles=9 pJ"])


LINEAR = {"method": "linear", "from_node": "65 nm", "from_voltage": "1 V", "to_node": "130 nm", "to_voltage": "0.5 V"}


def scale(**changes):
    return [f"energy.scale.{key}={value}" for key, value in (LINEAR | changes).items()]


def test_linear_scaling_is_capacitance_times_voltage_squared():
    before, after = load_arch("eyeriss"), load_arch("eyeriss", scale())
    for action, price in before.prices.items():
        factor = 1 if action.startswith("dram") else 130 / 65 * 0.5**2
        assert after.prices[action] == pytest.approx(price * factor), action
    assert after.energy_note == "energies scaled from 65 nm, 1 V to 130 nm, 0.5 V (linear), not measured"
    assert before.energy_note == ""


def test_the_published_example_of_stillmaker_and_baas():
    """Section 4.2.1 as its authors corrected it, with rounded factors: 1 pJ at 65 nm, 1.3 V, at 32 nm, 0.9 V."""
    nodes = scale(method="stillmaker-baas", from_voltage="1.3 V", to_node="32 nm", to_voltage="0.9 V")
    arch = load_arch("eyeriss", [*nodes, "energy.actions.glb_reads=1 pJ"])
    assert arch.prices["glb_reads"] == pytest.approx(0.1755, abs=1e-4)


def test_other_words_scale_macs_with_the_square_of_their_bits():
    same = scale(to_node="65 nm", to_voltage="1 V", from_word="16 bit")
    before, after = load_arch("eyeriss"), load_arch("eyeriss", [*same, "word=8 bit"])
    ratios = {action: after.prices[action] / price for action, price in before.prices.items() if price}
    assert {ratios.pop(action) for action in ("macs_executed", "macs_gated", "predictor_macs")} == {0.25}
    assert {ratios.pop(action) for action in ("mask_bits_written", "mask_bits_read")} == {1.0}
    assert set(ratios.values()) == {0.5}
    assert "and from 16 to 8 bit" in after.energy_note


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"to_node": "28 nm"}, "energy.scale.to_node: stillmaker-baas has no 28 nm; it has 130, 90, 65, 45, 32, 20"),
        ({"to_node": "7 nm", "to_voltage": "0.2 V"}, "to_voltage: stillmaker-baas does not cover 0.2 V at 7 nm"),
        ({"from_voltage": "0.5 V"}, "from_voltage: stillmaker-baas does not cover 0.5 V at 65 nm"),
    ],
)
def test_what_a_method_does_not_cover_is_named(change, fault):
    with pytest.raises(ConfigError) as caught:
        load_arch("eyeriss", scale(method="stillmaker-baas", **{"to_node": "45 nm", "to_voltage": "0.9 V"} | change))
    assert fault in str(caught.value)


def test_energies_without_dram_say_so():
    assert load_arch("eyeriss", ["energy.include_dram=false"]).energy_note == "energies without DRAM"
