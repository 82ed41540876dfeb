"""Tiles in time: a schedule, and two engines that run it."""

from __future__ import annotations

from zapsim.errors import ZapsimError, did_you_mean
from zapsim.timing.timeline.fast import run_fast
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import TimelineEngine, Times


def run_events(schedule: Schedule) -> Times:
    """Run a schedule on the event engine, which is loaded for it: simpy takes time to import."""
    from zapsim.timing.timeline import event

    return event.run_events(schedule)


TIMELINES: dict[str, TimelineEngine] = {"fast": run_fast, "event": run_events}
"""``fast`` is a compiled recurrence; ``event`` is its readable reference, some hundred times slower."""


def timeline_engine(name: str) -> TimelineEngine:
    """Return an engine by name.

    Raises
    ------
    ZapsimError
        For an unknown name.
    """
    if name not in TIMELINES:
        hint = did_you_mean(name, TIMELINES)
        raise ZapsimError(f"unknown timeline engine '{name}'{hint}; expected one of: {', '.join(TIMELINES)}")
    return TIMELINES[name]
