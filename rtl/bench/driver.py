"""What every cocotb test does: a clock, a reset, pulses; jobs from files and results to files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

LONGEST = 2_000_000
"""Cycles after which a job is given up."""

RESET = 128
"""Cycles of the reset: the predictor unit clears its lines meanwhile."""


class Driver:
    """One design in its testbench, which has ``clk``, ``rst``, ``load``, ``dump``, ``start`` and ``done``."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

    async def reset(self) -> None:
        """Start the clock and hold the reset."""
        for name in ("load", "dump", "start"):
            getattr(self.dut, name).value = 0
        self.dut.rst.value = 1
        Clock(self.dut.clk, 2, unit="ns").start()
        await ClockCycles(self.dut.clk, RESET)
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def pulse(self, name: str) -> None:
        """Set a signal for one cycle, between falling edges of the clock."""
        await FallingEdge(self.dut.clk)
        getattr(self.dut, name).value = 1
        await FallingEdge(self.dut.clk)
        getattr(self.dut, name).value = 0

    async def run(self, settings: Mapping[str, int]) -> None:
        """Load the memories, set the layer, start, wait until it is done, and write the results."""
        for name, value in settings.items():
            getattr(self.dut, name).value = int(value)
        await self.pulse("load")
        await self.pulse("start")
        done = RisingEdge(self.dut.done)
        if int(self.dut.done.value) == 0:
            await done
        await FallingEdge(self.dut.clk)
        await FallingEdge(self.dut.clk)
        await self.pulse("dump")
        await FallingEdge(self.dut.clk)

    def number(self, name: str) -> int:
        """Return the value of an output."""
        return int(getattr(self.dut, name).value)


def jobs() -> list[Path]:
    """Return the folders of the jobs, each with ``job.json``; the simulator runs beside them."""
    return sorted(path.parent for path in Path().glob("job*/job.json"))


def read_job(folder: Path) -> dict[str, int]:
    """Return the settings of a job, after linking its memories into the simulator's folder."""
    for memory in folder.glob("*.hex"):
        link = Path(memory.name)
        link.unlink(missing_ok=True)
        link.symlink_to(memory.resolve())
    settings: dict[str, int] = json.loads((folder / "job.json").read_text())
    return settings


def write_result(folder: Path, numbers: Mapping[str, int], *memories: str) -> None:
    """Keep what came out of a job: numbers, and memories that the testbench has written."""
    (folder / "result.json").write_text(json.dumps(dict(numbers)))
    for name in memories:
        Path(name).replace(folder / name)
