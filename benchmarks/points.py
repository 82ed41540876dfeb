"""A network on each shipped architecture: VGG-16 on one picture, timeline and energy included.

*Remembered* runs maps that were read before, as an exploration does; *unread* runs maps of which nothing is remembered,
as a first run does. Mappings are found before: the mapping search has figures of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from benchmarks.measure import Expected, Row, Task, equal_to, medians
from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.policy import Policy, preset
from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Outcome
from zapsim.simulation import run_layer
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace

TRACE = Path(__file__).parents[1] / "traces" / "vgg16_hed_chelsea.safetensors"
MAPS = ("ifmap_nonzero", "ofmap_nonzero", "mask")


@cache
def layers() -> tuple[LayerTrace, ...]:
    """Read the bundled trace of VGG-16."""
    return tuple(Trace(TRACE).layers())


def unread() -> list[LayerTrace]:
    """Return the layers with maps of which nothing is remembered."""

    def copy(packed: PackedMap | None) -> PackedMap | None:
        return None if packed is None else PackedMap(packed.bits, packed.channels)

    return [
        LayerTrace(
            shape=layer.shape,
            setting=layer.setting,
            early_exit_macs=layer.early_exit_macs,
            **{kind: copy(getattr(layer, kind)) for kind in MAPS},
        )
        for layer in layers()
    ]


def run(spec: ArchSpec, policy: Policy, on: Sequence[LayerTrace]) -> list[Outcome]:
    """Run every layer."""
    return [run_layer(spec, layer, policy) for layer in on]


def check_conservation(outcomes: Sequence[Outcome]) -> None:
    """Check that every MAC of every layer is executed, gated or skipped, and the demand that of the masks."""
    for layer, outcome in zip(layers(), outcomes, strict=True):
        counts, shape = outcome.counts, layer.shape
        asked = shape.outputs if layer.mask is None else layer.mask.count()
        assert outcome.demanded_macs == asked * shape.macs_per_output
        assert counts.macs_dense == shape.macs


def numbers(outcomes: Sequence[Outcome]) -> Iterator[object]:
    """Yield what the digest of a run covers: cycles and counts of each layer."""
    for outcome in outcomes:
        yield outcome.cycles
        yield outcome.counts


def rows(expected: Expected, quick: bool) -> list[Row]:
    """Time all shipped architectures under `zap`: zero inputs as the file says, and as any others, too."""
    measured = []
    for name in known_archs():
        spec = load_arch(name)
        for inputs in dict.fromkeys((spec.inputs, "dense")):
            label = name if inputs == "dense" else f"{name}, inputs {inputs}"
            measured += _point(spec, label, preset("zap", inputs), expected, 5 if quick else 15)
    return measured


def _point(spec: ArchSpec, label: str, policy: Policy, expected: Expected, rounds: int) -> list[Row]:
    """Time one architecture and policy, from unread and from remembered maps."""
    found = run(spec, policy, unread())  # finds mappings, compiles kernels
    check_conservation(found)
    expected.check(f"VGG-16, zap, on {label}", numbers(found))
    run(spec, policy, layers())
    tasks = [
        Task("remembered", lambda _: run(spec, policy, layers()), equal_to(found)),
        Task("unread", lambda fresh: run(spec, policy, fresh), equal_to(found), prepare=unread),
    ]
    taken = medians(tasks, rounds)
    cycles = sum(outcome.cycles.total for outcome in found)
    return [
        Row("VGG-16 under zap, a network", f"{label}, {kind}", taken[kind], "ms", f"{cycles:,} cycles", rounds)
        for kind in taken
    ]
