"""Files of plots: checked before the work, written whole (needs the ``report`` extra: matplotlib)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.errors import ZapsimError, check_extra
from zapsim.files import check_writable, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Check that a plot can be drawn and written to `path`, before there is anything to draw.

    Raises
    ------
    ZapsimError
        If the file's ending is not one of png, svg, pdf, or it cannot be written, or matplotlib is not installed.
    """
    if path.suffix not in _KINDS:
        raise ZapsimError(f"{path}: a plot's name must end in one of {', '.join(_KINDS)}")
    check_writable(path)
    check_extra("plots need", "report", "matplotlib")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file that :func:`check_plot` accepts; the same figure gives the same bytes."""
    from matplotlib import rc_context

    metadata = {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    image = BytesIO()
    with rc_context({"svg.hashsalt": "zapsim"}):  # else the names of clip paths are random
        figure.savefig(image, format=path.suffix[1:], metadata=metadata)
    write_atomically(path, image.getvalue())
