"""What the records of a trace's header have in common: they are frozen, take no unknown fields, and print in a line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
