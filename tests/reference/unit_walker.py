"""Masks of units of decision, one output after another: the slow reference of zapsim.frontend.pooling."""

import math
from fractions import Fraction

import numpy as np

from zapsim.tracefile.decision_unit import DecisionUnit


def unit_mask(
    scores: np.ndarray, pattern: np.ndarray, unit: DecisionUnit, groups: int, order: list[int], threshold: float
) -> np.ndarray:
    """Which outputs of one image are computed: bool (K, P, Q), from scores (K, P, Q) and pattern (P, Q)."""
    computed = np.repeat(pattern[np.newaxis], len(scores), axis=0)
    pixels = [(row, col) for row in range(pattern.shape[0]) for col in range(pattern.shape[1]) if not pattern[row, col]]
    walk = _quotas if unit.quota else _tiles
    for k, (row, col) in walk(scores, pixels, unit, groups, order, threshold):
        computed[k, row, col] = True
    return computed


def _tiles(scores, pixels, unit, groups, order, threshold):
    size = len(order) // groups
    high, wide = min(unit.filters, size), max(min(unit.pixels, len(pixels)), 1)
    for group in range(groups):
        filters = order[group * size : (group + 1) * size]
        for first in range(0, size, high):
            for start in range(0, len(pixels), wide):
                members = [(k, pixel) for k in filters[first : first + high] for pixel in pixels[start : start + wide]]
                values = [float(scores[k, row, col]) for k, (row, col) in members]
                steps = [_half_to_even(256 * Fraction(min(max(value, 0.0), 1.0))) for value in values]
                squares = sum(step * step for step in steps)
                score = math.sqrt(squares / (high * wide)) / 256 if squares else min(max(values), 0.0)
                if np.float32(score) > np.float32(threshold):
                    yield from members


def _half_to_even(value: Fraction) -> int:
    return round(value)


def _quotas(scores, pixels, unit, groups, order, threshold):
    size = unit.filters if unit.quota == "block" else len(order)
    limit = math.floor(64 * threshold)  # a threshold between two steps does what the one below it does
    for first in range(0, len(order), size):
        filters = order[first : first + size]
        lanes: dict[tuple[int, int], list] = {}
        for place, k in enumerate(filters):
            for number, pixel in enumerate(pixels):
                step = min(math.ceil(64 * Fraction(float(scores[k][pixel]))), 65)
                lane = lanes.setdefault((place % unit.filters, number % unit.pixels), [])
                lane.append((step, k, pixel))
        above = sum(step > limit for lane in lanes.values() for step, *_ in lane)
        for lane in lanes.values():
            ranked = sorted(lane, key=lambda member: -member[0])  # stable: of equal ones, the first
            yield from ((k, pixel) for _, k, pixel in ranked[: -(-above // len(lanes))])
