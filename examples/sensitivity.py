"""How far "ZAP saves X" moves when uncertain parameters and design choices move, one by one and in pairs.

    python examples/sensitivity.py
    python examples/sensitivity.py --out docs/results
    python examples/sensitivity.py --trace traces/digits_cnn.safetensors --quick

Prints Markdown; with --out, writes sensitivity.md, sensitivity.csv, sensitivity-pairs.csv and a tornado plot,
sensitivity.svg, to a folder.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from made_for_prediction import chip_mappings
from rich.console import Console
from rich.progress import track

import zapsim
from zapsim.arch.arrays import OutputLanesArray, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Comparison, Outcome
from zapsim.energy.model import COMPONENT_OF, COMPONENTS
from zapsim.errors import MappingError, ZapsimError
from zapsim.files import write_atomically
from zapsim.report.plot import check_plot, save_figure

TRACES = Path(__file__).parents[1] / "traces"
STEP = 0.3
BEST, CHIP = "best mapping", "chip's mapping"
CASES = (  # name of the file, mapping, changes to the file
    ("eyeriss", BEST, ()),
    ("eyeriss", CHIP, chip_mappings()),
    ("systolic_16x16", BEST, ("array.dataflow=input-stationary",)),
    ("lanes_256", BEST, ()),
)
SAVINGS = ("cycles", "energy")
OTHER_PRICES = "all energies from eyeriss_45nm"
WATCHED = (  # parameters of the hardware that move together; the page shows these pairs even if no sign turns
    {"ifmap bus", "DRAM link"},
    {"ifmap bus", "psums"},
    {"GLB", "DRAM link"},
    {"predictor lanes", "clock"},
)

Savings = tuple[float, float]
"""Shares of the cycles and of the energy that ZAP saves."""


@dataclass(frozen=True)
class Move:
    """One parameter set to another value: by overrides, or as a factor on the energy of one component."""

    parameter: str
    to: str
    overrides: tuple[str, ...] = ()
    prices: tuple[str, float] | None = None

    def __str__(self) -> str:
        return f"{self.parameter} {self.to}"


@dataclass(frozen=True)
class Parameter:
    """A parameter and its moves down and up; a move that makes no sense is None."""

    title: str
    down: Move | None
    up: Move | None


@dataclass(frozen=True)
class Effect:
    """Savings with one parameter moved down and up; None where the move is not possible."""

    title: str
    down: Savings | None
    up: Savings | None

    def reach(self, plain: Savings, which: int) -> float:
        """Return the larger distance of the two moves from the saving without any move."""
        return max((abs(move[which] - plain[which]) for move in (self.down, self.up) if move), default=0.0)


@dataclass(frozen=True)
class Pair:
    """Savings with the first move alone, with the second alone, and with both."""

    moves: tuple[Move, Move]
    alone: tuple[Savings, Savings]
    both: Savings

    def turns(self, plain: Savings, which: int) -> bool:
        """Whether both moves change the sign of a saving."""
        return (self.both[which] > 0) != (plain[which] > 0)

    def turns_only_together(self, plain: Savings, which: int) -> bool:
        """Whether both moves change the sign of a saving and neither of them does so alone."""
        return self.turns(plain, which) and all((one[which] > 0) == (plain[which] > 0) for one in self.alone)

    @property
    def is_watched(self) -> bool:
        """Whether the page shows the pair in any case."""
        return {move.parameter for move in self.moves} in WATCHED


@dataclass(frozen=True)
class Case:
    """One accelerator: its savings as it stands, with each parameter moved, and with each two of them moved."""

    title: str
    plain: Savings
    singles: tuple[tuple[Move, Savings], ...]
    effects: tuple[Effect, ...]
    pairs: tuple[Pair, ...]


@dataclass
class Accelerator:
    """Simulates an accelerator with moves, each set of overrides once."""

    trace: zapsim.Trace
    name: str
    changes: tuple[str, ...]
    simulated: dict[tuple[str, ...], Comparison | None] = field(default_factory=dict)

    def savings(self, *moves: Move) -> Savings | None:
        """Return what ZAP saves; None if a pinned mapping does not fit."""
        overrides = tuple(override for move in moves for override in move.overrides)
        if overrides not in self.simulated:
            try:
                result = zapsim.simulate(self.name, self.trace, overrides=self.changes + overrides, images=[0])
                self.simulated[overrides] = result.total
            except MappingError:
                self.simulated[overrides] = None
        total = self.simulated[overrides]
        if total is None:
            return None
        # Mappings are searched for the least latency, so prices change nothing but the energy.
        factors = dict(move.prices for move in moves if move.prices)
        return total.cycle_saving, 1 - _energy(total.policy, factors) / _energy(total.baseline, factors)


def _energy(outcome: Outcome, factors: dict[str, float]) -> float:
    return sum(pj * factors.get(component, 1.0) for component, pj in outcome.energy_pj.items())


def parameters(arch: ArchSpec) -> Iterator[Parameter]:
    """Yield what may move: choices and sizes of the array, speeds, and energies by component."""
    array = arch.array
    if isinstance(array, RowStationaryArray):
        yield Parameter("psums (full, compact)", None, Move("psums", "compact", ("array.psums=compact",)))
    if isinstance(array, RowStationaryArray | OutputLanesArray):
        yield _whole("ifmap bus", "array.buses.ifmap", array.buses.ifmap, " words")
    yield _speed("DRAM link", "dram.bandwidth", arch.dram.bandwidth, "B/s")
    yield _whole("GLB", "buffers.glb.size", arch.buffers.glb.size, " B")
    yield _whole("predictor lanes", "predictor.lanes", arch.predictor.lanes)
    yield _speed("clock", "clock", arch.clock, "Hz")
    if isinstance(array, RowStationaryArray | OutputLanesArray):
        for bus in ("filter", "psum"):
            yield _whole(f"{bus} bus", f"array.buses.{bus}", getattr(array.buses, bus), " words")
    if isinstance(array, RowStationaryArray):
        for spad in ("filter", "psum"):
            yield _whole(f"{spad} spad", f"array.spads.{spad}", getattr(array.spads, spad), " words")
    if isinstance(array, OutputLanesArray):
        yield _whole("filter buffer", "array.filter_buffer", array.filter_buffer, " words")
    for component in COMPONENTS:
        if any(pj for action, pj in arch.prices.items() if COMPONENT_OF[action] == component):
            name = f"energy of {component}"
            down, up = (Move(name, _by(sign * STEP), prices=(component, 1 + sign * STEP)) for sign in (-1, 1))
            yield Parameter(name, down, up)


def _speed(name: str, key: str, value: float, unit: str) -> Parameter:
    down, up = (Move(name, _by(sign * STEP), (f"{key}={value * (1 + sign * STEP):.9g} {unit}",)) for sign in (-1, 1))
    return Parameter(f"{name} ({value / 1e6:,.0f} M{unit})", down, up)


def _by(step: float) -> str:
    return f"{step:+.0%}".replace("-", "−").replace("%", " %")


def _whole(name: str, key: str, value: int, unit: str = "") -> Parameter:
    """Return a parameter that is a whole number: at least 1, and moved by at least 1."""
    down, up = min(round(value * (1 - STEP)), value - 1), max(round(value * (1 + STEP)), value + 1)
    moves = [
        Move(name, f"{moved:,}{unit}", (f"{key}={moved}{'' if unit == ' words' and 'buses' in key else unit}",))
        if moved >= 1
        else None
        for moved in (down, up)
    ]
    sizes = [f"{size:,}" for size in (down, value, up) if size >= 1]
    return Parameter(f"{name} ({', '.join(sizes)}{unit})", *moves)


def is_paired(first: Move, second: Move) -> bool:
    """Decide whether two moves are studied together: an energy with everything, the hardware as `WATCHED` says."""
    names = {first.parameter, second.parameter}
    return len(names) == 2 and (names in WATCHED or first.prices is not None or second.prices is not None)


def study(trace: zapsim.Trace, name: str, mapping: str, changes: tuple[str, ...], limit: int | None) -> Case:
    """Move the parameters of one accelerator, at most `limit` of them, alone and in pairs."""
    accelerator = Accelerator(trace, name, changes)
    plain = accelerator.savings()
    if plain is None:
        raise ZapsimError(f"{name} with its {mapping} does not run {trace.header.network.name}")
    moved = list(parameters(zapsim.load_arch(name, changes)))[:limit]
    effects, singles = [], {}
    for parameter in moved:
        down, up = (accelerator.savings(move) if move else None for move in (parameter.down, parameter.up))
        effects.append(Effect(parameter.title, down, up))
        singles |= {move: saved for move, saved in ((parameter.down, down), (parameter.up, up)) if move and saved}
    if name == "eyeriss":
        other = Accelerator(trace, "eyeriss_45nm", changes).savings()
        effects.append(Effect(OTHER_PRICES, None, other))
    effects.sort(key=lambda effect: -max(effect.reach(plain, which) for which in range(len(SAVINGS))))
    pairs = []
    candidates = [pair for pair in combinations(singles, 2) if is_paired(*pair)]
    console = Console(stderr=True)
    for first, second in track(candidates, name, console=console, transient=True, disable=not sys.stderr.isatty()):
        if both := accelerator.savings(first, second):
            pairs.append(Pair((first, second), (singles[first], singles[second]), both))
    settings = [change for change in changes if ".pinned." not in change]
    return Case(", ".join((name, *settings, mapping)), plain, tuple(singles.items()), tuple(effects), tuple(pairs))


# --- what is written ------------------------------------------------------------------------------------------------


def markdown(cases: list[Case], trace: zapsim.Trace, plot: bool) -> str:
    """Write the page."""
    point = trace.operating_point(None)
    patterns = ", ".join(dict.fromkeys(setting.pattern for setting in point.predictors.values()))
    watched = "; ".join(" and ".join(sorted(names, key=str.lower)) for names in WATCHED)
    parts = [
        '# How much "ZAP saves X" depends on uncertain parameters',
        f"{trace.header.network.name} on {trace.header.images[0].name}, pattern {patterns}, operating point "
        f"`{point.name}`, batch 1. Policy `zap` is compared with the array's own baseline, which runs every layer "
        "dense. A negative saving is a cost.",
        f"Each parameter moves by {100 * STEP:.0f} % up and down. Whole numbers move by at least 1, and not below 1: "
        "Eyeriss's ifmap bus of one word can only double. Psums move from full to compact, a choice and not an "
        "uncertainty. "
        "The energy of a component moves with all prices of its actions.",
        f"First one parameter moves, then two; all others stay as in the file. Pairs of the hardware are {watched}. "
        "Each energy also moves with every other parameter; this counts for the energy saved only, since prices change "
        "no cycles. Other pairs of the hardware are not studied.",
        "Two baselines are used, and each heading names its own:\n\n"
        f"- *{BEST}*: the baseline and each stage of `zap` run with the mapping that the search finds fastest. The "
        "search is repeated for every move. (Output lanes have nothing to search.)\n"
        f"- *{CHIP}*: the baseline and both stages of `zap` run with the mappings of "
        "`arch_configs/eyeriss_vgg16.yaml`, for one image instead of three. They are likely mappings of the chip, "
        "which published none for VGG-16. A move with which they do not fit the array is shown as –.",
        "```sh\npython examples/sensitivity.py --out docs/results\n```",
        *(["![tornado plot](sensitivity.svg)"] if plot else []),
        "## In short",
        summary(cases),
        "Single moves are counted here without the table of eyeriss_45nm. "
        "[sensitivity.csv](sensitivity.csv) holds the single moves, [sensitivity-pairs.csv](sensitivity-pairs.csv) "
        "every pair of moves that turns a sign.",
        *(section(case) for case in cases),
    ]
    return "\n\n".join(parts) + "\n"


def summary(cases: list[Case]) -> str:
    """Write one row per accelerator and saving: as it stands, the ranges, and how many moves turn the sign."""
    rows = [
        "| accelerator | saved | as it stands | one moved | two moved | single moves that turn the sign "
        "| pairs that turn it | pairs, neither move alone |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        for which, what in enumerate(SAVINGS):
            singles, pairs = singles_of(case, which), pairs_of(case, which)
            turned = sum((saved[which] > 0) != (case.plain[which] > 0) for _, saved in singles)
            cells = (
                case.title,
                what,
                percent(case.plain[which]),
                span([saved[which] for _, saved in singles]),
                span([pair.both[which] for pair in pairs]),
                f"{turned} of {len(singles)}",
                f"{sum(pair.turns(case.plain, which) for pair in pairs)} of {len(pairs)}",
                str(sum(pair.turns_only_together(case.plain, which) for pair in pairs)),
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def singles_of(case: Case, which: int) -> list[tuple[Move, Savings]]:
    """List the single moves that can change a saving: energies cannot change cycles."""
    return [(move, saved) for move, saved in case.singles if SAVINGS[which] != "cycles" or not move.prices]


def pairs_of(case: Case, which: int) -> list[Pair]:
    """List the pairs of which both moves can change a saving: energies cannot change cycles."""
    return [p for p in case.pairs if SAVINGS[which] != "cycles" or not any(move.prices for move in p.moves)]


def section(case: Case) -> str:
    """Write one accelerator's section: what follows from its tables, and the tables."""
    sentences = []
    for which, what in enumerate(SAVINGS):
        pairs = pairs_of(case, which)
        alone = [(str(m), s) for m, s in singles_of(case, which) if (s[which] > 0) != (case.plain[which] > 0)]
        other = [(e.title, e.up) for e in case.effects if e.title == OTHER_PRICES and e.up]
        alone += [(title, s) for title, s in other if (s[which] > 0) != (case.plain[which] > 0)]
        both = [
            (" with ".join(map(str, p.moves)), p.both) for p in pairs if p.turns(case.plain, which) and p.is_watched
        ]
        together = sum(pair.turns_only_together(case.plain, which) for pair in pairs)
        ends = [chosen(pairs, key=lambda pair: pair.both[which]) for chosen in (min, max)]
        least, most = (f"{percent(end.both[which])} ({' with '.join(map(str, end.moves))})" for end in ends)
        sentences.append(
            f"ZAP saves {percent(case.plain[which])} of the {what}. Single moves that turn the sign: "
            f"{listing(alone, which)}. Pairs of the hardware that turn it: {listing(both, which)}. "
            f"Pairs of any kind that turn it although neither move does so alone: {together or 'none'}. "
            f"With two moves, the saving lies between {least} and {most}."
        )
    singles = [
        "| one parameter moved | cycles saved, down | up | energy saved, down | up |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {effect.title} | "
            + " | ".join(cell(move, case.plain, which) for which in (0, 1) for move in (effect.down, effect.up))
            + " |"
            for effect in case.effects
        ),
    ]
    rows = [
        "Bold: the sign differs from that of the file as it stands. The next table holds the pairs of the "
        "hardware, and the pairs that change a sign which neither move changes "
        "alone.",
        "",
        "| first move | second move | cycles saved, first | second | both | energy saved, first | second | both |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(pair_row(pair, case.plain) for pair in shown(case)),
    ]
    return "\n".join([f"## {case.title}", "", "\n\n".join(sentences), "", *singles, "", *rows])


