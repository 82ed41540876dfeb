"""What figures must say of masks that no network made."""

from __future__ import annotations

from collections.abc import Sequence

from zapsim.results import RunResult
from zapsim.workloads.synthetic import SYNTHETIC, SYNTHETIC_NOTE

NOTE = f"{SYNTHETIC} masks"


def synthetic_note(results: Sequence[RunResult]) -> str:
    """Return the note of a figure of these results; empty if all masks are of real networks."""
    return NOTE if any(result.quality_note == SYNTHETIC_NOTE for result in results) else ""
