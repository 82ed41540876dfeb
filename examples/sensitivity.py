"""How far "ZAP saves X" moves when each uncertain parameter moves by 30 %, one at a time.

    python examples/sensitivity.py
    python examples/sensitivity.py --out docs/results
    python examples/sensitivity.py --trace traces/digits_cnn.safetensors --quick

Prints Markdown; with --out, writes sensitivity.md, sensitivity.csv and a tornado plot, sensitivity.svg, to a folder.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

import zapsim
from zapsim.arch.arrays import OutputLanesArray, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.energy.model import COMPONENT_OF, COMPONENTS
from zapsim.files import write_atomically
from zapsim.report.plot import check_plot, save_figure

TRACES = Path(__file__).parents[1] / "traces"
STEP = 0.3
CASES = (  # name of the file, changes to it
    ("eyeriss", ()),
    ("systolic_16x16", ("array.dataflow=input-stationary",)),
    ("lanes_256", ()),
)
SAVINGS = ("cycles", "energy")


@dataclass(frozen=True)
class Parameter:
    """A parameter, and the overrides that move it down and up; an impossible move is empty."""

    name: str
    down: tuple[str, ...]
    up: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """Cycles and energy saved, as shares, with one parameter moved down and up."""

    name: str
    down: tuple[float, float]
    up: tuple[float, float]

    def reach(self, plain: tuple[float, float], which: int) -> float:
        """Return the larger distance of the two moves from the saving without any move."""
        return max(abs(move[which] - plain[which]) for move in (self.down, self.up))


@dataclass(frozen=True)
class Case:
    """One accelerator: its savings as it stands, and with each parameter moved."""

    title: str
    plain: tuple[float, float]
    effects: tuple[Effect, ...]


def parameters(arch: ArchSpec) -> Iterator[Parameter]:
    """Yield the uncertain parameters of `arch`: energies by component, speeds, sizes, widths."""
    for component in COMPONENTS:
        prices = {action: pj for action, pj in arch.prices.items() if COMPONENT_OF[action] == component and pj}
        if prices:
            yield _moved(
                f"energy: {component}", {f"energy.actions.{action}": (pj, "pJ") for action, pj in prices.items()}
            )
    yield _moved("energy: gated MAC alone", {"energy.actions.macs_gated": (arch.prices["macs_gated"], "pJ")})
    yield _moved("clock", {"clock": (arch.clock, "Hz")})
    yield _moved("DRAM bandwidth", {"dram.bandwidth": (arch.dram.bandwidth, "B/s")})
    yield _whole("GLB", "buffers.glb.size", arch.buffers.glb.size, " B")
    yield _whole("predictor lanes", "predictor.lanes", arch.predictor.lanes)
    array = arch.array
    if isinstance(array, RowStationaryArray | OutputLanesArray):
        for bus in ("ifmap", "filter", "psum"):
            yield _whole(f"{bus} bus", f"array.buses.{bus}", getattr(array.buses, bus))
    if isinstance(array, RowStationaryArray):
        for spad in ("filter", "psum"):
            yield _whole(f"{spad} spad", f"array.spads.{spad}", getattr(array.spads, spad), " words")
    if isinstance(array, OutputLanesArray):
        yield _whole("filter buffer", "array.filter_buffer", array.filter_buffer, " words")


def _moved(name: str, values: dict[str, tuple[float, str]]) -> Parameter:
    down, up = (
        tuple(f"{key}={value * factor:.9g} {unit}" for key, (value, unit) in values.items())
        for factor in (1 - STEP, 1 + STEP)
    )
    return Parameter(name, down, up)


def _whole(name: str, key: str, value: int, unit: str = "") -> Parameter:
    """Return a parameter that is a whole number: at least 1, and moved by at least 1."""
    down, up = min(round(value * (1 - STEP)), value - 1), max(round(value * (1 + STEP)), value + 1)
    moves = tuple((f"{key}={moved}{unit}",) if moved >= 1 else () for moved in (down, up))
    sizes = [f"{size:,}" for size in (down, value, up) if size >= 1]
    return Parameter(f"{name} ({', '.join(sizes)}{unit})", *moves)


def savings(trace: zapsim.Trace, name: str, changes: tuple[str, ...]) -> tuple[float, float]:
    """Simulate, and return the shares of cycles and of energy that ZAP saves."""
    total = zapsim.simulate(name, trace, overrides=changes, images=[0]).total
    return total.cycle_saving, total.energy_saving


def study(trace: zapsim.Trace, name: str, changes: tuple[str, ...], limit: int | None) -> Case:
    """Move the parameters of one accelerator, at most `limit` of them."""
    plain = savings(trace, name, changes)
    effects = []
    uncertain = list(parameters(zapsim.load_arch(name, changes)))[:limit]
    console = Console(stderr=True)
    for parameter in track(uncertain, name, console=console, transient=True, disable=not sys.stderr.isatty()):
        down, up = (savings(trace, name, changes + moves) for moves in (parameter.down, parameter.up))
        effects.append(Effect(parameter.name, down, up))
    if name == "eyeriss":
        other = savings(trace, "eyeriss_45nm", changes)
        effects.append(Effect("energy: the table of eyeriss_45nm", other, other))
    effects.sort(key=lambda effect: -effect.reach(plain, 1))
    return Case(" ".join((name, *changes)), plain, tuple(effects))


# --- what is written ------------------------------------------------------------------------------------------------


def markdown(cases: list[Case], trace: zapsim.Trace, plot: bool) -> str:
    """Write the page."""
    parts = [
        '# How much "ZAP saves X" depends on uncertain parameters',
        f"{trace.header.network.name} on {trace.header.images[0].name}, policy `zap` against the array's own baseline. "
        f"Each parameter moves by {STEP:.0%} down and up, one at a time (whole numbers by at least 1, not below "
        "1); all others stay as in the file. Mappings are searched anew for each. Negative savings are costs.",
        "```sh\npython examples/sensitivity.py --out docs/results\n```",
        *(["![tornado plot](sensitivity.svg)"] if plot else []),
        *(section(case) for case in cases),
    ]
    return "\n\n".join(parts) + "\n"


def section(case: Case) -> str:
    """Write one accelerator's section: what follows from its table, and the table."""
    rows = [
        "| parameter | cycles saved, down | up | energy saved, down | up |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {effect.name} | "
            + " | ".join(percent(move[which]) for which in (0, 1) for move in (effect.down, effect.up))
            + " |"
            for effect in case.effects
        ),
    ]
    sentences = []
    for which, what in enumerate(SAVINGS):
        moved = [move[which] for effect in case.effects for move in (effect.down, effect.up)]
        flips = sorted(
            {e.name for e in case.effects if any((m[which] > 0) != (case.plain[which] > 0) for m in (e.down, e.up))}
        )
        sentences.append(
            f"ZAP saves {percent(case.plain[which])} of the {what}, and from {percent(min(moved))} to "
            f"{percent(max(moved))} with any one parameter moved; the sign changes with {'; '.join(flips) or 'none'}."
        )
    return "\n".join([f"## {case.title}", "", *sentences, "", *rows])


