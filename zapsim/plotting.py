"""From result files to figures: what ``zapsim.plot`` and ``zapsim plot`` do. Each kind of figure is declared once here.

The figures themselves are in :mod:`zapsim.report.figures`, one kind a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError, ZapsimError, did_you_mean
from zapsim.report.attribution import Explanation, explain
from zapsim.report.figures.curves import Curve, draw_curves, evaluated_curves, point_curve
from zapsim.report.figures.energy import draw_energy
from zapsim.report.figures.masks import channel_maps, draw_masks, masks_note, read_picture
from zapsim.report.figures.pareto import DrawnFront, draw_pareto
from zapsim.report.figures.result_file import FILES, ResultFile, read_result_file
from zapsim.report.figures.roofline import draw_roofline
from zapsim.report.figures.savings import draw_savings
from zapsim.report.figures.synthetic import NOTE
from zapsim.report.figures.timeline import Slice, draw_timeline, read_slices
from zapsim.report.figures.utilisation import array_use, draw_utilisation
from zapsim.report.figures.waterfall import Waterfall, draw_waterfall
from zapsim.report.style import Layout, check_plot, in_style, save_figure
from zapsim.report.timeline_file import TimedLayer, timeline_record
from zapsim.results import RunResult
from zapsim.shipped import shipped_names
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace
from zapsim.workloads.synthetic import SYNTHETIC_NOTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zapsim.exploration.pareto import Front

Source: TypeAlias = RunResult | Explanation | Trace | str | Path
"""What a figure is drawn from: a result, or the path of a result file, a trace, or an exploration's folder."""


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """What some kinds of figures take beside their sources; empty or None: not given.

    Attributes
    ----------
    layers, channels, picture
        Layers, channels and the picture that are shown.
    arch, overrides
        An architecture: to run a trace on, or the one that a result is of.
    policy, point, image
        How a trace is run: policy (None: ``zap``), operating point (None: the first), index of the image (None: all,
        or the first if only one can be shown).
    cycles
        First cycle and end of what is shown.
    minimise, maximise
        Metrics or columns that a front optimises.
    """

    layers: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    picture: Path | None = None
    arch: ArchSpec | str | Path | None = None
    overrides: tuple[str, ...] = ()
    policy: str | None = None
    point: str | None = None
    image: int | None = None
    cycles: tuple[int, int] | None = None
    minimise: tuple[str, ...] = ()
    maximise: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Make tuples of lists, which could change."""
        for one in fields(self):
            if isinstance(value := getattr(self, one.name), list):
                object.__setattr__(self, one.name, tuple(value))

    @property
    def given(self) -> list[str]:
        """Names of the options that were given."""
        return [one.name for one in fields(self) if getattr(self, one.name) not in ((), None)]

    @property
    def spec(self) -> ArchSpec:
        """The architecture, loaded."""
        assert self.arch is not None
        return self.arch if isinstance(self.arch, ArchSpec) else load_arch(self.arch, self.overrides)


Draw: TypeAlias = Callable[[Sequence[ResultFile], FigureOptions, Layout], "Figure"]

_RUN = frozenset({"arch", "overrides", "policy", "point", "image"})


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A kind of figure.

    Attributes
    ----------
    summary
        What it shows, in a line.
    takes
        Kinds of files that it is drawn from (keys of :data:`zapsim.report.figures.result_file.FILES`), the usual first.
    options
        Those of :class:`FigureOptions` that it takes.
    draw
        Draws it.
    most
        Number of files that it can show at most; None: any.
    """

    summary: str
    takes: tuple[str, ...]
    options: frozenset[str]
    draw: Draw
    most: int | None = None


