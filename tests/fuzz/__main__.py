"""``python -m tests.fuzz --tries 2000 --seconds 60 [READER ...]``: fuzz readers, and list every failure by its kind."""

import argparse
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.mutations import mutated, mutated_tree
from tests.fuzz.outcome import ACCEPTED, REFUSED, outcome
from tests.fuzz.readers import GROUPS, Reader

MEMORY = 16 * 2**30
"""Address space of the process: what takes more, fails."""


def fuzz(reader: Reader, tries: int, seconds: float, seed: int, folder: Path) -> tuple[Counter[str], dict[str, bytes]]:
    """Read mutated files; return how often each outcome came, and a file for each failure."""
    random, outcomes, files = Random(seed), Counter[str](), {}
    end = time.monotonic() + seconds
    for data in reader.seeds:
        assert outcome(reader, data, folder) == ACCEPTED, outcome(reader, data, folder)
    for _ in range(tries):
        if time.monotonic() > end:
            break
        data = random.choice(reader.seeds)
        if reader.header is not None and reader.sealed is not None and random.random() < 0.5:
            tree = mutated_tree(reader.header(data), random)
            try:
                data = reader.sealed(data, tree, folder / "sealed")
            except (TypeError, ValueError, KeyError, AttributeError):
                continue  # no header of this kind can be written
        else:
            data = mutated(data, random)
        found = outcome(reader, data, folder)
        kind = found if found in (ACCEPTED, REFUSED) else re.sub(r"0x[0-9a-f]+|[0-9]{3,}|'.*'", "…", found)
        outcomes[kind] += 1
        files.setdefault(kind, data)
    return outcomes, files


def main() -> int:
    """Fuzz the readers that are named, or all; return 1 if there is a failure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for a file of each failure")
    parser.add_argument("--list", action="store_true", help="print the names of the readers")
    parser.add_argument("--group", choices=[group.__name__.strip("_") for group in GROUPS], help="only these readers")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        groups = [group for group in GROUPS if args.group in (None, group.__name__.strip("_"))]
        readers = ((kind, reader) for group in groups for kind, reader in group(Path(name)).items())
        for kind, reader in readers:
            if args.list:
                print(kind)
                continue
            if args.readers and kind not in args.readers:
                continue
            outcomes, files = fuzz(reader, args.tries, args.seconds, args.seed, Path(name))
            bad = {found: count for found, count in outcomes.items() if found not in (ACCEPTED, REFUSED)}
            print(f"{kind}: {outcomes.total()} tries, {outcomes[ACCEPTED]} accepted, {outcomes[REFUSED]} refused, "
                  f"{sum(bad.values())} failed", flush=True)  # fmt: skip
            for index, (found, count) in enumerate(bad.items()):
                print(f"  {count} × {found}", flush=True)
                if args.keep is not None:
                    (args.keep / f"{kind}_{index}").write_bytes(files[found])
            failed += len(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
