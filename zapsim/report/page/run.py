"""The page of a run, also with the explanation of where its savings go."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zapsim.columns import COLUMNS
from zapsim.columns import Column as ShownColumn
from zapsim.comparison import Comparison, Outcome
from zapsim.report.attribution import CYCLE_CAUSES, Explanation, Step
from zapsim.report.explanation import MEANINGS
from zapsim.report.page.contents import Cell, Column, Figure, Page, Plot, Section, Table
from zapsim.report.page.plots import bars, stacks, waterfall
from zapsim.report.page.timeline import timeline_plot
from zapsim.report.timeline_file import TimedLayer
from zapsim.results import RunResult

_SAVINGS: Mapping[str, Callable[[Comparison], float]] = {
    "MACs saved": lambda comparison: comparison.mac_saving,
    "cycles saved": lambda comparison: comparison.cycle_saving,
    "energy saved": lambda comparison: comparison.energy_saving,
}
_CAUSE_NAMES = {"rigid array": "computing", "second loads": "loading the array"}
"""Causes of lost cycles by what an array does in these cycles, where the names differ."""

_WITH_BARS = {"mac_saving", "cycle_saving", "energy_saving", "skippable_share", "stalled_share"}


def run_page(
    kind: str,
    result: RunResult,
    conclusion: str,
    configuration: Table | None = None,
    timeline: Sequence[TimedLayer] = (),
    explanation: Explanation | None = None,
) -> Page:
    """Show a run: what is saved and why, layer by layer, when, and how to get it again.

    Parameters
    ----------
    kind
        The command.
    result
        The run.
    conclusion
        One sentence.
    configuration
        The architecture's values with their sources.
    timeline
        The layers of its first batch, with the times of their tiles; empty: the page has no timeline.
    explanation
        Where the savings go; None: the page does not say.
    """
    sections = [
        *(_savings(result) if result.policy != result.baseline else ()),
        *(_explained(explanation) if explanation is not None else ()),
        _parts(result),
        _layers(result),
        *(_timeline(result, timeline) if timeline else ()),
        _configuration(result, configuration),
    ]
    return Page(
        kind=kind,
        title=f"{result.network} on {result.arch}",
        conclusion=conclusion,
        figures=list(_figures(result)),
        sections=sections,
        provenance=flat_texts(result.provenance),
        notes=[note for note in result.notes[:-1] if note],
        warnings=[result.energy_note] if result.energy_note else [],
    )


def _figures(result: RunResult) -> Iterator[Figure]:
    total, seconds = result.total, result.total.policy.cycles.total / result.clock_hz
    if result.policy != result.baseline:
        for label, saving in _SAVINGS.items():
            yield Figure(f"{100 * saving(total):.1f} %", label)
    yield Figure(f"{seconds * 1e3:,.4g} ms", "time")
    if total.policy.total_energy_pj:
        yield Figure(f"{total.policy.total_energy_pj / 1e9:,.4g} mJ", "energy")
    for name, label in (("top1_accuracy", "top-1 accuracy"), ("top1_agreement", "top-1 agreement")):
        if name in result.quality:
            yield Figure(f"{100 * result.quality[name]:.2f} %", label)
            return


def _savings(result: RunResult) -> Iterator[Section]:
    names = [name for name, _ in result.rows]
    series = {label: [100 * saving(comparison) for _, comparison in result.rows] for label, saving in _SAVINGS.items()}
    caption = f"What {result.policy} takes less than {result.baseline}, by layer; below zero it takes more."
    plot = bars("savings", caption, names, series, "%", "saved, % of the baseline")
    yield Section("savings", "What is saved", "", [plot])


def _explained(explanation: Explanation) -> Iterator[Section]:
    blocks: list[Plot | Table] = []
    for what, steps in (("cycles", explanation.cycles), ("energy", explanation.energy)):
        points = {step.cause: 100 * step.share for step in steps}
        caption = f"From all zero outputs to the {what} saved, in % of the baseline's {what}."
        blocks.append(waterfall(f"waterfall-{what}", caption, points, "saved", f"% of the {what}"))
    blocks += [_steps("cycles", explanation.cycles), _steps("energy", explanation.energy)]
    lead = (
        "Three runs are compared: an oracle, a predictor that is never wrong, and the real one. The first step is what "
        "would be saved if everything fell with the MACs of zero outputs; each further step takes away from it."
    )
    yield Section("causes", "Where the savings go", lead, blocks)


def _steps(what: str, steps: Sequence[Step]) -> Table:
    largest = max((abs(step.share) for step in steps), default=0.0) or 1.0
    rows, left = [], 0.0
    for step in steps:
        left += step.share
        meaning = MEANINGS.get(step.cause, f"energy of this component: {step.cause}")
        rows.append([
            Cell(step.cause, step.cause), Cell(f"{100 * step.share:+.1f} %", step.share, step.share / largest),
            Cell(f"{100 * left:.1f} %", left), Cell(meaning, meaning),
        ])  # fmt: skip
    columns = [
        Column("step", is_number=False),
        Column("adds"),
        Column("left"),
        Column("meaning", is_number=False, is_prose=True),
    ]
    total = [Cell("saved"), Cell(f"{100 * left:.1f} %"), Cell(""), Cell("")]
    return Table(f"steps-{what}", f"Steps to the {what} saved, in % of the baseline's {what}", columns, rows, total)


def _parts(result: RunResult) -> Section:
    """Show cycles by cause and energy by component, beside the baseline's."""
    names = [layer.shape.name for layer in result.layers]
    outcomes = [layer.comparison for layer in result.layers]
    compared = result.policy != result.baseline

    def cycles(outcome: Outcome, members: Sequence[str]) -> float:
        parts = outcome.cycles.as_dict()
        return sum(parts[part] for part in members) / 1e3

    by_cause = {
        _CAUSE_NAMES.get(cause, cause): [cycles(one.policy, members) for one in outcomes]
        for cause, members in CYCLE_CAUSES.items()
    }
    components = list(outcomes[0].policy.energy_pj)
    by_component = {part: [one.policy.energy_pj[part] / 1e6 for one in outcomes] for part in components}
    marks = "; the mark is the baseline" if compared else ""
    before = [one.baseline.cycles.total / 1e3 for one in outcomes] if compared else []
    energy_before = [one.baseline.total_energy_pj / 1e6 for one in outcomes] if compared else []
    blocks = [
        stacks("cycles", f"Cycles of each layer by what the array does{marks}.", names, by_cause, "k cycles",
               "thousand cycles", before),
        stacks("energy", f"Energy of each layer by component{marks}.", names, by_component, "µJ",
               "energy, microjoules", energy_before),
    ]  # fmt: skip
    return Section("parts", "What time and energy go to", "", blocks)


