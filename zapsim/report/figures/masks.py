"""Mask gallery: pattern, prediction, hits and misses of some channels of a trace, beside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from zapsim.errors import ZapsimError, check_extra, did_you_mean
from zapsim.report.figures.layer_bars import short_name
from zapsim.report.figures.synthetic import NOTE
from zapsim.report.style import SMALL, Layout, add_legend, new_figure, styled
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace
from zapsim.workloads.synthetic import SYNTHETIC_NOTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLASSES: Final = (
    ("pattern, computed first", "#c8c8c8"),
    ("hit: zero skipped", "#0072B2"),
    ("non-zero computed", "#ffffff"),
    ("miss: zero computed", "#F0E442"),
    ("error: non-zero skipped", "#000000"),
)
"""What becomes of an output, and its colour; they differ in brightness, too."""

_PATTERN, _HIT, _RIGHT, _MISS, _ERROR = range(len(_CLASSES))
_SHOWN_LAYERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class ChannelMaps:
    """One channel of one layer and image.

    Attributes
    ----------
    layer, channel, pattern
        Which it is, and the pattern's name.
    first, mask, nonzero
        bool (P, Q): computed first, computed at all, and other than zero in truth.
    """

    layer: str
    channel: int
    pattern: str
    first: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    nonzero: NDArray[np.bool_]

    @property
    def prediction(self) -> NDArray[np.int64]:
        """Classes of what the predictor says: skipped, or to be computed."""
        return np.where(self.first, _PATTERN, np.where(self.mask, _RIGHT, _HIT))

    @property
    def classes(self) -> NDArray[np.int64]:
        """Classes of what becomes of each output: int64 (P, Q), indices into the legend."""
        predicted = np.where(
            self.mask, np.where(self.nonzero, _RIGHT, _MISS), np.where(self.nonzero, _ERROR, _HIT)
        )  # fmt: skip
        return np.where(self.first, _PATTERN, predicted)


def channel_maps(
    trace: Trace, layers: Sequence[str] = (), channels: Sequence[int] = (), point: str | None = None, image: int = 0
) -> list[ChannelMaps]:
    """Take maps of channels from a trace.

    Parameters
    ----------
    trace
        With masks.
    layers
        Names of layers; empty: three predicted ones, spread over the network.
    channels
        A channel per layer, or one for all; empty: the one with a share of zeros that is closest to its layer's.
    point, image
        Operating point (None: the first) and index of the image.

    Raises
    ------
    ZapsimError
        If there is no such layer, channel, point or image, or if nothing is predicted.
    """
    operating_point = trace.operating_point(point)
    predicted = [
        layer.shape.name
        for layer in trace.header.layers
        if layer.relu and layer.shape.name in operating_point.predictors
    ]
    if not predicted:
        raise ZapsimError(f"{trace.path}: no layer is predicted at this operating point, so there are no masks to draw")
    for name in layers:
        if name not in predicted:
            remedy = did_you_mean(name, predicted) or f"; predicted are {', '.join(predicted)}"
            raise ZapsimError(f"{trace.path}: no predicted layer '{name}'{remedy}")
    if not layers:
        places = np.linspace(0, len(predicted) - 1, min(_SHOWN_LAYERS, len(predicted)))
        layers = [predicted[round(place)] for place in places]
    if len(channels) not in (0, 1, len(layers)):
        raise ZapsimError(f"expected a channel per layer ({len(layers)}) or one for all, got {len(channels)}")
    asked: list[int | None] = [None] * len(layers)
    if channels:
        asked = [*channels] * (len(layers) if len(channels) == 1 else 1)
    by_name = {layer.shape.name: layer for layer in trace.layers(operating_point.name, [image])}
    return [_maps(by_name[name], channel) for name, channel in zip(layers, asked, strict=True)]


def _maps(layer: LayerTrace, channel: int | None) -> ChannelMaps:
    assert layer.mask is not None
    assert layer.ofmap_nonzero is not None
    assert layer.setting is not None
    mask, nonzero = layer.mask.unpack()[0], layer.ofmap_nonzero.unpack()[0]
    if channel is None:
        shares = nonzero.mean(axis=(0, 1))
        channel = int(np.argmin(np.abs(shares - shares.mean())))
    if not 0 <= channel < layer.shape.K:
        raise ZapsimError(f"layer {layer.shape.name}: expected a channel of 0 to {layer.shape.K - 1}, got {channel}")
    first = layer.pattern_positions()
    return ChannelMaps(
        layer.shape.name, channel, layer.setting.pattern, first, mask[:, :, channel], nonzero[:, :, channel]
    )


def masks_note(trace: Trace, point: str | None = None) -> str:
    """Return what must be known of a trace's masks; empty if a network made them."""
    return NOTE if trace.operating_point(point).quality_note == SYNTHETIC_NOTE else ""


def read_picture(path: Path, rows: int, cols: int) -> NDArray[np.uint8]:
    """Read a picture and cut its centre out, in the proportions of a network's input: uint8 (height, width, 3).

    Raises
    ------
    ZapsimError
        If it cannot be read, or Pillow is not installed.
    """
    check_extra("pictures need", "frontend", "PIL")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise ZapsimError(
            f"{path}: cannot be read as a picture ({getattr(error, 'strerror', None) or error})"
        ) from None
    scale = min(picture.width / cols, picture.height / rows)
    width, height = scale * cols, scale * rows
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    return np.asarray(picture.resize((448 * cols // max(rows, cols), 448 * rows // max(rows, cols)),
                                     box=(left, top, left + width, top + height)))  # fmt: skip


@styled
def draw_masks(
    maps: Sequence[ChannelMaps], layout: Layout, picture: NDArray[np.uint8] | None = None, note: str = ""
) -> Figure:
    """Draw a row per channel: the picture (if there is one), the pattern, the prediction, hits and misses.

    Parameters
    ----------
    maps
        At least one channel.
    layout
        Width and title.
    picture
        uint8 (height, width, 3): what the network saw.
    note
        What must be known of the masks.
    """
    headings = [*([] if picture is None else ["picture"]), "pattern", "prediction", "hits and misses"]
    side = (layout.inches - 0.35) / len(headings)
    aspect = max(one.first.shape[0] / one.first.shape[1] for one in maps)
    figure = new_figure(layout, 0.2 + (side * aspect + 0.05) * len(maps), note)
    panels = figure.subplots(len(maps), len(headings), squeeze=False)
    for row, one in zip(panels, maps, strict=True):
        if picture is not None:
            row[0].imshow(picture)
        pattern = np.where(one.first, _PATTERN, _RIGHT)
        for axes, classes in zip(row[-3:], (pattern, one.prediction, one.classes), strict=True):
            _draw(axes, classes)
        row[0].set_ylabel(f"{short_name(one.layer)}\nchannel {one.channel}")
        row[-3].set_xlabel("") if one.pattern == maps[0].pattern else row[-3].set_xlabel(one.pattern)
    for axes, heading in zip(panels[0], headings, strict=True):
        axes.set_title(f"pattern {maps[0].pattern}" if heading == "pattern" else heading)
    for axes in panels.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(True)
    handles: list[Any] = [_patch(colour, label) for label, colour in _CLASSES]
    add_legend(figure, handles, 5 if layout.is_wide else 2, "lower", fontsize=SMALL)
    return figure


def _draw(axes: Axes, classes: NDArray[np.int64]) -> None:
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(colour) for _, colour in _CLASSES])
    axes.imshow(colours[classes])  # as colours, so that pixels finer than the print are averaged and not mistaken


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor="black", linewidth=0.4, label=label)