def plot(
    kind: str, *sources: Source, out: str | Path | None = None, width: str = "column", title: str | None = None,
    **options: Any,
) -> Figure:  # fmt: skip
    """Draw a figure in the style of papers, and write it to a file if one is named.

    Parameters
    ----------
    kind
        Key of :data:`KINDS`: ``savings``, ``energy``, ``waterfall``, ``roofline``, ``utilisation``, ``masks``,
        ``curves``, ``pareto`` or ``timeline``.
    sources
        Results, traces, explanations, or the paths of what the commands wrote.
    out
        A png, svg or pdf file; the same figure gives the same bytes.
    width
        ``column`` (3.5 inches) or ``page`` (7.16 inches).
    title
        Stands above; None: no title.
    options
        Attributes of :class:`FigureOptions`.

    Raises
    ------
    ZapsimError
        For an unknown kind, width or file, a file of which the kind cannot be drawn, an option that it does not take,
        or if matplotlib is not installed.
    """
    figure_kind = kind_named(kind)
    taken = FigureOptions(**options)
    check_options(kind, taken)
    layout = Layout(width, title)
    if out is not None:
        check_plot(Path(out))
    if not sources or len(sources) > (figure_kind.most or len(sources)):
        expected = "one source" if figure_kind.most == 1 else "at least one source"
        raise ZapsimError(f"plot {kind}: expected {expected}, got {len(sources)}")
    files = [_taken(kind, _file(source)) for source in sources]
    figure = figure_kind.draw(files, taken, layout)
    if out is not None:
        save_figure(figure, Path(out))
    else:
        with in_style():
            figure.draw_without_rendering()  # makes the ticks, which take their sizes from the settings
    return figure


def kind_named(kind: str) -> FigureKind:
    """Return the kind of a name.

    Raises
    ------
    ZapsimError
        If there is none.
    """
    if kind not in KINDS:
        raise ZapsimError(
            f"unknown kind of figure '{kind}'{did_you_mean(kind, KINDS)}; expected one of: {', '.join(KINDS)}"
        )
    return KINDS[kind]


def check_options(kind: str, options: FigureOptions) -> None:
    """Refuse options that a kind has no use for."""
    taken = kind_named(kind).options
    for name in options.given:
        if name not in taken:
            takes = f"; it takes {', '.join(sorted(taken))}" if taken else ""
            raise ZapsimError(f"plot {kind}: {name} has no meaning for this kind of figure{takes}")


def _file(source: Source) -> ResultFile:
    """Read a file, or wrap what is read already."""
    if isinstance(source, RunResult):
        return ResultFile("result", Path("result"), source)
    if isinstance(source, Explanation):
        return ResultFile("explanation", Path("explanation"), Waterfall.of(source))
    if isinstance(source, Trace):
        return ResultFile("trace", source.path, source)
    return read_result_file(Path(source))


def _taken(kind: str, file: ResultFile) -> ResultFile:
    """Refuse a file of which a kind cannot be drawn; the message names the command that makes the right one."""
    takes = KINDS[kind].takes
    if file.kind in takes:
        return file
    wanted = FILES[takes[0]]
    raise ZapsimError(
        f"{file.path}: is {FILES[file.kind].words}; plot {kind} needs {wanted.words}, which `{wanted.command}` makes"
    )


def _results(files: Sequence[ResultFile], options: FigureOptions) -> list[RunResult]:
    """Return the results of files; traces are run."""
    return [file.content if file.kind == "result" else _run(file, options) for file in files]


def _run(file: ResultFile, options: FigureOptions, policy: str | None = None, progress: Any = None) -> RunResult:
    """Run a trace on the architecture of the options."""
    if options.arch is None:
        raise ZapsimError(f"{file.path}: is a trace: give --arch to run it, or a result of `{FILES['result'].command}`")
    images = None if options.image is None else [options.image]
    return simulate(options.spec, file.content, policy or options.policy, point=options.point, images=images,
                    progress=progress)  # fmt: skip


