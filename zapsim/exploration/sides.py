"""What `zapsim compare` puts side by side: an architecture, a result file, or a design of an exploration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.comparison import Outcome
from zapsim.errors import ZapsimError
from zapsim.exploration.extras import check_extras
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace


@dataclass(frozen=True, slots=True)
class SideLayer:
    """One layer on one side.

    Attributes
    ----------
    name
        Of the layer.
    milliseconds, energy_mj
        What it takes.
    cycles, dram_words
        Cycles, and words to and from DRAM.
    bound
        What most cycles go to.
    """

    name: str
    milliseconds: float
    energy_mj: float
    cycles: int
    dram_words: int
    bound: str


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its name, what it is in words, and its layers."""

    name: str
    what: str
    layers: tuple[SideLayer, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What an architecture is run with: trace, operating point (None: the first), policy, changes of its values."""

    trace: Path
    point: str | None
    policy: str
    overrides: Sequence[str] = ()


def load_side(given: str, run: Run) -> Side:
    """Return the side that a word of the command line means.

    Parameters
    ----------
    given
        A JSON result of `zapsim run`; a folder of `zapsim explore`, alone (its best design in the first objective) or
        with ``@`` and the beginning of a design's id; or the name or file of an architecture.
    run
        What an architecture is run with.

    Raises
    ------
    ZapsimError
        If it is none of these, or cannot be run.
    """
    folder, _, design = given.rpartition("@")
    if folder and Path(folder).is_dir():
        return _of_design(Path(folder), design)
    if Path(given).is_dir():
        return _of_design(Path(given), "")
    if given.endswith(".json"):
        return _of_file(Path(given))
    arch = load_arch(given, run.overrides)
    result = simulate(arch, Trace(run.trace), preset(run.policy, arch.inputs), point=run.point)
    layers = tuple(_layer(one.shape.name, one.comparison.policy, arch.clock) for one in result.layers)
    changes = "".join(f", {change}" for change in run.overrides)
    return Side(arch.name, f"{arch.name} ({result.arch_summary}{changes}), policy {run.policy}", layers)


def _layer(name: str, outcome: Outcome, clock: float) -> SideLayer:
    counts = outcome.counts
    return SideLayer(
        name, 1e3 * outcome.cycles.total / clock, outcome.total_energy_pj / 1e9, outcome.cycles.total,
        counts.dram_reads + counts.dram_writes, outcome.cycles.bound,
    )  # fmt: skip


def _of_file(path: Path) -> Side:
    """Return the side of a JSON result."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        layers = tuple(_of_record(one, found["clock_hz"]) for one in found["layers"])
        return Side(found["arch"], f"{found['arch']} ({found['arch_summary']}), policy {found['policy']}", layers)
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ZapsimError(f"{path}: not a result of `zapsim run --format json`") from None


def _of_record(layer: Mapping[str, Any], clock: float) -> SideLayer:
    policy, counts = layer["policy"], layer["policy"]["counts"]
    return SideLayer(
        layer["shape"]["name"], 1e3 * policy["total_cycles"] / clock, policy["total_energy_pj"] / 1e9,
        policy["total_cycles"], counts["dram_reads"] + counts["dram_writes"],
        max(policy["cycles"], key=lambda part: policy["cycles"][part]).replace("_", " "),
    )  # fmt: skip


def _of_design(folder: Path, beginning: str) -> Side:
    """Return the side of a design, evaluated once more for its layers."""
    check_extras()
    from zapsim.exploration.evaluate import Evaluator
    from zapsim.exploration.manifest import space_of_folder
    from zapsim.exploration.pareto import load_front

    space = space_of_folder(folder)
    found = load_front(folder)
    rows = [row for row in found.rows if str(row["id"]).startswith(beginning)] if beginning else found.best[:1]
    if len(rows) != 1:
        many = f"{len(rows)} designs whose ids begin" if rows else "no evaluated design whose id begins"
        raise ZapsimError(f"{folder}: has {many} with '{beginning}'")
    row = rows[0]
    outcomes, arch = Evaluator(space).outcomes(row["design"])
    layers = tuple(_layer(name, outcome, arch.clock) for name, outcome in outcomes.items())
    chosen = ", ".join(f"{name} {row[name]}" for name in found.choices if row[name] is not None)
    return Side(f"{folder.name}@{row['id'][:8]}", f"{found.name} {row['id'][:8]}: {chosen or row['arch']}", layers)
