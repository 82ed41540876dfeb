"""How many designs the search evaluates until it has found the whole front of the grid.

python benchmarks/search_against_grid.py

Spaces of 500 designs each (benchmarks/spaces/), ten seeds. The grid is evaluated once; the search then gets its
results from there, and its proposals are counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from zapsim.exploration.evaluate import EvaluatedDesign, Evaluator
from zapsim.exploration.load import load_space
from zapsim.exploration.pareto import pareto_front
from zapsim.exploration.search import Search
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Costs

SPACES = Path(__file__).parent / "spaces"


def grid(space: Space) -> dict[int, Costs]:
    """Return the costs of all designs."""
    numbers = [space.lattice.number(design) for design in space.lattice.walk()]
    evaluator = Evaluator(space)
    results = [result for start in range(0, len(numbers), 50) for result in evaluator(numbers[start : start + 50])]
    return {design.number: design.costs for design in results if isinstance(design, EvaluatedDesign)}


def proposals_needed(space: Space, costs: Mapping[int, Costs], best: set[int], seed: int) -> int:
    """Count the proposals of the search until the whole front is among them."""
    section = space.strategy.model_copy(update={"name": "search", "seed": seed})
    search, missing, count = Search(replace(space, strategy=section)), set(best), 0
    while True:
        proposed = search.propose()
        for number in proposed:
            count += 1
            missing.discard(number)
            if not missing:
                return count
        search.tell({number: costs[number] for number in proposed})


def main() -> None:
    """Print one row per space."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    print("| space | designs | front | evaluated: median | most | seeds within 60 % |\n|---|---:|---:|---:|---:|---:|")
    for path in sorted(SPACES.glob("*.yaml")):
        space = load_space(path)
        costs = grid(space)
        valid = [number for number, values in costs.items() if values]
        best = {valid[index] for index in pareto_front([costs[number] for number in valid])}
        counts = [proposals_needed(space, costs, best, seed) for seed in range(args.seeds)]
        within = sum(count <= 0.6 * len(costs) for count in counts)
        cells = space.name, len(costs), len(best), f"{median(counts):.0f}", max(counts), f"{within} of {len(counts)}"
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
