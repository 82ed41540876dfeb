"""What choices for prediction are worth on VGG-16, which pattern wins on which machine, and what orders of filters do.

python examples/made_for_prediction.py            # three tables in Markdown, as in docs/results/made-for-prediction.md
python examples/made_for_prediction.py --quick    # one pattern and three machines
"""

from __future__ import annotations

import argparse
from pathlib import Path

import zapsim
from zapsim.energy.area import total_area

TRACES = Path(__file__).parents[1] / "traces"
PATTERNS = {
    "1/3": "vgg16_hed_chelsea_1_3.safetensors",
    "2/5": "vgg16_hed_chelsea_2_5.safetensors",
    "1/2": "vgg16_hed_chelsea.safetensors",
}

COMPACT = "array.psums=compact"
PAYING = "predictor.layers=paying"


def chip_mappings() -> tuple[str, ...]:
    """Pin the mappings of arch_configs/eyeriss_vgg16.yaml to the layers of the traces, which bear other names."""
    pinned = zapsim.load_arch("eyeriss_vgg16").array.mapping.pinned
    return tuple(
        f"array.mapping.pinned.{layer.lower().replace('-', '_')}.{key}={value}"
        for layer, mapping in pinned.items()
        for key, value in mapping.model_dump().items()
    )


STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("the chip's mappings, for both stages", "eyeriss", chip_mappings()),
    ("the best mapping, one for both stages", "eyeriss", ("array.mapping.stages=together",)),
    ("the best mapping of each stage", "eyeriss", ()),
    ("+ compact psums", "eyeriss", (COMPACT,)),
    ("+ layers that do not pay run dense", "eyeriss", (COMPACT, PAYING)),
    ("+ paired rows", "eyeriss", (COMPACT, PAYING, "array.balance=row-pairing")),
    ("`eyeriss_zap` on the chip's link", "eyeriss_zap", ("dram.preset=eyeriss-link",)),
    ("`eyeriss_zap`", "eyeriss_zap", ()),
)
"""Name, architecture and changes of each step from the chip to an array made for prediction."""

MACHINES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("eyeriss", ()),
    ("eyeriss", (COMPACT, PAYING)),
    ("eyeriss_zap", ()),
    ("systolic_16x16", ("array.dataflow=input-stationary",)),
    ("systolic_zap", ()),
    ("lanes_256", ()),
    ("lanes_zap", ()),
)


BY_FILTERS = "array.channel_order=by-density"
ORDERED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("eyeriss", (COMPACT,), "array.balance=filter-deal"),
    ("eyeriss", (COMPACT, PAYING), "array.balance=filter-deal"),
    ("eyeriss", (COMPACT, PAYING, "array.balance=row-pairing"), ""),
    ("eyeriss_zap", (), ""),
    ("systolic_16x16", (), BY_FILTERS),
    ("systolic_16x16", ("array.dataflow=output-stationary",), BY_FILTERS),
    ("systolic_16x16", ("array.dataflow=input-stationary",), ""),
    ("systolic_zap", (), ""),
    ("lanes_256", (), ""),
    ("lanes_zap", (), ""),
)
"""Machines whose filters are put in order, and the setting that orders them by the run's own masks, if there is one."""


def saved(arch: str, changes: tuple[str, ...], pattern: str, point: str | None = None) -> tuple[float, float, float]:
    """Return latency in ms, and the shares of cycles and of energy that are saved."""
    total = zapsim.simulate(arch, TRACES / PATTERNS[pattern], policy="zap", overrides=list(changes), point=point).total
    milliseconds = total.policy.cycles.total / zapsim.load_arch(arch, list(changes)).clock * 1e3
    return milliseconds, total.cycle_saving, total.energy_saving


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What each choice for prediction is worth on VGG-16.")
    parser.add_argument("--quick", action="store_true", help="one pattern and three machines")
    quick = parser.parse_args().quick
    patterns = ["1/3"] if quick else list(PATTERNS)
    columns = [f"{pattern}: {what}" for pattern in patterns for what in ("ms", "cycles saved", "energy saved")]
    print("| Eyeriss, step by step | mm² |", " | ".join(columns), "|")
    print("|---|---:|" + "---:|" * len(columns))
    for name, arch, changes in STEPS[-2:] if quick else STEPS:
        area = total_area(zapsim.load_arch(arch, list(changes)))
        print(f"| {name} | {area:.1f} |", " | ".join(cells(arch, changes, patterns)), "|")
    print("\n| machine |", " | ".join(columns), "|")
    print("|---|" + "---:|" * len(columns))
    for arch, changes in MACHINES[-1:] if quick else MACHINES:
        print("|", ", ".join((arch, *changes)), "|", " | ".join(cells(arch, changes, patterns)), "|")
    print("\n| 1/3, filters in order: cycles / energy saved | the network's own | density | deal | bound |")
    print("|---|" + "---:|" * 4)
    for arch, changes, bound in ORDERED[-1:] if quick else ORDERED:
        print("|", ", ".join((arch, *changes)), "|", " | ".join(order_cells(arch, changes, bound)), "|")


def order_cells(arch: str, changes: tuple[str, ...], bound: str) -> list[str]:
    """Return the cells of a row of orders: the network's own, two learnt on calibration pictures, and the bound."""
    savings = [saved(arch, changes, "1/3", point)[1:] for point in ("t0", "t0-density", "t0-deal")]
    texts = [f"{cycles:+.1%} / {energy:+.1%}" for cycles, energy in savings]
    if not bound:
        return [*texts, "–"]
    _, cycles, energy = saved(arch, (*changes, bound), "1/3", "t0")
    return [*texts, f"{cycles:+.1%} / {energy:+.1%}"]


def cells(arch: str, changes: tuple[str, ...], patterns: list[str]) -> list[str]:
    """Return the cells of a row."""
    row = []
    for pattern in patterns:
        milliseconds, cycles, energy = saved(arch, changes, pattern)
        row += [f"{milliseconds:.0f}", f"{cycles:+.1%}", f"{energy:+.1%}"]
    return row


if __name__ == "__main__":
    main()
