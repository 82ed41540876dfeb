"""How many designs the search evaluates until it has found the front of the grid.

python benchmarks/search_against_grid.py [--seeds 100 110] [--spaces benchmarks/spaces/codesign_digits.yaml …]

All designs of a space are evaluated once (benchmarks/spaces/); the search then gets its results from there, so that
many seeds cost little, and its proposals are counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measure import Expected, Row
from zapsim.exploration.evaluate import Evaluator
from zapsim.exploration.evaluated import EvaluatedDesign
from zapsim.exploration.load import load_space
from zapsim.exploration.pareto import pareto_front
from zapsim.exploration.search import Search
from zapsim.exploration.space import Space
from zapsim.exploration.strategies import Costs

SPACES = Path(__file__).parent / "spaces"
MOST, PART = 300, 0.9


@dataclass(frozen=True)
class Needed:
    """Designs proposed until 90 % of the front were among them, and all of it; the search's own ms per design."""

    part: int
    whole: int
    milliseconds: float


def grid(space: Space) -> dict[int, Costs]:
    """Return the costs of all designs."""
    numbers = [space.lattice.number(design) for design in space.lattice.walk()]
    evaluator = Evaluator(space)
    evaluated = [result for start in range(0, len(numbers), 50) for result in evaluator(numbers[start : start + 50])]
    return {design.number: design.costs for design in evaluated if isinstance(design, EvaluatedDesign)}


def front(costs: Mapping[int, Costs]) -> set[int]:
    """Return the designs on the front."""
    valid = [number for number, values in costs.items() if values]
    return {valid[index] for index in pareto_front([costs[number] for number in valid])}


def search_for(space: Space, costs: Mapping[int, Costs], best: set[int], seed: int) -> Needed:
    """Let the search propose until the whole front is among its proposals."""
    section = space.strategy.model_copy(update={"name": "search", "seed": seed})
    search, missing, proposed, part, taken = Search(replace(space, strategy=section)), set(best), 0, 0, 0.0
    while missing:
        start = time.process_time()
        generation = search.propose()
        taken += time.process_time() - start
        assert generation, "the search ended before it had found the front"
        for number in generation:
            proposed += 1
            missing.discard(number)
            if not part and len(missing) <= (1 - PART) * len(best):
                part = proposed
            if not missing:
                return Needed(part, proposed, 1000 * taken / proposed)
        start = time.process_time()
        search.tell({number: costs[number] for number in generation})
        taken += time.process_time() - start
    raise AssertionError("the front is empty")


def measure(path: Path, seeds: Sequence[int]) -> tuple[Space, dict[int, Costs], set[int], list[Needed]]:
    """Evaluate a space, and search it with several seeds."""
    space = load_space(path)
    costs = grid(space)
    best = front(costs)
    with threadpool_limits(1, user_api="blas"):  # as explorations do
        return space, costs, best, [search_for(space, costs, best, seed) for seed in seeds]


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Count for the co-design of digits, and unless `quick` for all spaces."""
    seeds, measured = range(3 if quick else 10), []
    for path in [SPACES / "codesign_digits.yaml"] if quick else sorted(SPACES.glob("*.yaml")):
        space, costs, best, needed = measure(path, seeds)
        expected.check(f"search in {path.stem}", [sorted(costs.items())])
        parts, wholes = [one.part for one in needed], [one.whole for one in needed]
        within = sum(part <= MOST for part in parts)
        beside = (
            f"of {len(costs)}, all {len(best)} after {median(wholes):.0f}; {within} of {len(parts)} seeds within {MOST}"
        )
        group = "search, designs until 90 % of the front are found"
        measured += [
            Row(group, space.name, median(parts), "designs", beside, len(parts)),
            Row(group, f"{space.name}, own time", median(one.milliseconds for one in needed), "ms", "per design"),
        ]
    return measured


def main() -> None:
    """Print one row per space."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), metavar=("FIRST", "END"))
    parser.add_argument("--spaces", type=Path, nargs="+", default=sorted(SPACES.glob("*.yaml")), metavar="FILE")
    args = parser.parse_args()
    within = f"seeds within {MOST}"
    print(
        f"| space | designs | front | 90 %: median | most | {within} | whole: median | most | {within} | ms a design |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for path in args.spaces:
        space, costs, best, needed = measure(path, range(*args.seeds))
        cells = [space.name, len(costs), len(best)]
        for counts in ([one.part for one in needed], [one.whole for one in needed]):
            reached = sum(count <= MOST for count in counts)
            cells += [f"{median(counts):.0f}", max(counts), f"{reached} of {len(counts)}"]
        cells.append(f"{median(one.milliseconds for one in needed):.1f}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
