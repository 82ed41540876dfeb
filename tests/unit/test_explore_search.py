"""The search finds the front of the grid with fewer points; its model of costs is what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.explore_support import load
from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.gaussian_process import CostModel
from zapsim.exploration.lattice import Lattice, LatticeAxis
from zapsim.exploration.load import load_space
from zapsim.exploration.pareto import pareto_front
from zapsim.exploration.search import Search, margins, on_front

DIGITS = Path(__file__).parents[2] / "traces" / "digits_cnn.safetensors"
REAL = {
    "arch": "eyeriss",
    "trace": str(DIGITS),
    "point": "t0.1",
    "images": [0],
    "parameters": {
        "array.rows": [6, 9, 12, 15, 18],
        "array.cols": [7, 10, 14, 20, 28],
        "buffers.glb.size": ["8 KiB", "16 KiB", "32 KiB", "64 KiB"],
        "predictor.lanes": [1, 3, 9, 18, 27],
    },
    "objectives": ["latency", "energy", "area"],
}
"""500 designs for a real network, of which 3 objectives can be had."""


@pytest.fixture(scope="module", autouse=True)
def one_thread_of_linear_algebra():
    """As in an exploration: with two, a search takes ten times as long on a busy machine."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def real():
    """The space, the costs of all its designs, and its front."""
    space = load_space(REAL)
    numbers = [space.lattice.number(design) for design in space.lattice.walk()]
    costs = {design.number: design.costs for design in Evaluator(space)(numbers)}
    best = {numbers[index] for index in pareto_front([costs[number] for number in numbers])}
    assert len(numbers) == 500
    return space, costs, best


def with_search(space, seed=0, population=24):
    section = space.strategy.model_copy(update={"name": "search", "seed": seed, "population": population})
    return replace(space, strategy=section)


def walked(space, costs, most=10**9) -> list[int]:
    """Return the designs that the search proposes, in order, until there are no more or so many."""
    search, seen = Search(space), []
    while len(seen) < most:
        proposed = search.propose()
        if not proposed:
            break
        seen += proposed
        search.tell({number: costs[number] for number in proposed})
    assert len(seen) == len(set(seen))
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_a_tie_with_brute_force_at_60_percent(real, seed):
    space, costs, best = real
    seen = walked(with_search(space, seed), costs, most=300)[:300]
    assert {seen[index] for index in pareto_front([costs[number] for number in seen])} == best


def test_at_random_it_takes_more(real):
    """So that the test above could fail."""
    _, costs, best = real
    order = np.random.default_rng(0).permutation(list(costs))
    assert not best <= set(order[:300].tolist())


def test_the_whole_space_is_found_at_last(real):
    space, costs, _ = real
    assert sorted(walked(with_search(space, population=100), costs)) == sorted(costs)


def large(folder):
    steps = list(range(3, 18))
    parameters = {"array.rows": steps, "array.cols": steps, "predictor.lanes": steps, "clock": ["100 MHz", "200 MHz"]}
    return load(folder, point="t0", parameters=parameters, objectives=["latency", "energy", "area"])


def test_spaces_too_large_to_be_ranked_as_a_whole(tmp_path):
    """With made-up costs whose front is known: those designs of which no parameter could be less without loss."""
    space = with_search(large(tmp_path))
    lattice = space.lattice

    def cost(number):
        rows, cols, lanes, clock = lattice.design(number)[3:]
        return (1 / ((rows + 3) * (cols + 3)) + 0.02 / (lanes + 1), (rows + 3) * (cols + 3) + 0.3 * lanes + 5 * clock)

    class All(dict):
        def __missing__(self, number):
            return cost(number)

    every = [lattice.number(design) for design in lattice.walk()]
    assert len(every) == 6750
    values = [cost(number) for number in every]
    best = {values[index] for index in pareto_front(values)}
    space = replace(space, objectives=space.objectives[:2])
    seen = walked(with_search(space), All(), most=360)
    found = {cost(number) for number in seen} & best
    at_random = {cost(number) for number in np.random.default_rng(0).permutation(every)[: len(seen)]} & best
    assert len(seen) < 0.06 * len(every)
    assert len(found) > 0.5 * len(best)
    assert len(found) > 3 * len(at_random)


def test_designs_that_fail_are_avoided(tmp_path):
    """Half of the space is no candidate; the search learns where."""
    space = with_search(load(tmp_path, parameters={"array.rows": list(range(40)[1:]), "array.cols": [1, 2, 3, 4, 5]}))
    costs = {}
    for design in space.lattice.walk():
        rows, cols = design[3:]
        costs[space.lattice.number(design)] = () if rows < 20 else (float(rows * (cols + 1)), 100.0 - rows - cols)
    seen = walked(space, costs, most=180)[:180]
    share = [sum(not costs[number] for number in part) / len(part) for part in (seen[:60], seen[60:])]
    assert 0.35 < share[0] < 0.65
    assert share[1] < 0.2


