"""Layers of a network that are not simulated: their MACs, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from zapsim.frontend.network.node import Node
from zapsim.frontend.network.recorder import Recorder
from zapsim.frontend.network.way import Call

FULLY_CONNECTED = "fully connected layer"
_MAP_DIMS = 4
_KINDS = (
    ("quantized", "quantised layer"),
    ("conv_transpose", "transposed convolution"),
    ("conv1d", "1-D convolution"),
    ("conv3d", "3-D convolution"),
    ("linear", FULLY_CONNECTED),
    ("addmm", FULLY_CONNECTED),
    ("attention", "attention"),
    ("gru", "recurrent layer"),
    ("lstm", "recurrent layer"),
    ("rnn", "recurrent layer"),
    ("conv", "convolution that no call of conv2d runs"),
)
"""Parts of a function's name, and what such a layer is called."""


@dataclass(frozen=True, slots=True)
class UnsimulatedLayer:
    """A layer that the trace does not hold.

    Attributes
    ----------
    name
        The module's name.
    macs
        MACs of one image.
    reason
        Why it is not simulated.
    """

    name: str
    macs: int
    reason: str


def unsimulated_layers(recorder: Recorder, simulated: Collection[Call], images: int) -> tuple[UnsimulatedLayer, ...]:
    """Return the layers whose MACs were seen, but not in a `simulated` call, in the order in which they ran."""
    calls: dict[str, int] = {}
    layers: list[UnsimulatedLayer] = []
    for node in recorder.nodes:
        listed = ("conv", node.conv_call) in simulated or ("linear", node.linear_call) in simulated
        if node.macs and not listed and not node.fixed:
            name = recorder.owner(node) or node.module or node.name
            calls[name] = calls.get(name, 0) + 1
            unique = name if calls[name] == 1 else f"{name}#{calls[name]}"
            layers.append(UnsimulatedLayer(unique, node.macs // images, _reason(node, images)))
    return tuple(layers)


def maps_per_image(node: Node, images: int) -> float:
    """Return on how many maps a convolution runs per image: several if tiles or views of it were made a batch."""
    return 1.0 if node.conv is None or node.conv.ifmap.ndim != _MAP_DIMS else len(node.conv.ifmap) / images


def _reason(node: Node, images: int) -> str:
    if node.conv is not None:
        return f"convolution of {maps_per_image(node, images):g} maps per image"
    if node.hidden:
        return "hidden in a scripted or compiled function"
    if node.operator and not node.quantised:
        return "exported, which hides its calls"
    name = "quantized" if node.quantised else node.name
    return next((kind for part, kind in _KINDS if part in name), "matrix product")


def not_simulated(layers: Sequence[UnsimulatedLayer], simulated_macs: int) -> dict[str, dict[str, Any]]:
    """Return the layers that are not simulated for a file's provenance; nothing if there are none."""
    if not layers:
        return {}
    listed = {layer.name: f"{layer.macs:,} MACs: {layer.reason}" for layer in layers}
    return {"not_simulated": {"what": summary(layers, simulated_macs), "layers": listed}}


def summary(layers: Sequence[UnsimulatedLayer], simulated_macs: int) -> str:
    """Say in one line which share of a network's MACs is not simulated; an empty text if there is none."""
    macs = sum(layer.macs for layer in layers)
    if not macs:
        return ""
    share = macs / (macs + simulated_macs)
    count = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}"
    return f"not simulated: {count} with {share:.1%} of the network's {macs + simulated_macs:,} MACs"
