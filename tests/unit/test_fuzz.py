"""Every reader on mutated files, a few seconds in all; ``make fuzz`` goes on for an hour."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.outcome import ACCEPTED, REFUSED, outcome
from tests.fuzz.readers import GROUPS

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
"""Files that once were read wrongly, in a folder for each reader."""

TRIES, SECONDS, SEED = 60, 0.8, 7


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__.strip("_"))
def test_mutated_files_are_read_right_or_refused_in_a_line(group, tmp_path):
    failures = {}
    for kind, reader in group(tmp_path).items():
        found, files = fuzz(reader, TRIES, SECONDS, SEED, tmp_path)
        failures |= {f"{kind}: {what}": files[what][:80] for what in found if what not in (ACCEPTED, REFUSED)}
        for path in sorted((CORPUS / kind).glob("*")):
            what = outcome(reader, path.read_bytes(), tmp_path)
            if what not in (ACCEPTED, REFUSED):
                failures[f"{kind}: {path.name}"] = what
    assert failures == {}
