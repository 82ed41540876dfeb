"""How fast designs are evaluated: the space of examples/eyeriss_vgg16.yaml, with one and two workers, and once more.

python benchmarks/explore_vgg16.py             all of its 10,080 designs
python benchmarks/explore_vgg16.py --points 1000 --workers 1 2

Prints for each: seconds, processor seconds of all processes, and the peak of their memory together (proportional set
size: shared pages count once).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "import sys; from zapsim.cli import main; sys.exit(main(sys.argv[1:]))", "explore"]


class Watch(threading.Thread):
    """Samples memory and processor time of a process and its children four times per second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.most = pid, 0
        self._seconds: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """Processor seconds of all processes, as last seen of each."""
        return sum(self._seconds.values())

    def run(self) -> None:
        """Sample until the process is gone."""
        while True:
            try:
                process = psutil.Process(self._pid)
                family = [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            total = 0
            for one in family:
                try:
                    used = one.cpu_times()
                    self._seconds[one.pid] = used.user + used.system
                    total += one.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.most = max(self.most, total)
            time.sleep(0.25)


def explore(space: Path, out: Path, workers: int) -> tuple[float, float, int]:
    """Return seconds, processor seconds, and the peak memory in bytes of one exploration."""
    start = time.perf_counter()
    process = subprocess.Popen([*COMMAND, str(space), "--out", str(out), "--workers", str(workers)], cwd=ROOT)
    watch = Watch(process.pid)
    watch.start()
    if process.wait():
        raise SystemExit("the exploration failed")
    return time.perf_counter() - start, watch.seconds, watch.most


def main() -> None:
    """Print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, help="so many random designs only")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    space = yaml.safe_load((ROOT / "examples" / "eyeriss_vgg16.yaml").read_text(encoding="utf-8"))
    space["trace"] = str(ROOT / "traces" / "vgg16_hed_chelsea_1_3.safetensors")
    if args.points:
        space |= {"strategy": "random", "budget": {"points": args.points}}
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "space.yaml"
        file.write_text(yaml.safe_dump(space, sort_keys=False), encoding="utf-8")
        for workers in args.workers:
            out = Path(folder) / f"out{workers}"
            for what in ("all designs", "once more, when all are done"):
                seconds, processor, most = explore(file, out, workers)
                print(
                    f"{workers} workers, {what}: {seconds:.1f} s, {processor:.1f} processor seconds, "
                    f"at most {most / 2**20:.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
