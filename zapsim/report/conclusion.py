"""One sentence in plain English that says what a result shows; it stands above every table.

Each function takes one kind of result. A loss is put down to its largest cause if that makes more than half of all that
is lost (:mod:`zapsim.report.attribution`), else to its two largest; ``mostly`` says that they make more than half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final, Protocol

from zapsim.comparison import Comparison, Outcome
from zapsim.report.attribution import Explanation, Step, cycle_losses, energy_losses
from zapsim.report.phrases import ALIKE, change, changes, listed, main_causes, percent
from zapsim.results import RunResult
from zapsim.workloads.synthetic import SYNTHETIC, SYNTHETIC_NOTE

_ACTIVITIES: Final[dict[str, tuple[str, ...]]] = {
    "computing": ("compute",),
    "waiting for the busiest PE": ("imbalance",),
    "waiting for the buses": ("ifmap_bus", "psum_bus"),
    "loading the array": ("filter_load", "ramp"),
    "waiting for the predictor": ("predictor",),
    "waiting for DRAM": ("dram_read", "dram_write", "buffer"),
}
"""What an array does, and the parts of :class:`zapsim.counts.Cycles` in which it does so."""

_HARDLY_LOST = 0.05
"""A smaller share of what the masks could save is not worth a cause."""


class Design(Protocol):
    """A design that is compared with another: its name, its clock in Hz, and the outcome of its layers by name."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def clock(self) -> float:
        """Clock of its array in Hz."""

    @property
    def layers(self) -> Mapping[str, Outcome]:
        """Outcome of every layer."""


class Figure(Protocol):
    """A measured figure with its 95 % interval."""

    @property
    def value(self) -> float:
        """The figure, as a share of 1."""

    @property
    def low(self) -> float:
        """Lower end of its interval."""

    @property
    def high(self) -> float:
        """Upper end of its interval."""


