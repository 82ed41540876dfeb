"""Dense AlexNet beside SCALE-Sim 3.0.0: both in one process, one after the other, equal cycles asserted.

SCALE-Sim is installed for this process alone (``build/scalesim``), since it needs a NumPy before 2.4. It runs without
its address lists for prefetching, which take it minutes more and change no cycle without stalls. zapsim runs each layer
twice over: the array alone, whose cycles are SCALE-Sim's, and whole with buffers, DRAM and energy, of which SCALE-Sim
has a part. Blocks are chosen once per shape and array, before the rounds; each round repeats everything else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Expected, Row, Task, medians

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "scalesim"
SIDES = (128, 32)
GROUP = "times as fast as SCALE-Sim"


def rows(_expected: Expected, quick: bool) -> list[Row]:
    """Compare the convolutions of AlexNet on 128×128 and 32×32 arrays; quick: the last one on 128×128."""
    if not PLACE.exists() and not _install():
        print(f"no comparison with SCALE-Sim: pip cannot install it in {PLACE}", file=sys.stderr)
        return []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (PLACE, ROOT))), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "benchmarks.scalesim", *(["quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def _install() -> bool:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(PLACE)]
    return subprocess.run([*command, "scalesim==3.0.0", "numpy<2.4"], check=False).returncode == 0


def compare(quick: bool) -> list[Row]:
    """Run both, in the environment of :func:`rows`."""
    from tests.published.make_scalesim_table import ALEXNET

    measured = []
    for side in SIDES[: 1 if quick else None]:
        ratios: dict[str, list[float]] = {"the array alone": [], "with DRAM and energy": []}
        for layer in ALEXNET[4:5] if quick else ALEXNET[:5]:
            seconds, cycles = _scalesim(layer, side)
            taken = _zapsim(layer, side, cycles)
            for kind, milliseconds in taken.items():
                ratios[kind].append(1000 * seconds / milliseconds)
            both = " and ".join(f"{milliseconds:.3g} ms" for milliseconds in taken.values())
            beside = f"{cycles:,} cycles, SCALE-Sim {seconds:.2f} s, zapsim {both}"
            measured.append(Row(GROUP, f"{side}×{side} {layer.name}", ratios["the array alone"][-1], "times", beside))
        measured += [
            Row(GROUP, f"{side}×{side}, median, {kind}", median(values), "times", f"{len(values)} layers")
            for kind, values in ratios.items()
        ]
    return measured


def _scalesim(layer: Any, side: int) -> tuple[float, int]:
    """Return SCALE-Sim's processor seconds and its cycles."""
    from tests.published.make_scalesim_table import run

    start = time.process_time()
    row = run((layer, "ws", side, side))
    return time.process_time() - start, int(row[-3])  # type: ignore[call-overload]


def _zapsim(layer: Any, side: int, cycles: int) -> dict[str, float]:
    """Return zapsim's milliseconds, for the array alone and for everything."""
    from tests.reference.systolic_cases import arch_of
    from zapsim.arch.arrays import SystolicArray
    from zapsim.arch.load import load_arch
    from zapsim.arch.policy import PRESETS
    from zapsim.arrays.engine import Demand
    from zapsim.arrays.systolic.timing import SystolicEngine
    from zapsim.simulation import run_layer
    from zapsim.tracefile.packed import PackedMap
    from zapsim.tracefile.records import LayerTrace
    from zapsim.workload import ConvShape

    alone = arch_of(SystolicArray(dataflow="weight-stationary", rows=side, cols=side))
    whole = load_arch("tpu_128x128", [f"array.rows={side}", f"array.cols={side}"])
    engine = SystolicEngine()
    stride = (layer.stride, layer.stride)

    def shape() -> ConvShape:
        return ConvShape(layer.name, C=layer.C, H=layer.H, W=layer.W, K=layer.K, R=layer.R, S=layer.S, stride=stride)

    def trace() -> LayerTrace:
        of = shape()
        return LayerTrace(shape=of, ifmap_nonzero=PackedMap.full(1, of.H, of.W, of.C))

    def time_array(of: ConvShape) -> int:
        fresh = replace(alone) if hasattr(alone, "__dataclass_fields__") else alone.model_copy()
        return engine.time_stage(of, fresh, engine.map_stages(of, fresh)[0], Demand()).cycles.total

    def equal(found: int) -> None:
        assert found == cycles, f"{layer.name}: zapsim has {found} cycles, SCALE-Sim {cycles}"

    def dense(outcome: Any) -> None:
        assert outcome.counts.macs_executed == shape().macs
        assert outcome.cycles.total >= cycles or whole.array.blocking != "none"

    tasks = [
        Task("the array alone", time_array, equal, prepare=shape),
        Task("with DRAM and energy", lambda of: run_layer(whole, of, PRESETS["dense"]), dense, prepare=trace),
    ]
    return medians(tasks, rounds=31)


if __name__ == "__main__":
    print(json.dumps([vars(row) for row in compare("quick" in sys.argv[1:])]))
