"""``python -m tests.fuzz.guided READER --seconds 300``: fuzz a reader, led by the branches that a file reaches.

It needs atheris (``pip install -e ".[fuzz]"``), which keeps each file that reaches a new branch of the code that reads,
and changes it further. Half of the changes are its own, half those of :mod:`tests.fuzz.mutations`, with digests that
are right again. The corpus grows in ``build/fuzz/READER``; a failure ends the run, and its file is left there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import atheris

os.environ["NUMBA_DISABLE_JIT"] = "1"  # Numba cannot compile what is watched

with atheris.instrument_imports(include=["zapsim"]):
    from tests.fuzz.mutations import mutated, mutated_tree
    from tests.fuzz.outcome import ACCEPTED, REFUSED, outcome
    from tests.fuzz.readers import GROUPS, Reader

_MOST_BYTES = 1 << 16


class BadOutcomeError(Exception):
    """A file is neither accepted nor refused as it should be."""


def changed(reader: Reader, data: bytes, random: Random, folder: Path) -> bytes:
    """Change a file; a sealed one so that its digests are right, if it has a header."""
    if reader.header is not None and reader.sealed is not None and random.random() < 0.5:
        try:
            return reader.sealed(data, mutated_tree(reader.header(data), random), folder / "sealed")
        except Exception:  # the file is too damaged to have a header, or no header of this kind can be written
            return mutated(data, random)
    return mutated(data, random)


def main() -> None:
    """Fuzz one reader."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reader")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    corpus = Path("build/fuzz") / args.reader
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        readers: dict[str, Reader] = {kind: one for group in GROUPS for kind, one in group(folder).items()}
        if args.reader not in readers:
            parser.error(f"unknown reader; known: {', '.join(readers)}")
        reader = readers[args.reader]
        for number, data in enumerate(reader.seeds):
            (corpus / f"seed_{number}").write_bytes(data)

        def try_one(data: bytes) -> None:
            found = outcome(reader, data, folder)
            if found not in (ACCEPTED, REFUSED):
                raise BadOutcomeError(found)

        def mutate(data: bytes, most: int, seed: int) -> Any:
            random = Random(seed)
            if random.random() < 0.5:
                return atheris.Mutate(data, most)
            return changed(reader, data, random, folder)[:most]

        options = [f"-max_total_time={args.seconds}", f"-seed={args.seed}", f"-max_len={_MOST_BYTES}"]
        options += [f"-artifact_prefix={corpus}/", "-timeout=30", "-rss_limit_mb=8192", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], try_one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
