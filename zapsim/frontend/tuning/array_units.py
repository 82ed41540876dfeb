"""The units of decision that suit an array: what its engine can leave out together."""

from __future__ import annotations

from typing import Final

from zapsim.arch.arrays import OutputLanesArray, SystolicArray
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.lanes.mapping import whole_array
from zapsim.errors import FrontendError, did_you_mean
from zapsim.tracefile.decision_unit import DecisionUnit

UNITS: Final = ("auto", "output", "filters", "pixels", "quota")
"""Names of units; ``auto`` offers single outputs and the array's own unit to every layer."""


def units_of(arch: ArchSpec, name: str = "auto") -> tuple[DecisionUnit | None, ...]:
    """Return the units that each layer may choose from on `arch`; None is a single output.

    Weight- and output-stationary arrays leave out a pixel for a tile of filters (``filters``), input-stationary ones a
    filter for a tile of pixels (``pixels``). Statically dealt lanes wait for the fullest of them (``quota``): of the
    layer if all go on by themselves, else of a block of filters. Row-stationary arrays and queues leave out single
    outputs. So do arrays that deal filters or pixels by the mask each time: what shares a tile is not known before.

    Raises
    ------
    FrontendError
        For an unknown name, or a unit that this array cannot leave out.
    """
    if name not in UNITS:
        raise FrontendError(f"unknown unit '{name}'{did_you_mean(name, UNITS)}; known: {', '.join(UNITS)}")
    own_name, own = _own_unit(arch)
    if name == "output" or (name == "auto" and own is None):
        return (None,)
    if name == "auto":
        return (None, own)
    if name != own_name:
        suited = ("auto", "output", *((own_name,) if own is not None else ()))
        raise FrontendError(
            f"unit '{name}' is nothing that {arch.name} ({arch.array.summary}) leaves out together; "
            f"choose {', '.join(suited[:-1])} or {suited[-1]}"
        )
    return (own,)


def _own_unit(arch: ArchSpec) -> tuple[str, DecisionUnit | None]:
    array = arch.array
    if isinstance(array, SystolicArray) and array.dealt_anew_by is None:
        if array.dataflow == "input-stationary":
            return "pixels", DecisionUnit(pixels=array.cols)
        return "filters", DecisionUnit(filters=array.cols)
    if isinstance(array, OutputLanesArray) and array.dispatch == "static":
        lanes = whole_array(array)
        alone = array.sync == "lane" and array.ifmap_buffer is None
        return "quota", DecisionUnit(filters=lanes.filters, pixels=lanes.pixels, quota="layer" if alone else "block")
    return "output", None
