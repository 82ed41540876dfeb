"""Scale energies from one process and word width to another: rough, only on request, and labelled in results.

``linear``: switched capacitance goes with the node, energy with capacitance and voltage squared. ``stillmaker-baas``:
the energy factors a2 V² + a1 V + a0 of A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of
CMOS device performance from 180 nm to 7 nm", Integration 58, 2017, Table 5, doi:10.1016/j.vlsi.2017.02.002; high
performance devices from 32 nm on, low power at 45 nm. DRAM is another chip and is not scaled with the node.

Words of another width: MACs go with the square of their bits (M. Horowitz, ISSCC 2014: multiplying 8 bit takes 0.2 pJ,
32 bit 3.1 pJ), mask bits stay bits, all else goes with the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import model_validator

from zapsim.arch.section import Node, Section, Voltage, Width, blame
from zapsim.counts import ACTIONS

FACTORS: Final[dict[float, tuple[float, float, float]]] = {
    130: (7.171, -6.709, 2.904),
    90: (4.762, -4.781, 2.092),
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.8367, -0.4341, 0.1701),
    20: (0.373, -0.1582, 0.04104),
    16: (0.2958, -0.1241, 0.03024),
    14: (0.2363, -0.09675, 0.02239),
    10: (0.2068, -0.09311, 0.02375),
    7: (0.1776, -0.09097, 0.02447),
}
"""a2, a1, a0 of each node in nm."""

_POWER_OF_BITS: Final = {"MAC": 2, "bit": 0}
"""The power of a word's bits that the energy of an action goes with, by the action's unit; 1 for all others."""


class Scale(Section):
    """Another process, or another width of words, than those that a table of energies is for.

    Attributes
    ----------
    method
        ``linear`` or ``stillmaker-baas``.
    from_node, from_voltage, to_node, to_voltage
        Process of the table, and the one that it is scaled to.
    from_word
        Width of the words that the table is for (it is scaled to the architecture's); None: they are the same.
    """

    method: Literal["linear", "stillmaker-baas"]
    from_node: Node
    from_voltage: Voltage
    to_node: Node
    to_voltage: Voltage
    from_word: Width | None = None

    @model_validator(mode="after")
    def _covered(self) -> Self:
        if self.method == "linear":
            return self
        for end, node, voltage in (("from", self.from_node, self.from_voltage), ("to", self.to_node, self.to_voltage)):
            if node not in FACTORS:
                known = ", ".join(f"{known_node:g}" for known_node in FACTORS)
                raise blame(f"{end}_node", f"stillmaker-baas has no {node:g} nm; it has {known} nm (or use linear)")
            a2, a1, _ = FACTORS[node]
            if voltage <= -a1 / (2 * a2):  # the fitted parabola would rise again
                raise blame(f"{end}_voltage", f"stillmaker-baas does not cover {voltage:g} V at {node:g} nm")
        return self

    def note(self, word: int) -> str:
        """Say what is scaled; `word` is the architecture's width."""
        process = f"{self.from_node:g} nm, {self.from_voltage:g} V to {self.to_node:g} nm, {self.to_voltage:g} V"
        bits = "" if self.from_word is None else f" and from {self.from_word} to {word} bit"
        return f"energies scaled from {process}{bits} ({self.method})"


def scaled(actions: Mapping[str, float], scale: Scale, word: int) -> dict[str, float]:
    """Scale pJ by action to another process and to words of `word` bits."""
    process = _factor(scale, scale.to_node, scale.to_voltage) / _factor(scale, scale.from_node, scale.from_voltage)
    bits = 1.0 if scale.from_word is None else word / scale.from_word
    return {
        action: price
        * bits ** _POWER_OF_BITS.get(ACTIONS[action].unit, 1)
        * (1.0 if ACTIONS[action].component == "dram" else process)
        for action, price in actions.items()
    }


def _factor(scale: Scale, node: float, voltage: float) -> float:
    """Return the factor that energies of a process are proportional to."""
    if scale.method == "linear":
        return node * voltage**2
    a2, a1, a0 = FACTORS[node]
    return a2 * voltage**2 + a1 * voltage + a0