def percent(share: float) -> str:
    """Format a share for people."""
    return f"{share:.1%}".replace("-", "−").replace("%", " %")


def table(cases: list[Case]) -> str:
    """Write all savings as CSV, in shares."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = [f"{what}_{move}" for what in SAVINGS for move in ("plain", "down", "up")]
    writer.writerow(["accelerator", "parameter", *kinds])
    for case in cases:
        for effect in case.effects:
            cells = [(case.plain[which], effect.down[which], effect.up[which]) for which in range(len(SAVINGS))]
            writer.writerow([case.title, effect.name, *(f"{share:.6f}" for three in cells for share in three)])
    return text.getvalue()


def tornado(cases: list[Case], path: Path) -> None:
    """Draw one bar per parameter, from its saving when moved down to its saving when moved up."""
    check_plot(path)
    from matplotlib.figure import Figure

    heights = [len(case.effects) for case in cases]
    figure = Figure(figsize=(10.0, 1.5 * len(cases) + 0.2 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(cases), len(SAVINGS), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, case in zip(grid, cases, strict=True):
        for which, axes in enumerate(row):
            for place, effect in enumerate(reversed(case.effects)):
                plain = 100 * case.plain[which]
                for saved, colour in ((effect.down[which], "tab:orange"), (effect.up[which], "tab:blue")):
                    axes.barh(place, 100 * saved - plain, left=plain, color=colour, height=0.7, alpha=0.8)
            axes.axvline(100 * case.plain[which], color="black", linewidth=0.8)
            axes.set_yticks(range(len(case.effects)), [e.name for e in reversed(case.effects)], fontsize=7)
            axes.set_title(f"{case.title}: {SAVINGS[which]} saved, %", fontsize=8)
            axes.tick_params(axis="x", labelsize=7)
            if which:
                axes.set_yticklabels([])
    figure.supxlabel(f"orange: parameter {STEP:.0%} lower, blue: higher; line: as in the file", fontsize=8)
    save_figure(figure, path)


def main() -> None:
    """Run the study, and print or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "vgg16_hed_chelsea_1_3.safetensors")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write page, table and plot there")
    parser.add_argument("--quick", action="store_true", help="the first accelerator and three parameters only")
    args = parser.parse_args()
    trace = zapsim.Trace(args.trace)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        check_plot(args.out / "sensitivity.svg")
    accelerators, limit = (CASES[:1], 3) if args.quick else (CASES, None)
    cases = [study(trace, name, changes, limit) for name, changes in accelerators]
    if args.out is None:
        sys.stdout.write(markdown(cases, trace, plot=False))
        return
    write_atomically(args.out / "sensitivity.md", markdown(cases, trace, plot=True))
    write_atomically(args.out / "sensitivity.csv", table(cases))
    tornado(cases, args.out / "sensitivity.svg")


if __name__ == "__main__":
    main()
