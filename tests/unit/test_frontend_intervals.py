"""Intervals: textbook values, coverage by simulation, photographs instead of crops."""

import numpy as np
import pytest

from zapsim.frontend.intervals import mean_difference, paired_loss, places_of, root_ratio, root_ratio_difference, share

pytestmark = pytest.mark.frontend


def alone(count: int) -> np.ndarray:
    return np.arange(count)


def test_shares_have_clopper_and_pearsons_interval():
    found = share(np.arange(10) < 8, alone(10))  # as in textbooks: 0.444 to 0.975
    assert (found.low, found.high) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    none = share(np.zeros(30, dtype=bool), alone(30))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 30)))
    everything = share(np.ones(30, dtype=bool), alone(30))
    assert (everything.low, everything.high) == (pytest.approx(0.025 ** (1 / 30)), 1)
    assert (found.images, found.photographs) == (10, 10)


def test_without_a_discordant_image_a_loss_still_has_an_interval():
    right = np.arange(100) < 90
    found = paired_loss(right, right, alone(100))
    exact = 1 - 0.025 ** (1 / 100)
    assert (found.value, found.low, found.high) == (0, pytest.approx(-exact), pytest.approx(exact))
    larger = paired_loss(np.tile(right, 10), np.tile(right, 10), alone(1000))
    assert 0 < larger.high < found.high / 9


def test_a_loss_of_many_images_has_the_normal_interval():
    random = np.random.default_rng(0)
    before = random.random(10_000) < 0.9
    after = before ^ (random.random(10_000) < 0.02)
    lost = paired_loss(before, after, alone(10_000))
    share_lost = np.mean(before.astype(float) - after)
    deviation = np.std(before.astype(float) - after) / 100
    assert lost.value == pytest.approx(share_lost)
    assert lost.low == pytest.approx(share_lost - 1.96 * deviation, abs=4e-4)
    assert lost.high == pytest.approx(share_lost + 1.96 * deviation, abs=4e-4)


@pytest.mark.parametrize(("images", "lost", "won"), [(100, 0.002, 0.001), (300, 0.01, 0.01), (300, 0.05, 0.02)])
def test_losses_are_covered_as_often_as_said(images: int, lost: float, won: float):
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        drawn = random.random(images)
        before, after = drawn < lost, (lost <= drawn) & (drawn < lost + won)
        found = paired_loss(before, after, alone(images))
        covered += found.low <= lost - won <= found.high
    assert covered >= 0.93 * 300


def test_shares_of_alike_crops_are_covered_as_often_as_said():
    random = np.random.default_rng(2)
    places = np.repeat(alone(20), 8)
    covered = narrow = 0
    for _ in range(300):
        hits = random.random((20, 8)) < random.beta(2, 1, (20, 1))
        found, as_if_independent = share(hits.ravel(), places), share(hits.ravel(), alone(160))
        covered += found.low <= 2 / 3 <= found.high
        narrow += as_if_independent.low <= 2 / 3 <= as_if_independent.high
    assert covered >= 0.93 * 300
    assert narrow < 0.9 * 300


def test_ratios_of_few_photographs_are_covered_as_often_as_said():
    random = np.random.default_rng(3)
    below, covered = np.ones(12), 0
    for _ in range(300):
        found = root_ratio(random.gamma(2.0, 0.5, 12), below, alone(12))
        covered += found.low <= 1 <= found.high
    assert covered >= 0.92 * 300


def test_photographs_are_resampled_not_crops():
    random = np.random.default_rng(4)
    error = random.random(16)
    one = root_ratio(error, np.ones(16), alone(16))
    crops = root_ratio(np.repeat(error, 5), np.ones(80), np.repeat(alone(16), 5))
    assert crops.value == pytest.approx(one.value)
    assert (crops.low, crops.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert (crops.images, crops.photographs) == (80, 16)


def test_paired_differences_are_narrower_than_what_they_are_of():
    random = np.random.default_rng(5)
    hard = random.gamma(1.0, 1.0, 40)
    first, second, norm = hard, 1.2 * hard, np.full(40, 10.0)
    found = root_ratio_difference(second, first, norm, alone(40))
    single = root_ratio(first, norm, alone(40))
    assert 0 < found.low < found.value < found.high
    assert found.high - found.low < 0.2 * (single.high - single.low)
    same = mean_difference(hard + 0.1, hard, alone(40))
    assert (same.low, same.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_one_photograph_says_nothing_of_others():
    found = root_ratio(np.ones(5), np.ones(5), places_of(["cat.png"] * 5))
    assert (found.value, found.low, found.high, found.photographs) == (1.0, -np.inf, np.inf, 1)
    alike = share(np.ones(5, dtype=bool), places_of(["cat.png"] * 5))
    assert (alike.value, alike.low, alike.high) == (1.0, 0.0, 1.0)