class Evaluated(Protocol):
    """A row of the table of ``zapsim eval``."""

    @property
    def name(self) -> str:
        """The method's name."""

    @property
    def images(self) -> int:
        """Number of images."""

    @property
    def macs_saved(self) -> float:
        """Share of the MACs saved, net of the predictors' own."""

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Quality by name."""


def of_run(result: RunResult, reference: RunResult | None = None) -> str:
    """Say what a policy saves or costs against its baseline, and what most of the loss is due to.

    Parameters
    ----------
    result
        The run.
    reference
        A run of the same network to compare time and energy with besides: of another array, or dense.
    """
    total, masks = result.total, f" ({SYNTHETIC} masks)" if result.quality_note == SYNTHETIC_NOTE else ""
    if result.policy == result.baseline:
        sentence = f"Under {result.policy}, {result.arch} takes {_costs(result)}; {_bound(total.policy)}"
    else:
        head = f"Compared with {result.baseline}, {result.arch} under {result.policy}{masks}"
        sentence = f"{head} does {_macs(total)}, takes {_takes(total)}; {_loss(result)}"
    if reference is not None:
        before, after = (one.total.policy for one in (reference, result))
        clocks = reference.clock_hz, result.clock_hz
        sentence += f"; against {reference.arch} under {reference.policy} it takes {_compared(before, after, clocks)}"
    return f"{sentence}."


def of_explanation(explanation: Explanation) -> str:
    """Say what zero outputs could save, what they do save, and what most of the loss is due to."""
    run = explanation.run
    possible = [
        next((step.share for step in steps if step.cause == "zero outputs"), 0.0)
        for steps in (explanation.cycles, explanation.energy)
    ]
    lost = {"cycles": _lost(explanation.cycles), "energy": _lost(explanation.energy)}
    causes = {what: _due(by_cause) for what, by_cause in lost.items() if any(by_cause.values())}
    if len(causes) == 2 and len(set(causes.values())) == 1:
        causes = {"both": causes["cycles"]}
    cause = "; ".join(f"the loss of {what} is {due}" for what, due in causes.items()) or "nothing is lost"
    masks = f" ({SYNTHETIC} masks)" if run.quality_note == SYNTHETIC_NOTE else ""
    return (
        f"Zero outputs could save {percent(possible[0])} of the cycles and {percent(possible[1])} of the energy of "
        f"{run.arch}; {run.policy}{masks} takes {_takes(run.total)}; {cause}."
    )


def of_comparison(a: Design, b: Design) -> str:
    """Say how much more or less time and energy B takes than A, and what the array does in most of that time.

    If they do not run as many MACs (other batches, other images), the figures are per MAC, and the sentence says so.
    """
    total_a, total_b = (reduce(add, side.layers.values()) for side in (a, b))
    macs_a, macs_b = (outcome.counts.macs_dense for outcome in (total_a, total_b))
    work = macs_a / macs_b if macs_b else 1.0
    per_mac = f"Per MAC (A runs {macs_a / 1e6:,.4g} M, B {macs_b / 1e6:,.4g} M), " if macs_a != macs_b else ""
    head = f"{per_mac}{'c' if per_mac else 'C'}ompared with A ({a.name}), B ({b.name})"
    sentence = f"{head} takes {_compared(total_a, total_b, (a.clock, b.clock), work)}"
    seconds_a, seconds_b = (_activities(total, side.clock) for total, side in ((total_a, a), (total_b, b)))
    extra = {name: seconds_b[name] * work - seconds for name, seconds in seconds_a.items()}
    difference, whole = math.fsum(extra.values()), math.fsum(seconds_a.values())
    if whole and abs(difference) >= ALIKE * whole:
        slower = difference > 0
        share = {name: max(seconds if slower else -seconds, 0.0) for name, seconds in extra.items()}
        adverb, activities = main_causes(share, dict(zip(share, share, strict=True)))
        sentence += f"; the {'extra time is' if slower else 'saved time was'} {adverb} spent {activities}"
    return f"{sentence}."


def of_fronts(a: str, b: str, volumes: tuple[float, float], attained: tuple[float, float]) -> str:
    """Say which of two explorations has the better front.

    Parameters
    ----------
    a, b
        Their names.
    volumes
        Hypervolume that A's and B's front dominate, to the same reference point.
    attained
        Share of B's front that A attains (it has a design at least as good in every goal), and of A's that B attains.
    """
    of_b, of_a = attained
    if of_b == of_a == 1.0:
        return f"A ({a}) and B ({b}) reach the same front."
    for one, other, all_of_other, all_of_one in (("A", "B", of_b, of_a), ("B", "A", of_a, of_b)):
        if all_of_other == 1.0:
            names = {"A": a, "B": b}
            more = "none" if not all_of_one else f"only {percent(all_of_one)}"
            return (
                f"The front of {one} ({names[one]}) attains all of that of {other} ({names[other]}), which attains "
                f"{more} of it; {_hypervolume(volumes)}."
            )
    return (
        f"Neither front attains the other: A ({a}) attains {percent(of_b)} of the designs on B's front, and B ({b}) "
        f"{percent(of_a)} of those on A's; {_hypervolume(volumes)}."
    )


def of_evaluations(rows: Sequence[Evaluated], reference: str) -> str:
    """Say what one row of an evaluation saves and loses, and which rows are better in both.

    Parameters
    ----------
    rows
        All rows.
    reference
        Name of the row that the sentence is about.
    """
    row = next(one for one in rows if one.name == reference)
    saved = row.macs_saved
    macs = f"saves {percent(saved)} of the MACs" if saved >= 0 else f"adds {percent(-saved)} to the MACs"
    name, worse = _quality(row)
    sentence = f"{row.name} {macs}, net of the predictors' own, and {worse} on {row.images:,} images"
    rivals = [one for one in rows if one is not row and not one.name.startswith("perfect")]
    if not rivals:
        return f"{sentence}."
    better = [one.name for one in rivals if one.macs_saved >= saved and _cost(one, name) < _cost(row, name)]
    if not better:
        return f"{sentence}; no other row saves as much and loses less."
    saves, loses = ("saves", "loses") if len(better) == 1 else ("save", "lose")
    return f"{sentence}; {listed(better)} {saves} at least as much and {loses} less."


def _quality(row: Evaluated) -> tuple[str, str]:
    """Return the name of the figure that tells most of the quality, and the loss in words."""
    figures = row.figures
    if "top1_lost" in figures:
        lost = figures["top1_lost"]
        verb, value, low, high = ("loses", lost.value, lost.low, lost.high)
        if value < 0:
            verb, value, low, high = "gains", -value, -high, -low
        interval = f"95 %: {100 * low:.2f} to {100 * high:.2f}"
        return "top1_lost", f"{verb} {100 * value:.2f} points of top-1 accuracy ({interval})"
    if "top1_agreement" in figures:
        return "top1_agreement", f"keeps {100 * figures['top1_agreement'].value:.2f} % of the top-1 classes"
    error = figures["relative_output_error"].value
    return "relative_output_error", f"changes the output by {100 * error:.2f} % of its norm"


def _cost(row: Evaluated, name: str) -> float:
    """Return a figure as what should be small; infinite if the row has none."""
    figure = row.figures.get(name)
    if figure is None:
        return math.inf
    return -figure.value if name == "top1_agreement" else figure.value


def _loss(result: RunResult) -> str:
    """Say how much the masks could save, and what most of the loss is due to."""
    total = result.total
    gates = result.policy.endswith("-gate")
    what, steps = ("energy", energy_losses(result)) if gates else ("cycles", cycle_losses(result))
    saved = total.energy_saving if gates else total.cycle_saving
    possible = saved - math.fsum(step.share for step in steps)
    if possible < ALIKE:
        return _bound(total.policy)
    could = f"the masks could save {percent(possible)} of the {what}"
    if possible - saved < _HARDLY_LOST * possible:
        return f"{could}, and hardly any of that is lost"
    return f"{could}; the loss is {_due(_lost(steps))}"


def _due(losses: Mapping[str, float]) -> str:
    """Say what a loss is due to."""
    adverb, causes = main_causes(losses)
    return f"{adverb} due to {causes}"


def _lost(steps: Sequence[Step]) -> dict[str, float]:
    """Return what each cause loses; what it gains is no loss."""
    return {step.cause: max(-step.share, 0.0) for step in steps}


def _bound(outcome: Outcome) -> str:
    """Say in what the array spends most of its cycles."""
    activities = _activities(outcome, 1.0)
    total = math.fsum(activities.values())
    if not total:
        return "the array has nothing to do"
    longest = max(activities, key=lambda name: activities[name])
    most = "most of the cycles" if 2 * activities[longest] > total else "the largest part of the cycles"
    return f"{most} ({percent(activities[longest] / total)}) {'is' if most[0] == 't' else 'are'} spent {longest}"


def _activities(outcome: Outcome, clock: float) -> dict[str, float]:
    """Return the seconds that the array takes for each activity."""
    parts = outcome.cycles.as_dict()
    return {name: sum(parts[part] for part in members) / clock for name, members in _ACTIVITIES.items()}


def _macs(total: Comparison) -> str:
    return change(1.0, 1.0 - total.mac_saving, "MACs")


def _takes(total: Comparison) -> str:
    """Say how cycles and energy change."""
    before, after = total.baseline, total.policy
    cycles = before.cycles.total, after.cycles.total
    return changes(cycles, (before.total_energy_pj, after.total_energy_pj), "cycles")


def _compared(before: Outcome, after: Outcome, clocks: tuple[float, float], work: float = 1.0) -> str:
    """Say how time and energy change; `work`: what the second outcome is multiplied with."""
    seconds = before.cycles.total / clocks[0], work * after.cycles.total / clocks[1]
    return changes(seconds, (before.total_energy_pj, work * after.total_energy_pj), "time")


def _hypervolume(volumes: tuple[float, float]) -> str:
    """Say whose front dominates the larger hypervolume."""
    a, b = volumes
    if math.isclose(a, b, rel_tol=1e-9):
        return "both dominate the same hypervolume"
    larger, smaller, letters = (a, b, "AB") if a > b else (b, a, "BA")
    if not smaller:
        return f"only {letters[0]}'s dominates any hypervolume"
    return f"{letters[0]}'s dominates {change(smaller, larger, 'hypervolume')} than {letters[1]}'s".replace(
        "as much hypervolume than", "as much hypervolume as"
    )


def _costs(result: RunResult) -> str:
    """Return time and energy with their units; unpriced energy is left out."""
    outcome = result.total.policy
    time = f"{outcome.cycles.total / result.clock_hz * 1e3:,.3g} ms"
    return f"{time} and {outcome.total_energy_pj / 1e9:,.3g} mJ" if outcome.total_energy_pj else time
