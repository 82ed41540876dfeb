"""Move parameters of an accelerator, alone and in pairs, and record what ZAP saves each time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from made_for_prediction import chip_mappings
from rich.console import Console
from rich.progress import track

import zapsim
from zapsim.arch.arrays import OutputLanesArray, RowStationaryArray
from zapsim.arch.spec import ArchSpec
from zapsim.comparison import Comparison, Outcome
from zapsim.energy.model import COMPONENT_OF, COMPONENTS
from zapsim.errors import MappingError, ZapsimError

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
