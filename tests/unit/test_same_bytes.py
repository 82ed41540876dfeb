"""Results have the same bytes in every process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.same_bytes import digests

pytestmark = pytest.mark.kernels


def test_another_process_with_other_hashes_and_threads_gives_the_same_bytes() -> None:
    weather = {"PYTHONHASHSEED": "4", "NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "LC_ALL": "C"}
    other = subprocess.run(
        [sys.executable, "-m", "tests.same_bytes"],
        cwd=Path(__file__).parents[2],
        env=os.environ | weather,
        check=True,
        capture_output=True,
    )
    here = digests()
    assert json.loads(other.stdout) == here
    assert len(set(here.values())) > 20
