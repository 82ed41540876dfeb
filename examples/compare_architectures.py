"""What different arrays and policies make of the same masks.

    python examples/compare_architectures.py
    python examples/compare_architectures.py --trace traces/digits_cnn.safetensors --quick

Prints a Markdown table: one row per accelerator and policy, with the savings of the whole network side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import zapsim
from zapsim.errors import PolicyError

TRACES = Path(__file__).parents[1] / "traces"
ARCHITECTURES = (  # name of the file, changes to it
    ("eyeriss", ()),
    ("systolic_16x16", ()),
    ("systolic_16x16", ("array.dataflow=output-stationary",)),
    ("systolic_16x16", ("array.dataflow=input-stationary",)),
    ("tpu_128x128", ()),
    ("lanes_256", ()),
    ("eyeriss_zap", ()),
    ("systolic_zap", ()),
    ("lanes_zap", ()),
)
POLICIES = ("zap-gate", "zap", "zap-perfect", "oracle")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "vgg16_hed_chelsea_1_3.safetensors")
    parser.add_argument("--quick", action="store_true", help="one policy only")
    args = parser.parse_args()
    trace = zapsim.Trace(args.trace)
    print("| accelerator | policy | skippable | MACs saved | cycles saved | energy saved |")
    print("|---|---|---:|---:|---:|---:|")
    for name, changes in ARCHITECTURES:
        arch = zapsim.load_arch(name, changes)
        for policy in POLICIES[1:2] if args.quick else POLICIES:
            try:
                total = zapsim.simulate(arch, trace, policy, images=[0]).total
            except PolicyError as error:
                print(f"| {' '.join((name, *changes))} | {policy} | {error} | | | |")
                continue
            shares = (total.skippable_share, total.mac_saving, total.cycle_saving, total.energy_saving)
            print(
                f"| {' '.join((name, *changes))} | {policy} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"
            )


if __name__ == "__main__":
    main()
