"""The conditions under which a design was simulated, and a warning for each in which two designs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from zapsim.results import RunResult
from zapsim.tracefile.quality import described

_UNKNOWN = "not recorded"
_UNMODIFIED = "that of the unmodified network"
_NO_MASKS = ("dense", "early-exit")
"""Output policies that leave out no output by a mask: the network computes what it always computes."""

_EFFECTS: Final[dict[str, str]] = {
    "trace": "the two run other layers or other masks, so that more than the designs differs",
    "operating point": "the two skip other outputs, so that more than the designs differs",
    "accuracy": "the two do not give equally good results, so that savings are not bought at one price",
    "measured on": "the accuracies are of other images and cannot be compared",
    "process": "energies follow the process, not the design alone; --set energy.scale… puts both on one process",
    "clock": "times follow the clock, not the design alone; cycles do not",
    "batch": "larger batches share loads, so that more than the designs differs",
    "images": "the two run other amounts of work; the sentence above compares them per MAC",
}
"""What it means for a comparison that a condition differs."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a design ran under.

    Attributes
    ----------
    policy, trace, point
        Names; `trace` with the beginning of its digest.
    images, batch
        How many images ran, and how many of them together.
    accuracy, measured_on
        The quality of the operating point in words, and the images that it was measured on, with their number.
    process
        What the energies belong to, such as ``65 nm, 1.0 V``.
    clock_hz
        Clock of the array.
    """

    policy: str
    trace: str
    point: str
    images: int
    batch: int
    accuracy: str
    measured_on: str
    process: str
    clock_hz: float

    def rows(self) -> dict[str, str]:
        """Return every condition by its name, as text with its unit."""
        return {
            "policy": self.policy,
            "trace": self.trace,
            "operating point": self.point,
            "accuracy": self.accuracy,
            "measured on": self.measured_on,
            "process": self.process,
            "clock": f"{self.clock_hz / 1e6:g} MHz",
            "batch": f"{self.batch} image{'' if self.batch == 1 else 's'}",
            "images": f"{self.images} image{'' if self.images == 1 else 's'}",
        }


def conditions_of(result: RunResult) -> Conditions:
    """Return the conditions of a run."""
    made = result.provenance
    policy = made.get("policy", {})
    trace, digest = made.get("trace", _UNKNOWN), str(made.get("trace_sha256", ""))[:8]
    return Conditions(
        policy=result.policy,
        trace=f"{trace} {digest}".strip(),
        point=result.operating_point,
        images=len(result.images),
        batch=int(made.get("batch", 1)),
        **quality_of(policy.get("outputs", ""), policy.get("knowledge", ""), result.quality, result.quality_note),
        process=str(made.get("process", _UNKNOWN)),
        clock_hz=result.clock_hz,
    )


def quality_of(outputs: str, knowledge: str, quality: Mapping[str, float], note: str) -> dict[str, str]:
    """Return the accuracy and what it was measured on, in words.

    A policy that leaves out no output, or nothing but zeros, leaves the network's results as they are.
    """
    if outputs in _NO_MASKS or knowledge in ("oracle", "perfect-predictor"):
        return {"accuracy": _UNMODIFIED, "measured_on": "exact: nothing but zeros is left out"}
    figures = {name: value for name, value in quality.items() if not name.endswith("_unmodified")}
    return {"accuracy": ", ".join(described(figures)) or "not measured", "measured_on": note.removeprefix("on ") or "–"}


def differences(a: Conditions, b: Conditions) -> Iterator[str]:
    """Yield a warning for each condition in which two designs differ, with what it means for their comparison."""
    rows_b = b.rows()
    for name, of_a in a.rows().items():
        unmodified = _UNMODIFIED in (a.accuracy, b.accuracy)
        if of_a == rows_b[name] or name not in _EFFECTS or (name == "measured on" and unmodified):
            continue
        yield f"A and B differ in {name} ({_short(of_a)}; {_short(rows_b[name])}): {_EFFECTS[name]}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