def _layers(result: RunResult) -> Section:
    columns = [Column("layer", is_number=False), *(Column(one.heading, one.metric.kind is not str) for one in COLUMNS)]
    rows = [[Cell(name, name), *(_cell(one, comparison) for one in COLUMNS)] for name, comparison in result.rows]
    caption = f"Every layer under policy {result.policy}, compared with {result.baseline}"
    return Section("layers", "Layers", "", [Table("layers", caption, columns, rows[:-1], rows[-1])])


def _cell(column: ShownColumn, comparison: Comparison) -> Cell:
    value = column.value(comparison)
    share = float(value) if column.key in _WITH_BARS and not isinstance(value, str) else None
    key = value if isinstance(value, str) or math.isfinite(value) else None
    return Cell(column.text(comparison), key, share)


def _timeline(result: RunResult, timeline: Sequence[TimedLayer]) -> Iterator[Section]:
    lead = "" if len(result.images) == 1 else "The first batch of images."
    yield Section("timeline", "Timeline", lead, [timeline_plot(timeline, result.clock_hz)])


def _configuration(result: RunResult, configuration: Table | None) -> Section:
    texts = {
        "network": result.network,
        "images": ", ".join(dict.fromkeys(result.images)),
        "operating point": result.operating_point,
        "patterns": ", ".join(result.patterns) or "none",
        "thresholds": _thresholds(result.thresholds),
        "policy": result.policy,
        "compared with": result.baseline,
        "array": result.arch_summary,
        **{name.replace("_", " "): f"{value:.6g}" for name, value in result.quality.items()},
        "quality measured": result.quality_note or "not measured",
    }
    columns = [Column("what", is_number=False), Column("value", is_number=False)]
    rows = [[Cell(name, name), Cell(value, value)] for name, value in texts.items()]
    run = Table("run", "What ran", columns, rows)
    return Section(
        "configuration", "Configuration", "", [run] if configuration is None else [run, configuration], is_folded=True
    )


def _thresholds(thresholds: Sequence[float]) -> str:
    if not thresholds:
        return "none"
    least, most = min(thresholds), max(thresholds)
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def flat_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Write nested values as one text per name; what is unknown is left out."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            texts |= {f"{name}: {inner}": text for inner, text in flat_texts(value).items()}
        elif value is not None:
            texts[name] = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return texts
