"""The predictor of an architecture: the unit that runs it, and what its arithmetic takes."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Self

from pydantic import model_validator

from zapsim.arch.section import Latency, Positive, Section, Words, blame


class PredictorUnit(Section):
    """The hardware that runs the predictors.

    Attributes
    ----------
    unit
        ``dedicated``: a unit of its own, working on finished outputs while the array goes on. ``array``: a depthwise
        layer on the PE array, between the stages. ``ideal``: free.
    layers
        The layers that are predicted, of those with a predictor: ``all``; ``paying``: those in which prediction is
        expected to save cycles (:func:`zapsim.timing.layer.prediction_pays`); or their names.
    arithmetic
        Of a dedicated unit: ``int16``; ``int8``: weights and inputs of 8 bits; ``power-of-two``: inputs of 8 bits, and
        weights that shift them (:data:`ARITHMETIC`).
    lanes, latency
        Of a dedicated unit: MACs per cycle, and cycles from its last input to the last mask bit.
    weights
        Words of weights that a dedicated unit keeps; None: all that a layer needs. If a layer has more, they are read
        from DRAM again whenever the array comes back to a filter.
    granularity
        ``layer``: all pattern outputs of a layer first, then the predictor, then the rest. ``tile``: the same for one
        block of filters (and strip of rows) after the other.
    """

    unit: Literal["dedicated", "array", "ideal"]
    layers: Literal["all", "paying"] | tuple[str, ...] = "all"
    arithmetic: Literal["int16", "int8", "power-of-two"] = "int16"
    lanes: Positive = 1
    latency: Latency = 0
    weights: Words | None = None
    granularity: Literal["layer", "tile"] = "layer"

    @model_validator(mode="after")
    def _lanes_given(self) -> Self:
        if self.unit == "dedicated" and "lanes" not in self.model_fields_set:
            raise blame("lanes", "missing, a dedicated unit needs it (MACs per cycle)")
        return self

    @model_validator(mode="after")
    def _unit_has_the_arithmetic(self) -> Self:
        if self.arithmetic != "int16" and self.unit == "array":
            fault = f"'{self.arithmetic}' needs unit: dedicated; a predictor on the array computes in the array's words"
            raise blame("arithmetic", fault)
        return self

    @property
    def weights_per_word(self) -> int:
        """Weights that share a 16-bit word."""
        return 1 if self.arithmetic == "int16" else 2


class Arithmetic(NamedTuple):
    """What a lane of the predictor takes, as shares of what a 16-bit lane takes."""

    energy: float
    area: float


ARITHMETIC: Final = {
    "int16": Arithmetic(energy=1.0, area=1.0),
    "int8": Arithmetic(energy=0.5, area=0.42),
    "power-of-two": Arithmetic(energy=0.45, area=0.32),
}
"""Energy per predictor MAC and area per predictor lane, relative to ``int16``.

Energy from M. Horowitz, "Computing's Energy Problem", ISSCC 2014, 45 nm: multiplying 8 bit takes 0.2 pJ, 16 bit a
quarter of the 3.1 pJ of 32 bit; adding 16 bit 0.05 pJ. So an int8 MAC takes 0.30 of the energy of an int16 MAC, and a
shift with an addition (counted as two additions) 0.12. Registers, three quarters of a lane's energy, halve with 8-bit
inputs, but for the sums. Area from synthesis of units of 9 lanes (docs/models/rtl.md): 45,578 NAND2 for int16, 19,123
for int8 and 14,394 for powers of two. All values are rounded up, in favour of ``int16``.
"""
