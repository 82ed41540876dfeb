"""The pages that ``--report`` writes: what each command hands to :mod:`zapsim.report.page`, loaded only then."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zapsim.cli._arguments import say_written

if TYPE_CHECKING:
    from zapsim.exploration.compare import SideBySide
    from zapsim.exploration.pareto import Front
    from zapsim.exploration.space import Space
    from zapsim.frontend.evaluation_table import EvaluationTable
    from zapsim.report.attribution import Explanation
    from zapsim.report.page.contents import Page
    from zapsim.report.timeline_file import TimedLayer
    from zapsim.results import RunResult


def write_run_report(
    path: Path,
    args: argparse.Namespace,
    result: RunResult,
    timed: Sequence[TimedLayer],
    explanation: Explanation | None,
) -> None:
    """Write the page of ``zapsim run``, also with the explanation of its savings if there is one.

    Parameters
    ----------
    path
        Where the page goes.
    args
        The command's arguments, of which the architecture and its changes are shown.
    result
        The run.
    timed
        All its layers, batch after batch; the page shows the first batch.
    explanation
        Where its savings go; None: that is not known.
    """
    from zapsim.report.conclusion import of_run

    _write_run(path, "zapsim run", of_run(result), args, result, timed, explanation)


def write_explanation_report(
    path: Path, args: argparse.Namespace, explanation: Explanation, timed: Sequence[TimedLayer]
) -> None:
    """Write the page of ``zapsim explain``; parameters as for :func:`write_run_report`."""
    from zapsim.report.conclusion import of_explanation

    conclusion = of_explanation(explanation)
    _write_run(path, "zapsim explain", conclusion, args, explanation.run, timed, explanation)


def _write_run(
    path: Path,
    kind: str,
    conclusion: str,
    args: argparse.Namespace,
    result: RunResult,
    timed: Sequence[TimedLayer],
    explanation: Explanation | None,
) -> None:
    from zapsim.arch.load import arch_values, load_arch
    from zapsim.report.page.configuration import configuration_table
    from zapsim.report.page.run import run_page

    arch = load_arch(args.arch, args.overrides)
    configuration = configuration_table(arch, arch_values(args.arch, args.overrides))
    first_batch = timed[: len(result.layers)]
    _write(run_page(kind, result, conclusion, configuration, first_batch, explanation), path)


def write_comparison_report(
    path: Path, sides: SideBySide, architectures: Sequence[tuple[str, Sequence[str]] | None]
) -> None:
    """Write the page of ``zapsim compare``.

    Parameters
    ----------
    path
        Where the page goes.
    sides
        The designs.
    architectures
        For each side its architecture, by name or file, and what was changed; None: only its result is known.
    """
    from zapsim.arch.load import arch_values, load_arch
    from zapsim.report.conclusion import of_comparison
    from zapsim.report.page.comparison import comparison_page
    from zapsim.report.page.configuration import conditions_table, configuration_table

    names, conclusion = (sides.a.name, sides.b.name), of_comparison(sides.a, sides.b)
    provenance = {
        f"{letter}: {name}": str(value)
        for letter, side in (("A", sides.a), ("B", sides.b))
        for name, value in side.provenance.items()
    }
    configurations = [conditions_table(sides.conditions)]
    for letter, architecture in zip("AB", architectures, strict=True):
        if architecture is not None:
            spec, values = load_arch(*architecture), arch_values(*architecture)
            configurations.append(configuration_table(spec, values, letter))
    page = comparison_page(
        sides.records(), names, sides.descriptions, conclusion, configurations, sides.warnings, provenance
    )
    _write(page, path)


def write_fronts_report(path: Path, record: Mapping[str, Any]) -> None:
    """Write the page of ``zapsim compare`` with two explorations."""
    from zapsim.report.page.fronts import fronts_page

    _write(fronts_page(record), path)


def write_exploration_report(path: Path, kind: str, space: Space, front: Front) -> None:
    """Write the page of ``zapsim explore`` or ``pareto`` (`kind`): the designs of a folder."""
    from zapsim.exploration.command_line import choices, chosen, command_start
    from zapsim.report.page.designs import Designs, designs_page

    designs = Designs(
        name=front.name,
        rows=front.rows,
        best=front.best,
        chosen=[chosen(space, int(row["design"])) for row in front.rows],
        goals=[(goal.column, goal.maximise) for goal in front.goals],
        choices=choices(space),
        command=command_start(space),
        folder=f"the folder of {space.file}",
        statuses=front.statuses,
        notes=front.notes,
        provenance={
            "zapsim": str(space.identity["zapsim"]),
            "space": space.file,
            "space_sha256": space.hash,
            **{f"architecture {name}": str(sha256) for name, sha256 in space.identity["arch"].items()},
            **{f"trace {one.trace}": one.trace_sha256 for one in space.workloads},
            "strategy": space.strategy.name,
            "seed": str(space.strategy.seed),
            "designs in the space": f"{space.lattice.size:,}",
            "constraints": ", ".join(one.expression.text for one in space.constraints) or "none",
        },
    )
    _write(designs_page(kind, designs), path)


def write_evaluation_report(path: Path, evaluated: EvaluationTable) -> None:
    """Write the page of ``zapsim eval``."""
    import json

    from zapsim.report.conclusion import of_evaluations
    from zapsim.report.page.evaluation import evaluation_page

    conclusion = of_evaluations(evaluated.evaluations, evaluated.reference)
    _write(evaluation_page(json.loads(evaluated.to_json()), conclusion), path)


def _write(page: Page, path: Path) -> None:
    from zapsim.report.page.render import write_report

    write_report(page, path)
    say_written(path)
