"""How fast designs are evaluated: the space of examples/eyeriss_vgg16.yaml, with one and two workers, and once more.

python benchmarks/explore_vgg16.py             all of its 10,080 designs
python benchmarks/explore_vgg16.py --points 1000 --workers 1 2

Each line has designs per second, processor time of all processes, and the peak of their memory together (proportional
set size: shared pages count once). The digest of the results must be that on file.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import Expected, Row  # noqa: E402 (the file is run as a script, too)
from benchmarks.start import ZAPSIM  # noqa: E402
from zapsim.exploration.store import DESIGNS, read_table  # noqa: E402

COLUMNS = ("design", "status", "cycles", "latency_ms", "energy_mj", "area_mm2")


@dataclass(frozen=True)
class Run:
    """What an exploration took: time, processor time of all processes, peak memory, and how many designs it has."""

    seconds: float
    processor: float
    memory: int
    designs: int

    @property
    def milliseconds(self) -> float:
        """Processor time of a design."""
        return 1000 * self.processor / self.designs


class Watch(threading.Thread):
    """Samples memory and processor time of a process and its children four times per second.

    The processor time of workers that nobody waits for is known by their last sample only.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.most = pid, 0
        self._seconds: dict[int, float] = {}

    @property
    def processor(self) -> float:
        """Processor seconds of all processes."""
        return sum(self._seconds.values())

    def run(self) -> None:
        """Sample until the process is gone."""
        while True:
            total = 0
            try:
                process = psutil.Process(self._pid)
                family = [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for one in family:
                try:
                    total += one.memory_full_info().pss
                    used = one.cpu_times()
                    self._seconds[one.pid] = used.user + used.system
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.most = max(self.most, total)
            time.sleep(0.25)


def space_file(folder: Path, order: str, points: int | None) -> Path:
    """Write the space with another order of its designs, and only so many of them."""
    space = yaml.safe_load((ROOT / "examples" / "eyeriss_vgg16.yaml").read_text(encoding="utf-8"))
    space["trace"] = str(ROOT / "traces" / "vgg16_hed_chelsea_1_3.safetensors")
    space["strategy"] = order
    if points:
        space["budget"] = {"points": points}
    file = folder / f"{order}.yaml"
    file.write_text(yaml.safe_dump(space, sort_keys=False), encoding="utf-8")
    return file


def explore(space: Path, out: Path, workers: int) -> Run:
    """Explore, and measure that."""
    start, before = time.perf_counter(), _children_seconds()
    command = [*ZAPSIM, "explore", str(space), "--out", str(out), "--workers", str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    watch = Watch(process.pid)
    watch.start()
    if process.wait():
        raise SystemExit("the exploration failed")
    seconds, processor = time.perf_counter() - start, max(_children_seconds() - before, watch.processor)
    return Run(seconds, processor, watch.most, len(results(out)))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def results(out: Path) -> list[list[object]]:
    """Return what the digest covers: number, status and objectives of every design, by number."""
    table = read_table(out, DESIGNS).select(COLUMNS).sort_by("design")
    return [list(row.values()) for row in table.to_pylist()]


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Explore in the grid's order and in random order; all designs with one and two workers if there is time."""
    whole = [("grid", None, 1), ("grid", None, 2), ("random", 800, 1)]
    runs = [("grid", 300, 1), ("random", 60, 1)] if quick else whole
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for order, points, workers in runs:
            out = Path(folder) / f"{order}{workers}"
            run = explore(space_file(Path(folder), order, points), out, workers)
            expected.check(f"eyeriss_vgg16, {order}, {points or 'all'}", results(out))
            speed, memory = run.designs / run.seconds, run.memory / 2**20
            beside = f"{speed:.1f} designs/s, {run.processor:.1f} s in all, {memory:.0f} MiB"
            label = f"{run.designs:,} designs, {order}, {workers} worker{'s' * (workers > 1)}"
            measured.append(Row("exploration of VGG-16, a design", label, run.milliseconds, "ms", beside))
    return measured


def main() -> None:
    """Print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, help="so many random designs only")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--overwrite", action="store_true", help="put the digests of the results on file")
    args = parser.parse_args()
    expected, order = Expected(args.overwrite), "random" if args.points else "grid"
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        file = space_file(Path(folder), order, args.points)
        for workers in args.workers:
            out = Path(folder) / f"out{workers}"
            for what in ("all designs", "once more, when all are done"):
                run = explore(file, out, workers)
                expected.check(f"eyeriss_vgg16, {order}, {args.points or 'all'}", results(out))
                print(
                    f"{workers} workers, {what}: {run.seconds:.1f} s, {run.designs / run.seconds:.1f} designs/s, "
                    f"{run.processor:.1f} processor seconds, at most {run.memory / 2**20:.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
