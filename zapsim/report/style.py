"""The style of every figure: sizes, fonts, colours with hatches, and files with the same bytes for the same figure.

Figures are as wide as a column or as a page of a two-column paper (3.5 and 7.16 inches, IEEE's widths), have text of 8
points that PDF files hold as TrueType, and 300 dots per inch where they are pixels. Colours are those of Okabe and Ito,
"Color Universal Design" (2008), which people with any colour vision tell apart; a hatch, a marker or a line style tells
the same in grey. Needs the ``report`` extra: matplotlib, which is loaded when something is drawn.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar

from zapsim.errors import ZapsimError, check_extra, did_you_mean
from zapsim.files import check_writable, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")
LineStyle: TypeAlias = str | tuple[float, tuple[float, ...]]

WIDTHS: Final = {"column": 3.5, "page": 7.16}
"""Widths of figures in inches."""

SUFFIXES: Final = (".png", ".svg", ".pdf")
"""Endings of the files that can be written."""

SMALL: Final = 7.0
"""Points of numbers at ticks and beside marks; all other text has 8."""

OTHERS: Final = "#b0b0b0"
"""Grey of what is there for comparison."""


_LINE: Final = 0.14
"""Inches of a line of text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide a figure is, and what stands above it.

    Attributes
    ----------
    width
        ``column`` or ``page``.
    title
        Stands above, in lines that fit; None: no title, since papers have a caption.

    Raises
    ------
    ZapsimError
        For another width.
    """

    width: str = "column"
    title: str | None = None

    def __post_init__(self) -> None:
        """Refuse a width that no paper has."""
        if self.width not in WIDTHS:
            hint = did_you_mean(self.width, WIDTHS)
            raise ZapsimError(f"width: expected {' or '.join(WIDTHS)}, got '{self.width}'{hint}")

    @property
    def inches(self) -> float:
        """The width in inches."""
        return WIDTHS[self.width]

    @property
    def is_wide(self) -> bool:
        """Whether panels fit side by side."""
        return self.width == "page"


@dataclass(frozen=True, slots=True)
class Look:
    """How one series differs from the others, with colours and without."""

    colour: str
    hatch: str
    marker: str
    line: LineStyle


LOOKS: Final = (
    Look("#0072B2", "", "o", "-"),  # blue
    Look("#E69F00", "////", "s", "--"),  # orange
    Look("#009E73", "....", "^", "-."),  # bluish green
    Look("#CC79A7", "xxxx", "D", ":"),  # reddish purple
    Look("#56B4E9", "\\\\\\\\", "v", (0, (5, 1, 1, 1, 1, 1))),  # sky blue
    Look("#D55E00", "----", "P", (0, (1, 1))),  # vermillion
    Look("#F0E442", "++++", "X", (0, (6, 2))),  # yellow
    Look("#000000", "oooo", "*", (0, (3, 1, 1, 1))),  # black
)
"""Looks of series, in the order in which they are used; no two have one colour, hatch, marker or line."""

GAIN: Final = LOOKS[0]
LOSS: Final = Look("#D55E00", "////", "v", "--")
"""A pair that people with any colour vision tell apart, and that differs in hatch: what is saved, what is lost."""

_SETTINGS: Final[Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same on all machines
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "figure.titlesize": 8.0,
    "legend.fontsize": 8.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.parse_math": False,  # names may have dollar signs
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.dpi": 300,
    "svg.hashsalt": "zapsim",  # else the names of clip paths are random
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.handleheight": 0.9,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "patch.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def in_style() -> Iterator[None]:
    """Have matplotlib's defaults and this style, whatever the user's own settings are, and restore those at the end."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def styled(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Make a function draw in this style.

    Raises
    ------
    MissingExtraError
        In the function, if matplotlib is not installed.
    """

    @wraps(draw)
    def drawing(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Drawn:
        check_extra("plots need", "report", "matplotlib")
        with in_style():
            return draw(*args, **kwargs)

    return drawing


def new_figure(layout: Layout, height: float, note: str = "") -> Figure:
    """Make an empty figure, whose layout keeps text apart; call it in a function that is :func:`styled`.

    Parameters
    ----------
    layout
        Width and title.
    height
        In inches, without the title and the note.
    note
        What must be known of the figure, below it on the right; empty: no note.
    """
    from matplotlib.figure import Figure

    title = textwrap.fill(layout.title or "", int(layout.inches / 0.075))
    above, below = _LINE * len(title.splitlines()), _LINE * bool(note)
    whole = height + above + below
    figure = Figure(figsize=(layout.inches, whole), layout="constrained")
    if title:
        figure.text(0.5, 1 - 0.03 / whole, title, ha="center", va="top")  # ascenders stay inside
    if note:
        figure.text(0.99, 0.0, note, ha="right", va="bottom", fontsize=SMALL, style="italic")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0.0, below / whole, 1.0, height / whole))  # type: ignore[call-arg]
    return figure


def add_legend(figure: Figure, handles: Sequence[Any], columns: int, side: str = "upper", **options: Any) -> None:
    """Put a legend above (``upper``) or below (``lower``) all panels, inside of title and note; the figure grows by it.

    Parameters
    ----------
    figure
        Of :func:`new_figure`.
    handles
        Artists with labels.
    columns
        Columns of the legend at most.
    side
        Where it goes.
    options
        Others that matplotlib's legend takes.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    place: dict[str, Any] = {"loc": f"{side} center", "borderaxespad": 0.3}
    legend = figure.legend(handles=handles, ncols=min(columns, max(len(handles), 1)), **place, **options)
    legend.set_in_layout(False)
    _, bottom, _, height = engine.get()["rect"]
    inches, whole = legend.get_window_extent().height / figure.dpi + 0.07, figure.get_figheight()
    above, below = (1 - bottom - height) * whole, bottom * whole
    whole += inches
    figure.set_figheight(whole)
    legend.set_bbox_to_anchor((0.5, 1 - above / whole if side == "upper" else below / whole))
    above, below = (above + inches, below) if side == "upper" else (above, below + inches)
    engine.set(rect=(0.0, below / whole, 1.0, 1 - (above + below) / whole))  # type: ignore[call-arg]