def test_all_designs_may_fail(tmp_path):
    space = with_search(load(tmp_path))
    costs = {space.lattice.number(design): () for design in space.lattice.walk()}
    assert sorted(walked(space, costs)) == sorted(costs)


def test_margins_against_the_definition():
    rng = np.random.default_rng(1)
    costs, best = rng.random((20, 3)), rng.random((7, 3))
    expected = [max(min(one - member) for member in best) for one in costs]
    assert margins(costs, best) == pytest.approx(expected)


LATTICE = Lattice((LatticeAxis("a", 6, ordered=True), LatticeAxis("b", 5, ordered=True), LatticeAxis("c", 3)))


def smooth(design) -> tuple[float, float]:
    a, b, c = design
    return (1 + a) * (2 + b) * (1.0, 1.5, 4.0)[c], 30.0 - a * b + c


def test_on_front_against_the_definition():
    rng = np.random.default_rng(2)
    drawn, best = rng.random((5, 12, 3)), rng.random((4, 3))
    expected = [
        np.mean([
            not any((one <= costs[index]).all() for one in (*best, *np.delete(costs, index, axis=0))) for costs in drawn
        ])
        for index in range(12)
    ]  # fmt: skip
    assert on_front(drawn, best) == pytest.approx(expected)
    assert 0 < sum(expected) < 12


def learnt(designs, costs, objectives=2):
    model = CostModel(LATTICE, objectives)
    model.learn(designs, costs)
    return model


def test_the_model_knows_what_it_was_told_and_is_unsure_elsewhere():
    designs = list(LATTICE.walk())
    told, rest = designs[::2], designs[1::2]
    model = learnt(told, [smooth(one) for one in told])
    mean, deviation = model.predict(told)
    assert mean == pytest.approx(model.scaled, abs=1e-3)
    assert deviation.max() < 0.01
    mean, deviation = model.predict(rest)
    truth = np.log([smooth(one) for one in rest])
    assert np.abs(mean - truth).max() < 0.1
    assert (np.abs(mean - truth) <= 4 * deviation + 1e-3).all()


def test_draws_scatter_as_the_model_says():
    designs = list(LATTICE.walk())
    told, asked = designs[::5], designs[1::5]
    model = learnt(told, [smooth(one) for one in told])
    mean, deviation = model.predict(asked)
    drawn = model.draw(asked, 4000, np.random.default_rng(0))
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=5 * deviation.max() / np.sqrt(4000))
    assert drawn.std(axis=0) == pytest.approx(deviation, rel=0.1, abs=2e-3)
    wider = model.draw(asked, 4000, np.random.default_rng(0), spread=2.0)
    assert wider - mean == pytest.approx(2 * (drawn - mean))


def test_the_model_against_the_textbook():
    """Rasmussen and Williams, equations 2.25 and 2.26, with the model's own covariance."""
    designs = list(LATTICE.walk())
    told, asked = designs[::4], designs[1::4]
    costs = [(-smooth(one)[0],) for one in told]  # not all positive: scaled by their spread
    model = learnt(told, costs, objectives=1)
    mean, deviation = model.predict(asked)
    values = np.array(costs)[:, 0] / np.ptp(costs)
    assert model.scaled[:, 0] == pytest.approx(values)
    covariance = model.likeness(told, told) + 1e-6 * np.eye(len(told))
    between = model.likeness(asked, told)
    centred = values - values.mean()
    assert mean[:, 0] == pytest.approx(between @ np.linalg.solve(covariance, centred) + values.mean(), abs=1e-6)
    signal = centred @ np.linalg.solve(covariance, centred) / len(told)
    left = 1 - np.diag(between @ np.linalg.solve(covariance, between.T))
    assert deviation[:, 0] == pytest.approx(np.sqrt(np.maximum(left, 0) * signal), abs=1e-4)


def test_reaches_are_more_likely_than_before():
    """With reaches as they were at first, what the model was told is less likely."""
    designs = list(LATTICE.walk())[::2]
    values = np.log([smooth(one)[0] for one in designs])
    values -= values.mean()

    def misfit(likeness):
        covariance = likeness + 1e-6 * np.eye(len(designs))
        signal = values @ np.linalg.solve(covariance, values) / len(values)
        return len(values) * np.log(signal) + np.linalg.slogdet(covariance)[1]

    before = CostModel(LATTICE, 1).likeness(designs, designs)
    after = learnt(designs, [smooth(one)[:1] for one in designs], objectives=1).likeness(designs, designs)
    assert misfit(after) < misfit(before) - 1


def test_a_constant_cost_is_no_trouble():
    designs = list(LATTICE.walk())
    model = learnt(designs[:9], [(1.0, 0.0)] * 9)
    mean, deviation = model.predict(designs[9:12])
    assert mean == pytest.approx(np.array([[0.0, 0.0]] * 3), abs=1e-9)
    assert deviation == pytest.approx(np.zeros((3, 2)), abs=1e-6)
    assert model.draw(designs[9:12], 2, np.random.default_rng(0)) == pytest.approx(np.zeros((2, 3, 2)), abs=1e-6)
