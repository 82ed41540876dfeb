"""The driver: every design once, lost ones again, twice failed ones recorded, budgets kept."""

from collections import Counter, deque
from contextlib import AbstractContextManager

import pytest

from tests.explore_support import load
from zapsim.exploration.backends import Finished
from zapsim.exploration.driver import Driver, make_strategy
from zapsim.exploration.evaluated import EvaluatedDesign, FailedDesign
from zapsim.exploration.store import MemoryStore


class Silent:
    def start(self, known, most):
        self.known, self.most = known, most

    def advance(self, designs):
        pass


class Flaky(AbstractContextManager):
    """Evaluates nothing really; dies (or fails) at some designs as often as it is told."""

    workers = 2

    def __init__(self, deaths=(), failures=()):
        self.deaths, self.failures = Counter(deaths), Counter(failures)
        self.waiting = deque()
        self.asked = Counter()

    def __exit__(self, *_):
        pass

    def has_room(self):
        return len(self.waiting) < 4

    def submit(self, task):
        assert self.has_room()
        self.waiting.append(task)

    def collect(self):
        task = self.waiting.pop()  # the last first: any order must do
        found = []
        for number in task.numbers:
            self.asked[number] += 1
            if self.deaths[number]:
                self.deaths[number] -= 1
                return [Finished(task, None)]
            if self.failures[number]:
                self.failures[number] -= 1
                found.append(FailedDesign(number, "MemoryError: none left"))
            else:
                found.append(EvaluatedDesign(number, "ok", "", {"seconds": 0.001}, (float(number), -float(number))))
        return [Finished(task, found)]


def drive(space, backend, store=None):
    store = store or MemoryStore(space)
    return Driver(space, make_strategy(space), backend, store, Silent(), None).run(), store


def statuses(store):
    return {design.number: design.status for design in store.designs}


@pytest.mark.parametrize("strategy", ["grid", "random", "sobol", "search"])
def test_every_design_once(tmp_path, strategy):
    space = load(tmp_path, strategy=strategy)
    summary, store = drive(space, Flaky())
    assert sorted(design.number for design in store.designs) == list(range(12))
    assert (summary.evaluated, summary.stopped) == (12, "")


def test_what_is_lost_once_is_tried_again(tmp_path):
    backend = Flaky(deaths={3: 1, 7: 1}, failures={5: 1})
    summary, store = drive(load(tmp_path), backend)
    assert set(statuses(store).values()) == {"ok"}
    assert len(store.designs) == summary.evaluated == 12
    assert backend.asked[5] == 2


def test_what_fails_twice_is_recorded(tmp_path):
    summary, store = drive(load(tmp_path), Flaky(deaths={3: 9}, failures={5: 9}))
    found = statuses(store)
    assert {number for number, status in found.items() if status == "error"} == {3, 5}
    assert len(found) == len(store.designs) == 12
    reasons = {design.number: design.reason for design in store.designs}
    assert (reasons[3], reasons[5]) == ("the worker process died", "MemoryError: none left")
    assert summary.reasons["error: the worker process died"] == 1


def test_neighbours_of_a_killer_survive(tmp_path):
    """Of the designs in one task with a design that kills, only that one is given up."""
    backend = Flaky(deaths={1: 99})
    _, store = drive(load(tmp_path), backend)
    assert [number for number, status in statuses(store).items() if status != "ok"] == [1]
    assert backend.asked[1] == 2


@pytest.mark.parametrize("strategy", ["grid", "random", "sobol", "search"])
def test_budget_of_points(tmp_path, strategy):
    space = load(tmp_path, strategy=strategy, budget={"points": 7})
    summary, store = drive(space, Flaky())
    assert len(store.designs) == 7
    assert summary.stopped == "7 points"


def test_a_budget_of_all_is_no_stop(tmp_path):
    summary, _ = drive(load(tmp_path, budget={"points": 13}), Flaky())
    assert summary.stopped == ""


def test_budget_of_minutes(tmp_path):
    summary, _ = drive(load(tmp_path, budget={"minutes": 1e-9}), Flaky())
    assert summary.stopped == "1e-09 minutes"
    assert summary.evaluated < 12


def test_known_designs_are_not_evaluated_again(tmp_path):
    space = load(tmp_path, strategy="search")
    store = MemoryStore(space)
    store.done = {number: (float(number), -float(number)) for number in range(5)}
    summary, _ = drive(space, Flaky(), store)
    assert sorted(design.number for design in store.designs) == list(range(5, 12))
    assert summary.known == 5


def test_what_constraints_leave_out_is_counted(tmp_path):
    space = load(tmp_path, constraints=["array.rows > 6", "accuracy_drop <= 1"])
    summary, store = drive(space, Flaky())
    assert summary.excluded == {"array.rows > 6": 4, "accuracy_drop <= 1": 4}
    assert len(store.designs) == 4


def test_search_goes_the_same_way_whatever_is_known(tmp_path):
    """Resuming replays the search: what is on disk is no hint that it would not have had."""
    parameters = {"array.rows": list(range(4, 24)), "array.cols": list(range(4, 24))}
    space = load(tmp_path, parameters=parameters, strategy={"name": "search", "population": 8}, budget={"points": 60})
    _, whole = drive(space, Flaky())
    store = MemoryStore(space)
    for design in whole.designs[:23]:
        store.done[design.number] = design.costs
    _, rest = drive(space, Flaky(), store)
    assert {design.number for design in rest.designs} == {design.number for design in whole.designs[23:]}
