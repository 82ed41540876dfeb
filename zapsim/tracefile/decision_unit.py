"""What a predictor decides on: single outputs, or the outputs that an array can only leave out together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

from zapsim.workload import ConvShape


class DecisionUnit(BaseModel):
    """Outputs outside the pattern that are decided on together, because an array can leave them out together.

    How scores become those of units, :mod:`zapsim.frontend.pooling` says.

    Attributes
    ----------
    filters, pixels
        A unit is a tile of so many neighbouring filters of a group × so many neighbouring pixels: the pixels outside
        the pattern in raster order. With a quota: the filter lanes × pixel lanes that outputs are dealt to in turn.
    quota
        If set, outputs are decided on one by one, but all lanes are left with about as many, of the ``layer`` or of
        each ``block`` of `filters` filters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: int = Field(default=1, ge=1)
    pixels: int = Field(default=1, ge=1)
    quota: Literal["layer", "block"] | None = None

    @model_serializer
    def _without_defaults(self) -> dict[str, Any]:
        fields = type(self).model_fields
        return {name: getattr(self, name) for name, field in fields.items() if getattr(self, name) != field.default}

    def __str__(self) -> str:
        """Describe the unit in a table's cell."""
        if self.quota is not None:
            return f"quota per lane of {self.filters}×{self.pixels} and {self.quota}"
        parts = (f"{count} {kind}" for count, kind in ((self.filters, "filters"), (self.pixels, "pixels")) if count > 1)
        return " × ".join(parts) or "1 output"

    def decisions(self, shape: ConvShape, pattern_outputs: int) -> int:
        """Count what is decided on in a layer of which `pattern_outputs` are computed first, on all channels alike."""
        outside = shape.outputs - pattern_outputs
        if self.quota is not None:
            return outside
        # Tiles of pixels do not reach from one image to the next.
        tiles = -(-(outside // (shape.K * shape.N)) // self.pixels)
        return shape.N * tiles * shape.groups * -(-shape.K_per_group // self.filters)
