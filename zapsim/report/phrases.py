"""Phrases of which sentences about results are made: changes, shares, lists, main causes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

CAUSES: Final[dict[str, str]] = {
    "no predictor": "layers without a predictor",
    "pattern": "zeros in the pattern",
    "errors": "zeros that the predictor misses",
    "rigid array": "MACs that the array cannot skip",
    "imbalance": "waiting for the busiest PE",
    "buses": "waiting for the buses",
    "second loads": "loading the array",
    "predictor": "the predictor",
    "DRAM": "waiting for DRAM",
    "mac": "the MAC units",
    "spads": "the scratch pads",
    "noc": "the network on the array",
    "glb": "the global buffer",
    "dram": "DRAM accesses",
    "clock": "the clock network",
    "control": "the control of the PEs",
}
"""Causes of a loss of cycles, and components of energy, as a sentence names them."""

ALIKE = 0.0005
"""Figures that differ by less than this share are nearly the same: a table of tenths of percents shows none."""


def change(before: float, after: float, noun: str) -> str:
    """Say how an amount changes: ``35 % fewer MACs``, ``3.4 times as many cycles``, ``as much energy``.

    Parameters
    ----------
    before, after
        The amounts; not negative.
    noun
        What they are of: ``MACs``, ``cycles``, ``time`` or ``energy``.
    """
    countable = noun.endswith("s")
    many, fewer = ("many", "fewer") if countable else ("much", "less")
    if math.isclose(before, after, rel_tol=1e-9):
        return f"as {many} {noun}"
    if not before:
        return f"{noun} where it took none"
    ratio = after / before
    if not after:
        return f"no {noun}"
    if abs(ratio - 1) < ALIKE:
        return f"nearly as {many} {noun}"
    if ratio >= 2:
        return f"{ratio:.{1 if ratio < 9.95 else 0}f} times as {many} {noun}"
    return f"{percent(ratio - 1)} more {noun}" if ratio > 1 else f"{percent(1 - ratio)} {fewer} {noun}"


def changes(first: tuple[float, float], energy: tuple[float, float], noun: str) -> str:
    """Join two changes by "and", or by "but" if one is a gain and the other a loss; unpriced energy is left out."""
    text = change(*first, noun)
    if not any(energy):
        return text
    gains = [1 - after / before if before else 0.0 for before, after in (first, energy)]
    against = gains[0] * gains[1] < 0 and min(map(abs, gains)) >= ALIKE
    return f"{text} {'but' if against else 'and'} {change(*energy, 'energy')}"


def main_causes(losses: Mapping[str, float], words: Mapping[str, str] = CAUSES) -> tuple[str, str]:
    """Name the largest cause, or the two largest, and say how much of all that is lost they make.

    Parameters
    ----------
    losses
        What each cause loses; not negative, and not all nothing.
    words
        How a sentence names each cause.

    Returns
    -------
    tuple of str
        ``mostly`` if the causes make more than half of all losses, else ``above all``; and the causes: one if it
        makes more than half alone, else two.
    """
    half = math.fsum(losses.values()) / 2
    largest = [cause for cause in sorted(losses, key=lambda name: -losses[name]) if losses[cause]][:2]
    if losses[largest[0]] > half:
        del largest[1:]
    adverb = "mostly" if math.fsum(losses[cause] for cause in largest) > half else "above all"
    return adverb, listed([words[cause] for cause in largest])


def listed(names: Sequence[str]) -> str:
    """Join names by commas and "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """Write a share of 1 in percent: whole ones from 10 to 99 %, else tenths."""
    value = 100 * share
    if 99.95 <= value < 100:
        return "over 99.9 %"
    return f"{value:.0f} %" if 9.95 <= value < 99 or value >= 100 else f"{value:.1f} %"