def shown(case: Case) -> list[Pair]:
    """Select the pairs of the page: the watched ones first, then those that change a sign only together."""
    watched = [pair for pair in case.pairs if pair.is_watched]
    together = [pair for pair in case.pairs if any(pair.turns_only_together(case.plain, which) for which in (0, 1))]
    return watched + [pair for pair in together if not pair.is_watched]


def pair_row(pair: Pair, plain: Savings) -> str:
    """Write the row of a pair."""
    cells = [cell(saved, plain, which) for which in range(len(SAVINGS)) for saved in (*pair.alone, pair.both)]
    return f"| {' | '.join([*map(str, pair.moves), *cells])} |"


def cell(saved: Savings | None, plain: Savings, which: int) -> str:
    """Format a saving, bold if its sign is not that of the file as it stands."""
    if saved is None:
        return "–"
    bold = "**" if (saved[which] > 0) != (plain[which] > 0) else ""
    return f"{bold}{percent(saved[which])}{bold}"


def listing(moves: list[tuple[str, Savings]], which: int) -> str:
    """List moves with the saving that each leads to."""
    return "; ".join(f"{name} ({percent(saved[which])})" for name, saved in moves) or "none"


def span(shares: list[float]) -> str:
    """Format a range for people."""
    return f"{percent(min(shares))} to {percent(max(shares))}"


