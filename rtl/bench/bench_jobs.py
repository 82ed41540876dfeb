"""The cocotb test of every testbench: run all jobs of the folder, one after another.

``RESULT_NUMBERS`` and ``RESULT_MEMORIES`` name what to keep. Whether it is right is for pytest to say, which
made the jobs.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb

from rtl.bench.driver import Driver, jobs, read_job, write_result


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def run_jobs(dut: Any) -> None:
    """Run every job; a job that never ends is stopped by the time limit."""
    driver = Driver(dut)
    await driver.reset()
    names = os.environ["RESULT_NUMBERS"].split()
    memories = os.environ["RESULT_MEMORIES"].split()
    for folder in jobs():
        await driver.run(read_job(folder))
        write_result(folder, {name: driver.number(name) for name in names}, *memories)