def legend_handles(axes: Axes) -> list[Any]:
    """Return what of a panel has a label."""
    return list(axes.get_legend_handles_labels()[0])


def signed(value: float) -> str:
    """Write a number with its sign and one decimal, as axes write it: with a minus and not with a hyphen."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def look(index: int) -> Look:
    """Return the look of the series with this index; after the last one, the first comes again."""
    return LOOKS[index % len(LOOKS)]


def bar_look(index: int) -> dict[str, Any]:
    """Return a look as bars take it: face, hatch, and a thin black edge."""
    shown = look(index)
    return {"facecolor": shown.colour, "hatch": shown.hatch, "edgecolor": "black", "linewidth": 0.4}


def pair_look(saved: bool) -> dict[str, Any]:
    """Return the look of a bar of what is saved, or of what is lost."""
    shown = GAIN if saved else LOSS
    return {"facecolor": shown.colour, "hatch": shown.hatch, "edgecolor": "black", "linewidth": 0.4}


def line_look(index: int) -> dict[str, Any]:
    """Return a look as lines take it: colour, marker and dashes."""
    shown = look(index)
    return {"color": shown.colour, "marker": shown.marker, "linestyle": shown.line}


def grid(axes: Axes, axis: str = "y") -> None:
    """Draw pale lines at the ticks of ``x``, ``y`` or ``both``."""
    axes.grid(axis=axis)  # type: ignore[arg-type]


def plain_log(axes: Axes, axis: str) -> None:
    """Make the axis ``x`` or ``y`` logarithmic, with plain numbers at its ticks (0.1, 1, 20 and not powers of ten)."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    line = axes.xaxis if axis == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if axis == "x" else axes.get_ylim())
    # Across, labels of four digits stand side by side; up, they stand above each other.
    most = 30 if axis == "x" else 1000
    line.set_major_locator(LogLocator(subs=(1.0,) if high > most * low else (1.0, 2.0, 5.0)))
    line.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    line.set_minor_formatter(NullFormatter())


def check_plot(path: Path) -> None:
    """Check that a figure can be drawn and written to `path`, before there is anything to draw.

    Raises
    ------
    ZapsimError
        If the file's ending is not one of :data:`SUFFIXES`, or it cannot be written, or matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise ZapsimError(f"{path}: a plot's name must end in one of {', '.join(SUFFIXES)}")
    check_writable(path)
    check_extra("plots need", "report", "matplotlib")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file that :func:`check_plot` accepts; the same figure gives the same bytes."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    image = BytesIO()
    with in_style():  # ticks are made when they are drawn, and take their sizes from the settings
        figure.savefig(image, format=path.suffix[1:], metadata=metadata)
    write_atomically(path, image.getvalue())
