"""The page of the sensitivity study, its tables as CSV, and its tornado plot."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import zapsim
from sensitivity_study.study import BEST, CHIP, OTHER_PRICES, SAVINGS, STEP, WATCHED, Case, Move, Pair, Savings
from zapsim.report.style import GAIN, LOSS, OTHERS, Layout, check_plot, new_figure, save_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    save_figure(_tornado(cases), path)


@styled
def _tornado(cases: list[Case]) -> Figure:
    heights = [len(case.effects) + 1 for case in cases]
    note = (
        f"orange: parameter {STEP:.0%} lower, blue: higher, grey: range over all pairs; "
        "black line: as in the file, dashed line: no saving"
    )
    figure = new_figure(Layout("page"), 0.75 * len(cases) + 0.15 * sum(heights), note)
    grid = figure.subplots(len(cases), len(SAVINGS), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, case in zip(grid, cases, strict=True):
        for which, axes in enumerate(row):
            plain = 100 * case.plain[which]
            for place, effect in enumerate(reversed(case.effects)):
                for saved, look in ((effect.down, LOSS), (effect.up, GAIN)):
                    if saved:
                        axes.barh(place, 100 * saved[which] - plain, left=plain, color=look.colour, height=0.7,
                                  alpha=0.8)  # fmt: skip
            axes.use_sticky_edges = False
            shares = [100 * pair.both[which] for pair in pairs_of(case, which)]
            axes.barh(len(case.effects), max(shares) - min(shares), left=min(shares), color=OTHERS, height=0.7)
            axes.axvline(plain, color="black", linewidth=0.8)
            axes.axvline(0, color="black", linewidth=0.8, linestyle="--")
            labels = [*(effect.title for effect in reversed(case.effects)), "any two moved"]
            axes.set_yticks(range(len(labels)), labels)
            axes.set_title(f"{case.title}\n{SAVINGS[which]} saved, %")
            if which:
                axes.set_yticklabels([])
    return figure
