"""Results of designs that were evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from zapsim.metrics import METRICS, Known, Value

Status: TypeAlias = Literal["ok", "infeasible", "invalid", "error"]
"""``infeasible``: breaks a constraint; ``invalid``: no such architecture, or a layer does not fit; ``error``: failed
twice."""


@dataclass(frozen=True, slots=True)
class EvaluatedDesign:
    """A design with its results: a row of the table.

    Attributes
    ----------
    number
        Number of the design in the space's lattice.
    status, reason
        How its evaluation ended, and why it is not ``ok``.
    values
        Everything else by column: choices, metrics, hashes.
    costs
        Value of each objective, to be minimised; empty unless the status is ``ok``.
    layers
        Metrics of each layer by column, if they are asked for.
    """

    number: int
    status: Status
    reason: str
    values: dict[str, Value]
    costs: tuple[float, ...] = ()
    layers: tuple[dict[str, Value], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class FailedDesign:
    """A design whose evaluation failed through no fault of the design: a bug, no memory."""

    number: int
    error: str


Evaluation: TypeAlias = EvaluatedDesign | FailedDesign


LAYER_METRICS: Final = tuple(metric.name for metric in METRICS.values() if metric.known == Known.FROM_RUN)
"""Metrics of a layer's row."""
