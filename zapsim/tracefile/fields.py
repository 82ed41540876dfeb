"""What the records of a trace's header have in common: they are frozen, take no unknown fields, and print in a line."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from zapsim.errors import shown


def one_line(text: str) -> str:
    """Refuse text that would break a table's line or control a terminal, since it is printed as it stands."""
    if not text.isprintable():
        raise ValueError(f"must be one printable line, got {shown(text)}")
    return text


Line = Annotated[str, AfterValidator(one_line)]


class Record(BaseModel):
    """A frozen record of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
