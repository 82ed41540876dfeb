"""Double one resource of random architectures, and list where a layer takes more cycles.

``python -m tests.metamorphic.doubling --tries 1000`` prints a table by array and resource. A design is a shipped
architecture with some of its values changed, a layer is random, and so are its masks and the policy.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from tests.builders import random_layer
from zapsim.arch.load import load_arch
from zapsim.arch.policy import PRESETS
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engines import ENGINES
from zapsim.errors import ZapsimError
from zapsim.timing.layer import time_layer
from zapsim.tracefile.records import LayerTrace
from zapsim.workload import ConvShape

BASES = (
    "eyeriss",
    "eyeriss_zap",
    "systolic_16x16",
    "systolic_zap",
    "lanes_256",
    "lanes_zap",
    "snapea",
    "cnvlutin_like",
)
DATAFLOWS = ("weight-stationary", "output-stationary", "input-stationary")
MEMORY = {
    "buffers.glb.size": (" KiB", (16, 32, 64, 108, 256)),
    "buffers.prefetch.ifmap": ("", (0, 1, 2)),
    "buffers.prefetch.filter": ("", (0, 1, 2)),
    "buffers.prefetch.ofmap": ("", (0, 1, 2)),
    "dram.bandwidth": (" MB/s", (200, 800, 3200)),
    "predictor.lanes": ("", (1, 9, 36)),
}
ARRAYS: dict[str, Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "row-stationary": {
        "array.rows": ("", (6, 8, 12)),
        "array.cols": ("", (4, 7, 14)),
        "array.spads.ifmap": (" words", (12, 24)),
        "array.spads.filter": (" words", (48, 224)),
        "array.spads.psum": (" words", (8, 24)),
        "array.buses.ifmap": ("", (1, 2)),
        "array.buses.filter": ("", (1, 4)),
        "array.buses.psum": ("", (1, 4)),
    },
    "systolic": {"array.rows": ("", (4, 8, 16)), "array.cols": ("", (4, 8, 16)), "array.count": ("", (1, 2))},
    "output-lanes": {
        "array.clusters": ("", (1, 2, 8)),
        "array.pes": ("", (2, 4, 8)),
        "array.lanes": ("", (2, 4, 16)),
        "array.macs_per_lane": ("", (1, 2)),
        "array.filter_buffer": (" words", (64, 256, 4096)),
        "array.ifmap_buffer": (" words", (64, 1024)),
        "array.buses.ifmap": ("", (4, 32)),
        "array.buses.filter": ("", (4, 128)),
        "array.buses.psum": ("", (4, 32)),
    },
}
"""Resources by kind of array: unit, and the values from which one is drawn."""


@dataclass(frozen=True)
class Design:
    """A shipped architecture and the values that are changed."""

    base: str
    kind: str
    dataflow: str
    numbers: tuple[tuple[str, int], ...]
    words: tuple[str, ...] = ()

    def doubled(self, path: str) -> Design:
        """Have twice as much of one resource (from 0: 1)."""
        numbers = tuple((name, max(2 * value, 1) if name == path else value) for name, value in self.numbers)
        return Design(self.base, self.kind, self.dataflow, numbers, self.words)

    def load(self) -> ArchSpec:
        """Read the architecture."""
        return _load(self)


@lru_cache(maxsize=64)
def _load(design: Design) -> ArchSpec:
    units = MEMORY | ARRAYS[design.kind]
    return load_arch(design.base, [*design.words, *(f"{path}={n}{units[path][0]}" for path, n in design.numbers)])


@dataclass(frozen=True)
class Slower:
    """A layer that takes longer with more of `resource`."""

    resource: str
    design: Design
    layer: LayerTrace
    policy: str
    cycles: tuple[int, int]

    @property
    def factor(self) -> float:
        """Cycles with twice the resource over those without."""
        return self.cycles[1] / self.cycles[0]


def random_design(rng: np.random.Generator, base: str) -> Design:
    """Draw a variation of a shipped architecture."""
    dataflow = str(load_base(base).array.dataflow)
    words = []
    if dataflow in DATAFLOWS:
        dataflow = str(rng.choice(DATAFLOWS))
        words = [f"array.dataflow={dataflow}", f"array.blocking={rng.choice(['none', 'searched'])}"]
        if dataflow == "output-stationary":
            words[1] = "array.blocking=none"
    kind = dataflow if dataflow in ARRAYS else "systolic"
    if base == "snapea":
        words.append(f"array.sync={rng.choice(['lane', 'pe', 'cluster', 'array'])}")
    if rng.random() < 0.3:
        words.append("predictor.granularity=tile")
    resources = {**MEMORY, **ARRAYS[kind]}
    if kind == "output-lanes" and rng.random() < 0.6:
        resources.pop("array.ifmap_buffer")
    if rng.random() < 0.3:
        words.append("predictor.unit=array")
    numbers = tuple((path, int(rng.choice(values))) for path, (_, values) in resources.items())
    return Design(base, kind, dataflow, numbers, tuple(words))


@cache
def load_base(base: str) -> ArchSpec:
    """Read a shipped architecture."""
    return load_arch(base)


def random_shape(rng: np.random.Generator, largest: int = 64) -> ConvShape:
    """Draw a layer."""
    taps, size = int(rng.choice([1, 3, 3, 5])), int(rng.integers(4, 29))
    channels, filters = (
        int(rng.choice([count for count in (1, 3, 8, 16, 40, 64, 128) if count <= largest])) for _ in "CK"
    )
    groups = 1 if rng.random() < 0.9 else int(np.gcd(channels, filters))
    stride = int(rng.choice([1, 1, 1, 2]))
    return ConvShape(
        "drawn", N=int(rng.choice([1, 1, 2])), C=channels, H=size, W=size, K=filters, R=taps, S=taps,
        stride=(stride, stride), padding=(taps // 2,) * 4, groups=groups,
    )  # fmt: skip


def policies_of(design: Design) -> list[str]:
    """List the policies that the array serves and that a random layer has the maps for."""
    names = ["dense", "zap", "zap", "oracle"]
    names += ["zap-gate"] if design.dataflow != "output-stationary" else []
    return names + (["skip-input"] if design.kind == "output-lanes" else [])


def tries(rng: np.random.Generator, largest: int = 64) -> Iterator[tuple[str, Design, LayerTrace, str, int, int]]:
    """Yield for ever: resource, design, layer, policy, cycles, and cycles with twice the resource."""
    while True:
        design = random_design(rng, str(rng.choice(BASES)))
        layer = random_layer(
            rng, random_shape(rng, largest), pattern=str(rng.choice(["1/2", "1/3", "2/3"])),
            density=float(rng.choice([0.1, 0.3, 0.6])), correlated=bool(rng.random() < 0.5),
        )  # fmt: skip
        policy = str(rng.choice(policies_of(design)))
        try:
            before = cycles(design, layer, policy)
        except ZapsimError:
            continue
        for path, _ in design.numbers:
            try:
                yield path, design, layer, policy, before, cycles(design.doubled(path), layer, policy)
            except ZapsimError:
                continue


def cycles(design: Design, layer: LayerTrace, policy: str) -> int:
    """Count the cycles of a layer."""
    arch = design.load()
    return time_layer(ENGINES[arch.array.dataflow], arch, layer, PRESETS[policy]).cycles.total


def main(arguments: list[str] | None = None) -> None:
    """Print how often each resource made a layer slower, and by how much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600.0, help="of CPU time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=64, help="most channels of a layer")
    parser.add_argument("--show", type=int, default=0, help="print the worst designs of each kind")
    chosen = parser.parse_args(arguments)
    tried: dict[Any, int] = defaultdict(int)
    slower: dict[Any, list[Slower]] = defaultdict(list)
    end = time.process_time() + chosen.seconds
    for path, design, layer, policy, before, after in tries(np.random.default_rng(chosen.seed), chosen.largest):
        key = design.dataflow, path
        tried[key] += 1
        if after > before:
            slower[key].append(Slower(path, design, layer, policy, (before, after)))
        if sum(tried.values()) >= chosen.tries or time.process_time() > end:
            break
    print(f"{sum(map(len, slower.values()))} of {sum(tried.values())} tries are slower")
    for key in sorted(slower, key=lambda key: -len(slower[key])):
        worst = sorted(slower[key], key=lambda case: -case.factor)
        above = sum(case.factor > 1.01 for case in worst)
        print(
            f"{key[0]:18} {key[1]:24} {len(worst):5} of {tried[key]:5}, "
            f"{above} by over 1 %, worst x {worst[0].factor:.3f}"
        )
        for case in worst[: chosen.show]:
            print("   ", f"{case.factor:.3f}", case.cycles, case.policy, case.design, case.layer.shape)


if __name__ == "__main__":
    main()
