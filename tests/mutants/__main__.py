"""``python -m tests.mutants --count 400``: change the models in many small ways, and count what the tests notice.

Each mutant meets the tests that reach its line (:mod:`.reach`), the fastest first, until one fails or the time is over;
if the line runs while modules are loaded, the tests of its file (:mod:`.chosen`). Kernels are interpreted where a file
of theirs is changed, since they would be compiled for each mutant otherwise. ``--verify`` then runs the tests that
failed on the code as it is, where they must pass.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.mutants.chosen import FOLDERS, tests_of
from tests.mutants.operators import Mutation, described, mutated, mutations
from tests.mutants.reach import Reach, load, record
from tests.mutants.trial import KILLED, ROOT, STUCK, SURVIVED, preload, trial

_OUT = ROOT / "build" / "mutants.jsonl"
_NO_MODELS = {"zapsim/kernels/_jit.py", "zapsim/kernels/__init__.py"}


def sample(seed: int) -> list[tuple[Path, Mutation]]:
    """Draw the lines of the models in a random order, and one mutation of each."""
    lines: dict[tuple[Path, int], list[Mutation]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / "zapsim" / folder).rglob("*.py")):
            if str(path.relative_to(ROOT)) not in _NO_MODELS:
                for mutation in mutations(path.read_text()):
                    lines.setdefault((path, mutation.line), []).append(mutation)
    random, places = Random(seed), list(lines)
    random.shuffle(places)
    return [(path, random.choice(lines[path, line])) for path, line in places]


def has_kernels(path: Path) -> bool:
    """Tell whether a file's functions are compiled."""
    return "kernels" in path.parts or path.stem.endswith("kernels") or "import kernel\n" in path.read_text()


def main() -> int:
    """Try mutants, write a line of JSON for each, and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first mutant of the sample")
    parser.add_argument("--out", type=Path, default=_OUT, help="gets a line of JSON for each mutant")
    parser.add_argument("--seconds", type=float, default=20, help="CPU seconds after which no further test starts")
    parser.add_argument("--minutes", type=float, default=1e6, help="after which no further mutant is tried")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the sample")
    parser.add_argument("--verify", action="store_true", help="run the tests that failed on the code as it is")
    args = parser.parse_args()
    os.chdir(ROOT)
    preload()
    if args.verify:
        return verify(args.out)
    reach = {interpreted: reach_of(args.out, interpreted) for interpreted in (False, True)}
    drawn = sample(args.seed)
    print(f"{len(drawn)} lines can be changed", flush=True)
    outcomes: Counter[str] = Counter()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * args.minutes
    for number in args.only or range(args.first, min(args.first + args.count, len(drawn))):
        if time.monotonic() > until:
            break
        line = {"number": number, **try_mutant(*drawn[number], args.seconds, reach)}
        outcomes[str(line["outcome"])] += 1
        with args.out.open("a") as out:
            out.write(json.dumps(line) + "\n")
    noticed = outcomes[KILLED] + outcomes[STUCK]
    print(f"{outcomes.total()} mutants: {dict(outcomes)}; noticed {noticed}")
    return 0


def reach_of(out: Path, interpreted: bool) -> Reach:
    """Read which tests reach which lines, from beside `out`; record it first if it is not there."""
    path = out.with_name(f"mutants-reach-{'interpreted' if interpreted else 'compiled'}.json")
    if not path.exists():
        print(f"running the tests once, to see what they reach ({path.name})", flush=True)
        record(path, interpreted=interpreted)
    return load(path)


def try_mutant(path: Path, mutation: Mutation, seconds: float, reach: dict[bool, Reach]) -> dict[str, object]:
    """Run the tests of a mutant; say what it is, and what became of it."""
    source, file = path.read_text(), str(path.relative_to(ROOT))
    interpreted = has_kernels(path)
    tests = reach[interpreted].of(f"{file}:{mutation.line}", 2 * seconds)
    tests = tests or [name for name in tests_of(file) if (ROOT / name).exists()]
    before, after = described(source, mutation)
    tried = trial(path, mutated(source, mutation), tests, seconds, interpreted=interpreted)
    return {
        "place": f"{file}:{mutation.line}", "kind": mutation.kind, "before": before, "after": after,
        "outcome": tried.outcome, "test": tried.test, "seconds": round(tried.seconds, 1), "interpreted": interpreted,
    }  # fmt: skip


def verify(out: Path) -> int:
    """Run each test that failed on a mutant on the code as it is; return 1 if one fails there, too."""
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    failed = 0
    for interpreted in (False, True):
        tests = sorted({line["test"] for line in lines if line["interpreted"] == interpreted and "::" in line["test"]})
        while tests:
            tried = trial(ROOT, None, tests, 1e6, interpreted=interpreted)
            if tried.outcome == SURVIVED:
                break
            print(f"{tried.test} fails without a change ({tried.outcome})")
            failed += 1
            if tried.test not in tests:
                break
            tests.remove(tried.test)
        print(f"{len(tests)} tests pass without a change, interpreted: {interpreted}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
