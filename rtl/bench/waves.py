"""What single bits do in a simulation, cycle by cycle, read from its waveforms (VCD)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def bits_by_cycle(path: Path, clock: str, busy: str, signals: Sequence[str]) -> NDArray[np.bool_]:
    """Return what bits of a testbench are in each cycle in which it is busy: bool (signals, cycles).

    Parameters
    ----------
    path
        The waveforms.
    clock, busy, signals
        Names in the testbench's own scope. A cycle ends with a rising edge of the clock.

    Raises
    ------
    ValueError
        If a name is not there.
    """
    names = [clock, busy, *signals]
    values: dict[str, str] = {}
    columns: list[list[bool]] = []
    with path.open() as file:
        codes = _codes(file, names)
        order = [codes[name] for name in names]
        wanted = set(order)
        for line in file:
            value, code = line[0], line[1:].rstrip()
            if value not in "01" or code not in wanted:
                continue
            rises = code == order[0] and value == "1" and values.get(code) == "0"
            if rises and values.get(order[1]) == "1":
                columns.append([values.get(of) == "1" for of in order[2:]])
            values[code] = value
    return np.array(columns, dtype=bool).reshape(-1, len(signals)).T


def _codes(file: object, names: Sequence[str]) -> dict[str, str]:
    """Read the declarations; return the short code of each name in the outermost scope but one that has it."""
    codes: dict[str, tuple[int, str]] = {}
    depth = 0
    for line in file:  # type: ignore[attr-defined]
        words = line.split()
        if words[:1] == ["$scope"]:
            depth += 1
        elif words[:1] == ["$upscope"]:
            depth -= 1
        elif words[:1] == ["$var"] and words[2] == "1":
            name, code = words[4], words[3]
            if name in names and (name not in codes or depth < codes[name][0]):
                codes[name] = depth, code
        elif words[:1] == ["$enddefinitions"]:
            break
    missing = [name for name in names if name not in codes]
    if missing:
        raise ValueError(f"no signal of one bit is called {', '.join(missing)}")
    return {name: code for name, (_, code) in codes.items()}
