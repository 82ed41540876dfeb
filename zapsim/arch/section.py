"""What sections of an architecture are made of: quantities with units, and a base class that refuses unknown keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from zapsim import units
from zapsim.arch.faults import AT_KEY
from zapsim.errors import UnitError
from zapsim.reading.text import one_line


def _quantity(parse: Callable[[object], float]) -> BeforeValidator:
    """Wrap a unit parser as a pydantic validator, which wants ValueError; the JSON Schema is that of the text."""

    def validate(value: object) -> float:
        try:
            return parse(value)
        except UnitError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(validate, json_schema_input_type=Annotated[str, WithJsonSchema(units.json_schema(parse))])


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"expected a share, more than 0 and at most 1, got {value:g}")
    return value


def _unfolded(value: object) -> object:
    """Join the lines of a text, which YAML may hold folded."""
    return " ".join(value.split()) if isinstance(value, str) else value


Size = Annotated[int, _quantity(units.parse_size), AfterValidator(_positive)]
Width = Annotated[int, _quantity(units.parse_width), AfterValidator(_positive)]
Words = Annotated[int, _quantity(units.parse_words), AfterValidator(_positive)]
Latency = Annotated[int, _quantity(units.parse_cycles)]
Time = Annotated[float, _quantity(units.parse_time)]
Whole = Annotated[int, _quantity(units.parse_size)]
Frequency = Annotated[float, _quantity(units.parse_frequency), AfterValidator(_positive)]
Bandwidth = Annotated[float, _quantity(units.parse_bandwidth), AfterValidator(_positive)]
Energy = Annotated[float, _quantity(units.parse_energy)]
Node = Annotated[float, _quantity(units.parse_node), AfterValidator(_positive)]
Voltage = Annotated[float, _quantity(units.parse_voltage), AfterValidator(_positive)]
Area = Annotated[float, _quantity(units.parse_area)]
Share = Annotated[float, Field(strict=True), AfterValidator(_share)]
Prose = Annotated[str, BeforeValidator(_unfolded), AfterValidator(one_line)]
Positive = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Depth = Annotated[int, Field(ge=0, le=1_000, strict=True)]
Overhead = Annotated[float, Field(ge=0, lt=1, strict=True)]


def blame(key: str, fault: str) -> PydanticCustomError:
    """Return the error by which a section's check blames its `key`."""
    return PydanticCustomError(AT_KEY, "{fault}", {"key": key, "fault": fault})


class Section(BaseModel):
    """A section of an architecture file: immutable, no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
