"""Energy: counts times prices, by component."""

import pytest

from tests.builders import arch
from zapsim.arch.spec import ENERGY_ACTIONS
from zapsim.counts import Counts
from zapsim.energy.model import COMPONENT_OF, COMPONENTS, energy_by_component
from zapsim.errors import ConfigError


def priced(**actions):
    return arch(energy={"technology": "none", "actions": {name: f"{pj} pJ" for name, pj in actions.items()}})


def test_by_hand():
    spec = priced(
        macs_executed=2, macs_gated=0.5, ifmap_spad_reads=1, psum_spad_writes=3, filter_bus_words=4, pe_to_pe_words=5,
        glb_reads=6, glb_writes=7, dram_reads=200, predictor_macs=2.5, mask_bits_read=0.25, cycles=10,
    )  # fmt: skip
    counts = Counts(
        macs_executed=100, macs_gated=20, macs_skipped=10**6, macs_lost=10**6, ifmap_spad_reads=30, psum_spad_writes=2,
        filter_bus_words=3, pe_to_pe_words=1, glb_reads=5, glb_writes=1, dram_reads=4, predictor_macs=18,
        mask_bits_read=8,
    )  # fmt: skip
    assert energy_by_component(spec, counts, total_cycles=50) == {
        "mac": 100 * 2 + 20 * 0.5,
        "spads": 30 * 1 + 2 * 3,
        "noc": 3 * 4 + 1 * 5,
        "glb": 5 * 6 + 1 * 7,
        "dram": 4 * 200,
        "predictor": 18 * 2.5 + 8 * 0.25,
        "clock": 50 * 10,
    }


def test_every_action_has_one_component_and_counts_once():
    assert set(COMPONENT_OF) == set(ENERGY_ACTIONS)
    assert set(COMPONENT_OF.values()) == set(COMPONENTS)
    prices = {action: len(ENERGY_ACTIONS) - index for index, action in enumerate(ENERGY_ACTIONS)}
    spec = priced(**prices)
    for action, price in prices.items():
        counts = Counts() if action == "cycles" else Counts(**{action: 1000})
        energy = energy_by_component(spec, counts, 1000 if action == "cycles" else 0)
        assert energy == pytest.approx(dict.fromkeys(COMPONENTS, 0.0) | {COMPONENT_OF[action]: 1000 * price})


def test_parts_sum_to_the_total():
    counts = Counts(**{name: index + 1 for index, name in enumerate(Counts().as_dict())})
    spec = priced(**dict.fromkeys(ENERGY_ACTIONS, 1))
    occurred = sum(getattr(counts, action) for action in ENERGY_ACTIONS if action != "cycles") + 7
    assert sum(energy_by_component(spec, counts, 7).values()) == occurred


def test_nothing_done_costs_nothing():
    assert energy_by_component(priced(), Counts(macs_skipped=9, macs_lost=3), 0) == dict.fromkeys(COMPONENTS, 0.0)


def test_missing_actions_are_named_all_at_once():
    counts = Counts(macs_executed=5, dram_reads=3, glb_reads=2)
    with pytest.raises(ConfigError) as caught:
        energy_by_component(priced(glb_reads=1), counts, 7)
    hint = "set its energy (such as '1 pJ'; '0 pJ' if it shall not count)"
    assert caught.value.faults == (
        f"tiny: energy.actions.macs_executed: missing, and it occurred 5 times; {hint}",
        f"tiny: energy.actions.dram_reads: missing, and it occurred 3 times; {hint}",
        f"tiny: energy.actions.cycles: missing, and it occurred 7 times; {hint}",
    )


def test_an_action_may_cost_nothing():
    counts = Counts(macs_executed=5)
    assert sum(energy_by_component(priced(macs_executed=0, cycles=0), counts, 7).values()) == 0