def percent(share: float) -> str:
    """Format a share for people."""
    return f"{share:.1%}".replace("-", "−").replace("%", " %")


def table(cases: list[Case]) -> str:
    """Write the savings with one parameter moved as CSV, in shares; an empty cell is an impossible move."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = [f"{what}_{move}" for what in SAVINGS for move in ("plain", "down", "up")]
    writer.writerow(["accelerator", "parameter", *kinds])
    for case in cases:
        for effect in case.effects:
            moves = (case.plain, effect.down, effect.up)
            cells = [f"{move[which]:.6f}" if move else "" for which in range(len(SAVINGS)) for move in moves]
            writer.writerow([case.title, effect.title, *cells])
    return text.getvalue()


def pair_table(cases: list[Case]) -> str:
    """Write the pairs that the page shows or that change a sign as CSV, in shares."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = [f"{what}_{move}" for what in SAVINGS for move in ("plain", "first", "second", "both")]
    writer.writerow(["accelerator", "first", "second", *kinds])
    for case in cases:
        for pair in case.pairs:
            if pair.is_watched or any(pair in pairs_of(case, w) and pair.turns(case.plain, w) for w in (0, 1)):
                moves = (case.plain, *pair.alone, pair.both)
                cells = [f"{move[which]:.6f}" for which in range(len(SAVINGS)) for move in moves]
                writer.writerow([case.title, *map(str, pair.moves), *cells])
    return text.getvalue()


