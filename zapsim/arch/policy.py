"""What the hardware does with zeros: an output policy, an input policy, and who knows the zero outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from zapsim.errors import PolicyError, did_you_mean

Outputs = Literal["dense", "gate", "skip"]
Inputs = Literal["dense", "gate"]
Knowledge = Literal["predictor", "perfect-predictor", "oracle"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One point of the policy space.

    Attributes
    ----------
    name
        The preset's name, or ``custom``.
    outputs
        ``dense``: all are computed. ``gate``: those known to be zero spend their cycles but no switching energy.
        ``skip``: they take no cycles, as far as the array's structure allows.
    inputs
        ``dense``, or ``gate``: a MAC with a zero ifmap value spends its cycle, but neither multiplies nor reads its
        filter word.
    knowledge
        Who says that an output is zero. ``predictor``: the trace's mask. ``perfect-predictor``: the true zeros
        outside the pattern, which is still computed. ``oracle``: all true zeros, with no pattern and no cost.
    """

    name: str
    outputs: Outputs = "dense"
    inputs: Inputs = "dense"
    knowledge: Knowledge = "predictor"

    def baseline(self) -> Policy:
        """Return what this policy is compared with: the same inputs with dense outputs (else all dense)."""
        if self.outputs == "dense":
            return PRESETS["dense"]
        return Policy("gate-input" if self.inputs == "gate" else "dense", inputs=self.inputs)


PRESETS: dict[str, Policy] = {
    "dense": Policy("dense"),
    "gate-input": Policy("gate-input", inputs="gate"),
    "zap-gate": Policy("zap-gate", outputs="gate"),
    "zap": Policy("zap", outputs="skip"),
    "zap-perfect": Policy("zap-perfect", outputs="skip", knowledge="perfect-predictor"),
    "oracle": Policy("oracle", outputs="skip", knowledge="oracle"),
}


def preset(name: str, inputs: Inputs) -> Policy:
    """Return the preset `name`; those that leave inputs "as set" take `inputs` (the architecture's).

    Raises
    ------
    PolicyError
        For an unknown name.
    """
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise PolicyError(f"unknown policy '{name}'{did_you_mean(name, PRESETS)}; known: {known}")
    chosen = PRESETS[name]
    return chosen if chosen.outputs == "dense" else replace(chosen, inputs=inputs)
