"""What one layer's predictor does in hardware, whatever the method: kernels over the outputs, additions, compares.

A trace says it for every layer, so that the simulator charges each method what it costs without knowing the method.
With P outputs in the pattern and U outside of it (over all channels):

- A kernel that is needed at ``all`` outputs sees only the pattern's outputs, the others being zero: side² · P terms.
- A kernel that is needed ``outside`` the pattern takes all its taps there: side² · U terms, zero or not.
- A term of a kernel with weights is a MAC; of one without, which only sums, an addition (side² - 1 an output).
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Kernel(_Record):
    """One depthwise kernel of a predictor.

    Attributes
    ----------
    side
        Rows and columns, odd.
    outputs
        Where its result is needed: at ``all`` outputs, or ``outside`` the pattern.
    weights
        Whether it multiplies; without weights it only sums.
    """

    side: Literal[1, 3, 5, 7]
    outputs: Literal["all", "outside"]
    weights: bool = True

    @property
    def weights_per_channel(self) -> int:
        """Weights and a bias."""
        return self.side**2 + 1 if self.weights else 0

    def terms(self, pattern_outputs: int, outside: int) -> int:
        """Count its MACs or additions for a layer with so many outputs inside and outside the pattern."""
        taps = self.side**2 if self.weights else self.side**2 - 1
        return taps * (pattern_outputs if self.outputs == "all" else outside)


class PredictorWork(_Record):
    """What a predictor does for one layer.

    Attributes
    ----------
    kernels
        In the order in which they run.
    sums_pattern
        Whether the pattern's outputs are summed over the image (an addition for each), as for their mean.
    compares
        Whether each output outside the pattern is compared with a threshold.
    """

    kernels: tuple[Kernel, ...]
    sums_pattern: bool = False
    compares: bool = True

    @property
    def weights_per_channel(self) -> int:
        """Weights and biases of all kernels, after folding normalisations."""
        return sum(kernel.weights_per_channel for kernel in self.kernels)

    def macs(self, pattern_outputs: int, outside: int) -> int:
        """Count the MACs for a layer with so many outputs inside and outside the pattern."""
        return sum(kernel.terms(pattern_outputs, outside) for kernel in self.kernels if kernel.weights)

    def additions(self, pattern_outputs: int, outside: int) -> int:
        """Count the additions that belong to no MAC."""
        sums = sum(kernel.terms(pattern_outputs, outside) for kernel in self.kernels if not kernel.weights)
        return sums + (pattern_outputs if self.sums_pattern else 0)

    @property
    def text(self) -> str:
        """The work in a few words: terms per output inside and outside the pattern, weights, compares."""
        macs, additions = (
            [f"{count(1, 0)} {name} per output of the pattern", f"{count(0, 1)} per other output"]
            for name, count in (("MACs", self.macs), ("additions", self.additions))
        )
        parts = [*(macs if self.macs(1, 1) else []), *(additions if self.additions(1, 1) else [])]
        parts += [f"{self.weights_per_channel} weights per channel"] if self.weights_per_channel else []
        parts += ["a compare per other output"] if self.compares else []
        return ", ".join((*parts, "a mask bit per other output"))


ZAP_WORK: Final = PredictorWork(kernels=(Kernel(side=3, outputs="all"), Kernel(side=3, outputs="outside")))
"""ZAP: two 3×3 kernels, 9 MACs an output whatever the pattern, 20 weights a channel."""

GIVEN_WORK: Final = PredictorWork(kernels=(), compares=False)
"""Masks that were made elsewhere: only their bits are kept and read."""
