"""The multiple-choice knapsack solved exactly, by keeping every choice that no other is better than."""

from collections.abc import Sequence


def cheapest(lists: Sequence[Sequence[tuple[float, float]]], budget: float) -> float | None:
    """The least cost of one (cost, weight) from every list with a weight of at most `budget`; None if none fits."""
    partial = [(0.0, 0.0)]
    for options in lists:
        extended = sorted(
            (weight + more_weight, cost + more_cost)
            for weight, cost in partial
            for more_cost, more_weight in options
            if weight + more_weight <= budget
        )
        partial = []
        for weight, cost in extended:  # by weight: worth keeping only if cheaper than all lighter ones
            if not partial or cost < partial[-1][1]:
                partial.append((weight, cost))
    return partial[-1][1] if partial else None