def tornado(cases: list[Case], path: Path) -> None:
    """Draw a bar per parameter, from its saving when moved down to that when moved up, and the range of all pairs."""
    check_plot(path)
    from matplotlib.figure import Figure

    heights = [len(case.effects) + 1 for case in cases]
    figure = Figure(figsize=(10.0, 1.5 * len(cases) + 0.2 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(cases), len(SAVINGS), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, case in zip(grid, cases, strict=True):
        for which, axes in enumerate(row):
            plain = 100 * case.plain[which]
            for place, effect in enumerate(reversed(case.effects)):
                for saved, colour in ((effect.down, "tab:orange"), (effect.up, "tab:blue")):
                    if saved:
                        axes.barh(place, 100 * saved[which] - plain, left=plain, color=colour, height=0.7, alpha=0.8)
            axes.use_sticky_edges = False
            shares = [100 * pair.both[which] for pair in pairs_of(case, which)]
            axes.barh(len(case.effects), max(shares) - min(shares), left=min(shares), color="tab:gray", height=0.7)
            axes.axvline(plain, color="black", linewidth=0.8)
            axes.axvline(0, color="tab:red", linewidth=0.8, linestyle="--")
            labels = [*(effect.title for effect in reversed(case.effects)), "any two moved"]
            axes.set_yticks(range(len(labels)), labels, fontsize=7)
            axes.set_title(f"{case.title}\n{SAVINGS[which]} saved, %", fontsize=8, parse_math=False)
            axes.tick_params(axis="x", labelsize=7)
            if which:
                axes.set_yticklabels([])
    figure.supxlabel(
        f"orange: parameter {STEP:.0%} lower, blue: higher, grey: range over all pairs; "
        "black line: as in the file, red line: no saving",
        fontsize=8,
    )
    save_figure(figure, path)


def main() -> None:
    """Run the study, and print or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACES / "vgg16_hed_chelsea_1_3.safetensors")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write page, tables and plot there")
    parser.add_argument("--quick", action="store_true", help="the first accelerator and three parameters only")
    args = parser.parse_args()
    trace = zapsim.Trace(args.trace)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        check_plot(args.out / "sensitivity.svg")
    accelerators, limit = (CASES[:1], 3) if args.quick else (CASES, None)
    cases = [study(trace, name, mapping, changes, limit) for name, mapping, changes in accelerators]
    if args.out is None:
        sys.stdout.write(markdown(cases, trace, plot=False))
        return
    write_atomically(args.out / "sensitivity.md", markdown(cases, trace, plot=True))
    write_atomically(args.out / "sensitivity.csv", table(cases))
    write_atomically(args.out / "sensitivity-pairs.csv", pair_table(cases))
    tornado(cases, args.out / "sensitivity.svg")


if __name__ == "__main__":
    main()
