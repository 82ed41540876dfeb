"""How many designs the search evaluates until it has the whole front of the grid.

python benchmarks/search_against_grid.py

Spaces of 500 designs each (benchmarks/spaces/), ten seeds. The grid is evaluated once; the search is then told its
results, so that what is counted is what it asks for.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from zapsim.exploration.evaluate import Evaluator, Point
from zapsim.exploration.front import front
from zapsim.exploration.load import load_space
from zapsim.exploration.search import Search
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Costs

SPACES = Path(__file__).parent / "spaces"


def grid(space: Space) -> dict[int, Costs]:
    """Return the costs of all designs."""
    numbers = [space.lattice.number(design) for design in space.lattice.walk()]
    evaluator = Evaluator(space)
    found = [point for start in range(0, len(numbers), 50) for point in evaluator(numbers[start : start + 50])]
    return {point.number: point.costs for point in found if isinstance(point, Point)}


def asked_for(space: Space, costs: Mapping[int, Costs], best: set[int], seed: int) -> int:
    """Return how many designs the search has asked for when the whole front is among them."""
    section = space.strategy.model_copy(update={"name": "search", "seed": seed})
    search, left, count = Search(replace(space, strategy=section)), set(best), 0
    while True:
        proposed = search.propose()
        for number in proposed:
            count += 1
            left.discard(number)
            if not left:
                return count
        search.tell({number: costs[number] for number in proposed})


def main() -> None:
    """Print one row a space."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    print("| space | designs | front | evaluated: median | most | seeds within 60 % |\n|---|---:|---:|---:|---:|---:|")
    for path in sorted(SPACES.glob("*.yaml")):
        space = load_space(path)
        costs = grid(space)
        valid = [number for number, values in costs.items() if values]
        best = {valid[index] for index in front([costs[number] for number in valid])}
        counts = [asked_for(space, costs, best, seed) for seed in range(args.seeds)]
        within = sum(count <= 0.6 * len(costs) for count in counts)
        cells = space.name, len(costs), len(best), f"{median(counts):.0f}", max(counts), f"{within} of {len(counts)}"
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
