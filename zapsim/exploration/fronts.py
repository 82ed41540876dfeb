"""Two explorations side by side: their fronts, what they searched, and warnings where that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zapsim.errors import ConfigError, ZapsimError
from zapsim.exploration import check_dependencies
from zapsim.exploration.hypervolume import FrontComparison, compare_fronts
from zapsim.exploration.load import load_space
from zapsim.exploration.manifest import read_manifest
from zapsim.exploration.pareto import Front, Goal, load_front
from zapsim.workloads.synthetic import SYNTHETIC, SYNTHETIC_NOTE

_EFFECTS: Final[dict[str, str]] = {
    "trace": "the two run other layers or other masks",
    "operating points": "the two could choose among other accuracies",
    "measured on": "the accuracies are of other images and cannot be compared",
    "policies": "the two could choose among other policies",
    "constraints": "designs that one rules out may be on the other's front",
    "process": "energies follow the process, not the design alone",
    "clock": "times follow the clock, not the design alone",
    "batch": "larger batches share loads",
    "images": "the two run other amounts of work",
    "evaluated": "whoever evaluates more designs finds better ones",
    "zapsim": "the two were made by other versions, whose models may differ",
}
"""What it means for a comparison of fronts that a condition differs."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """The results of an exploration, and what it searched.

    Attributes
    ----------
    name
        Name of its folder.
    front
        Its designs and its front.
    conditions
        What it searched and under what, by name, as text.
    """

    name: str
    front: Front
    conditions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FrontsSideBySide:
    """Two explorations and the comparison of their fronts."""

    a: Exploration
    b: Exploration
    comparison: FrontComparison

    @property
    def conditions(self) -> dict[str, tuple[str, str]]:
        """Every condition by name: A's and B's."""
        return {name: (of_a, self.b.conditions[name]) for name, of_a in self.a.conditions.items()}

    @property
    def warnings(self) -> list[str]:
        """What differs besides the fronts, and what that means."""
        return [
            f"A and B differ in {name} ({_short(a)}; {_short(b)}): {_EFFECTS[name]}"
            for name, (a, b) in self.conditions.items()
            if a != b and name in _EFFECTS
        ]

    def record(self) -> dict[str, Any]:
        """Return everything as plain values, as JSON and tables need it: shares of 1, goals in their units."""
        result = self.comparison
        sides = {
            letter: {
                "name": one.name,
                "conditions": dict(one.conditions),
                "hypervolume": result.volumes[place],
                "attained_alone": result.alone[place],
                "attained_of_other_front": result.attained[place],
                "course": [{"designs": designs, "hypervolume": volume} for designs, volume in result.courses[place]],
                "front": [dict(row) for row in one.front.best],
            }
            for place, (letter, one) in enumerate((("a", self.a), ("b", self.b)))
        }
        return {
            "warnings": self.warnings,
            "goals": [{"column": goal.column, "maximise": goal.maximise} for goal in result.goals],
            "ideal_point": list(result.ideal),
            "reference_point": list(result.reference),
            **sides,
        }


def compare_explorations(
    a: str | Path,
    b: str | Path,
    *,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    reference: Sequence[float] = (),
) -> FrontsSideBySide:
    """Compare the fronts of two explorations.

    Parameters
    ----------
    a, b
        Folders of ``zapsim explore``.
    minimise, maximise
        Metrics or columns in which the fronts are compared; both empty: the objectives, which must be the same.
    reference
        Reference point of the hypervolume, a value per goal in its unit (:func:`compare_fronts`).

    Raises
    ------
    ZapsimError
        If a folder holds no results, or the two have other objectives and no goals are named.
    """
    check_dependencies("comparing explorations", ("moocore", "pandas", "pyarrow"))
    first, second = (_exploration(Path(folder), minimise, maximise) for folder in (a, b))
    if first.front.goals != second.front.goals:
        texts = [", ".join(map(_goal_text, side.front.goals)) for side in (first, second)]
        raise ConfigError(
            f"{a} and {b} have other objectives ({texts[0]}; {texts[1]}): name what to compare with --minimise and "
            "--maximise"
        )
    return FrontsSideBySide(first, second, compare_fronts(first.front, second.front, reference))


def _goal_text(goal: Goal) -> str:
    return f"{'maximise' if goal.maximise else 'minimise'} {goal.column.removeprefix('objective.')}"


def _exploration(folder: Path, minimise: Sequence[str], maximise: Sequence[str]) -> Exploration:
    """Read one exploration.

    Raises
    ------
    ZapsimError
        If there is none, or none of its designs meets the constraints.
    """
    front = load_front(folder, minimise, maximise)
    if not front.best:
        raise ZapsimError(f"{folder}: no design meets the constraints; explore more, or other constraints")
    return Exploration(folder.resolve().name, front, dict(_conditions(read_manifest(folder), front)))


def _conditions(manifest: Mapping[str, Any], front: Front) -> Iterator[tuple[str, str]]:
    """Yield what was searched and under what."""
    made, notes = manifest["identity"], dict.fromkeys(manifest["quality_notes"].values())
    yield "space", manifest["name"]
    yield "evaluated", f"{sum(front.statuses.values()):,} of {manifest['designs']:,} designs"
    yield "feasible", f"{len(front.rows):,} designs"
    yield "on the front", f"{len(front.best):,} designs"
    yield "trace", ", ".join(f"{name} {digest[:8]}" for name, digest in made["trace"].items())
    yield "operating points", ", ".join(made["point"])
    shown = (SYNTHETIC + " masks" if note == SYNTHETIC_NOTE else note.removeprefix("on ") for note in notes if note)
    yield "measured on", "; ".join(shown) or "–"
    yield "policies", ", ".join(made["policy"]) if isinstance(made["policy"], list) else str(made["policy"])
    yield "constraints", ", ".join(made["constraints"]) or "none"
    yield from _of_archs(manifest)
    yield "batch", f"{made['batch']} image{'' if made['batch'] == 1 else 's'}"
    yield "images", "all of the trace" if made["images"] is None else ", ".join(map(str, made["images"]))
    yield "zapsim", made["zapsim"]


def _of_archs(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield process and clock of the architectures, as far as their files are still there."""
    try:
        specs = [variants.base for variants in load_space(manifest["source"], Path(manifest["folder"])).archs]
    except ZapsimError:
        yield from (("process", "not known any more"), ("clock", "not known any more"))
        return
    yield "process", "; ".join(dict.fromkeys(spec.process for spec in specs))
    yield "clock", ", ".join(dict.fromkeys(f"{spec.clock / 1e6:g} MHz" for spec in specs))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
