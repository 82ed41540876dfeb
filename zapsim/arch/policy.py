"""What the hardware does with zeros: an output policy, an input policy, and who knows the zero outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from zapsim.errors import PolicyError, did_you_mean

Outputs = Literal["dense", "gate", "skip", "early-exit"]
Inputs = Literal["dense", "gate", "skip"]
Knowledge = Literal["predictor", "perfect-predictor", "oracle"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One point of the policy space.

    Attributes
    ----------
    name
        The preset's name, or ``custom``.
    outputs
        ``dense``: all are computed. ``gate``: all spend their cycles; one that is known to be zero spends no switching
        energy from when the array has the outputs of the pattern. ``skip``: those known to be zero take no cycles, as
        far as the array's structure allows. ``early-exit``: each stops as soon as its partial sum can only stay
        negative (weights reordered, positive ones first).
    inputs
        ``dense``. ``gate``: a MAC with a zero ifmap value spends its cycle, but neither multiplies nor reads its
        filter word. ``skip``: it takes no cycle.
    knowledge
        Who says that an output is zero. ``predictor``: the trace's mask. ``perfect-predictor``: the true zeros
        outside the pattern, which is still computed. ``oracle``: all true zeros, with no pattern and no cost.
    """

    name: str
    outputs: Outputs = "dense"
    inputs: Inputs = "dense"
    knowledge: Knowledge = "predictor"

    def baseline(self) -> Policy:
        """Return the policy to compare with: dense outputs, and the same inputs unless its outputs are dense."""
        if self.outputs == "dense":
            return PRESETS["dense"]
        return Policy("dense" if self.inputs == "dense" else f"{self.inputs}-input", inputs=self.inputs)


PRESETS: dict[str, Policy] = {
    "dense": Policy("dense"),
    "gate-input": Policy("gate-input", inputs="gate"),
    "zap-gate": Policy("zap-gate", outputs="gate"),
    "zap": Policy("zap", outputs="skip"),
    "zap-perfect": Policy("zap-perfect", outputs="skip", knowledge="perfect-predictor"),
    "oracle": Policy("oracle", outputs="skip", knowledge="oracle"),
    "early-exit": Policy("early-exit", outputs="early-exit"),
    "skip-input": Policy("skip-input", inputs="skip"),
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
    return replace(chosen, inputs=inputs) if chosen.outputs in {"gate", "skip"} else chosen
