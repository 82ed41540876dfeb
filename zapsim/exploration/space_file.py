"""The keys of a space file and their types; their meaning is checked by :mod:`zapsim.exploration.load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError

from zapsim.arch.faults import known_keys, translate
from zapsim.arch.section import Positive, Section
from zapsim.errors import ConfigError
from zapsim.reading.text import Line
from zapsim.reading.yaml_text import read_mapping

Strategy = Literal["grid", "random", "sobol", "search"]
STRATEGIES: tuple[Strategy, ...] = ("grid", "random", "sobol", "search")


def _listed(value: object) -> object:
    """Let a single value stand for a list of one."""
    return value if isinstance(value, list) or value is None else [value]


def _named(value: object) -> object:
    """Let ``strategy: grid`` stand for ``strategy: {name: grid}``."""
    return {"name": value} if isinstance(value, str) else value


_TextOrList = BeforeValidator(_listed, json_schema_input_type=str | list[str])

Texts: TypeAlias = Annotated[list[str], _TextOrList, Field(min_length=1)]
Anything: TypeAlias = Annotated[list[Any], BeforeValidator(_listed, json_schema_input_type=Any)]


class StrategySection(Section):
    """How designs are chosen: the strategy, its seed, and for `search` the designs per generation."""

    name: Strategy
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)] = 0
    population: Annotated[int, Field(ge=4, le=10_000, strict=True)] = 24


class Budget(Section):
    """When to stop: after so many designs (`points`), or so many minutes, whichever comes first."""

    points: Positive | None = None
    minutes: Annotated[float, Field(gt=0, le=10_000_000, strict=True, allow_inf_nan=False)] | None = None


class SpaceFile(Section):
    """The keys of a space file."""

    name: Line = ""
    arch: Texts
    trace: Texts
    point: Texts | None = None
    images: list[Annotated[int, Field(ge=0, strict=True)]] | None = Field(default=None, min_length=1)
    batch: Positive = 1
    policy: Texts = Field(default_factory=lambda: ["zap"])
    set: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any]
    constraints: Anything = Field(default_factory=list)
    objectives: Annotated[Anything, Field(min_length=1)]
    record: Annotated[list[str], _TextOrList] = Field(default_factory=list)
    strategy: Annotated[StrategySection, BeforeValidator(_named, json_schema_input_type=Strategy | StrategySection)] = (
        StrategySection(name="grid")
    )
    budget: Budget = Budget()


def read_space_file(path: Path) -> dict[str, Any]:
    """Read the file at `path`.

    Raises
    ------
    ConfigError
        If it cannot be read or does not hold a mapping.
    """
    return read_mapping(path)


def check_space(source: Mapping[str, Any], file: str) -> SpaceFile:
    """Check the keys and types of a space.

    Raises
    ------
    ConfigError
        With every fault, one line each, which begins with `file` and the path of the key.
    """
    try:
        return SpaceFile.model_validate(source)
    except ValidationError as error:
        faults = translate(error, SpaceFile, known_keys(SpaceFile))
        raise ConfigError(
            dict.fromkeys(
                f"{file}: {'.'.join(place)}: {fault}" if place else f"{file}: {fault}" for place, fault in faults
            )
        ) from None