def _savings(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    return draw_savings(_results(files, options), layout)


def _energy(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    return draw_energy(_results(files, options), layout)


def _waterfall(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    waterfalls = []
    for file in files:
        if file.kind == "explanation":
            waterfalls.append(file.content)
        else:
            oracle, perfect, predicted = (_run(file, options, policy) for policy in ("oracle", "zap-perfect", "zap"))
            waterfalls.append(Waterfall.of(explain(oracle, perfect, predicted)))
    return draw_waterfall(waterfalls, layout)


def _roofline(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    results = _results(files, options)
    return draw_roofline(results, [arch_of(result, options) for result in results], layout)


def arch_of(result: RunResult, options: FigureOptions) -> ArchSpec:
    """Find the architecture that a result is of: the one of the options, or the shipped one with the result's hash.

    Raises
    ------
    ConfigError
        If neither has the hash that the result holds.
    """
    wanted = result.provenance["arch_sha256"]
    if options.arch is not None:
        spec = options.spec
        if spec.hash != wanted:
            raise ConfigError(f"{spec.name}: is not what the result of {result.arch} ran on: give its --arch and --set")
        return spec
    for name in shipped_names("arch_configs", ".yaml"):
        spec = load_arch(name)
        if spec.hash == wanted:
            return spec
    raise ConfigError(f"{result.arch}: the result does not say how fast array and DRAM are: give its --arch and --set")


def _utilisation(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    trace: Trace = files[0].content
    if options.arch is None:
        raise ZapsimError("plot utilisation: give --arch, the accelerator on which the trace runs")
    spec = options.spec
    policy = preset(options.policy or "zap", spec.inputs)
    uses = array_use(spec, trace, policy, options.layers, options.point, options.image or 0)
    return draw_utilisation(uses, layout, masks_note(trace, options.point))


def _masks(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    trace: Trace = files[0].content
    maps = channel_maps(trace, options.layers, options.channels, options.point, options.image or 0)
    first = trace.header.layers[0].shape
    picture = None if options.picture is None else read_picture(Path(options.picture), first.H, first.W)
    return draw_masks(maps, layout, picture, masks_note(trace, options.point))


def _curves(files: Sequence[ResultFile], _options: FigureOptions, layout: Layout) -> Figure:
    curves: list[Curve] = []
    for file in files:
        if file.kind == "points":
            curves.append(point_curve(file.name, file.content))
        else:
            curves += evaluated_curves(file.content, f"{file.name}: " if len(files) > 1 else "")
    return draw_curves(curves, layout)


def _pareto(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    from zapsim.exploration import check_dependencies

    check_dependencies()
    from zapsim.exploration.pareto import load_front

    fronts = [load_front(file.path, options.minimise, options.maximise) for file in files]
    for file, front in zip(files, fronts, strict=True):
        if not front.best:
            raise ZapsimError(f"{file.path}: no design is ok, so there is no front; `zapsim pareto` says why")
    return draw_pareto(list(map(drawn_front, fronts)), layout)


def drawn_front(front: Front) -> DrawnFront:
    """Take what is drawn of a front."""
    title = f"{front.name}: {len(front.best):,} of {len(front.rows):,} designs on the front"
    note = NOTE if any(one.endswith(SYNTHETIC_NOTE) for one in front.notes) else ""
    goals = [(goal.column, goal.maximise) for goal in front.goals]
    return DrawnFront(title, front.rows, front.best, goals, front.choices, note)


def _timeline(files: Sequence[ResultFile], options: FigureOptions, layout: Layout) -> Figure:
    slices: Sequence[Slice]
    if files[0].kind == "timeline":
        slices = files[0].content
    else:
        timed: list[TimedLayer] = []
        result = _run(files[0], options, progress=lambda name, timing: timed.append(TimedLayer(name, timing.timeline)))
        slices = read_slices(timeline_record(timed, result.clock_hz, result.headline))
    return draw_timeline(slices, layout, options.layers, options.cycles)


KINDS: Final[dict[str, FigureKind]] = {
    "savings": FigureKind("MACs, cycles and energy saved, by layer", ("result", "trace"), _RUN, _savings),
    "energy": FigureKind(
        "energy by component, of the layers or of several results", ("result", "trace"), _RUN, _energy
    ),
    "waterfall": FigureKind(
        "from zero outputs to cycles and energy saved, by cause", ("explanation", "trace"), _RUN - {"policy"},
        _waterfall,
    ),
    "roofline": FigureKind("MACs per cycle over MACs per byte of DRAM traffic", ("result", "trace"), _RUN, _roofline),
    "utilisation": FigureKind(
        "how busy each PE is, and how long the slowest is waited for", ("trace",), _RUN | {"layers"}, _utilisation, 1
    ),
    "masks": FigureKind(
        "picture, pattern, prediction, hits and misses of channels", ("trace",),
        frozenset({"layers", "channels", "picture", "point", "image"}), _masks, 1,
    ),
    "curves": FigureKind(
        "error over MACs, cycles and energy saved, of operating points", ("evaluation", "points"), frozenset(), _curves
    ),
    "pareto": FigureKind(
        "fronts of explorations", ("exploration",), frozenset({"minimise", "maximise"}), _pareto
    ),
    "timeline": FigureKind(
        "what array, DRAM and predictor do when", ("timeline", "trace"), _RUN | {"layers", "cycles"}, _timeline, 1
    ),
}  # fmt: skip
"""All kinds of figures by name."""
