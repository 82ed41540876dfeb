"""A static order of filters: learnt on calibration pictures, stored with an operating point, applied to its maps.

Sorting filters costs no hardware: filters, predictor and the next layers' input channels are permuted offline
(:func:`zapsim.frontend.reorder.reorder`), and the network computes the same. A trace keeps its maps in the network's
own order, so that several points can share them; they are permuted when they are read for a point with an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zapsim.reading.text import Line
from zapsim.tracefile.fields import Record
from zapsim.workload import ConvShape

Rule = Literal["density", "deal"]
"""``density``: like filters side by side, those with the most outputs first. ``deal``: neighbours are unlike."""


class FilterOrder(Record):
    """An order of the filters of some layers, and of the input channels of the layers behind them.

    Attributes
    ----------
    rule
        How filters are ordered by the share of their outputs that are computed.
    filters
        By layer: the filter at each place, a permutation of 0 to K - 1. Layers that are not named keep their own order.
    channels
        By layer: the input channel at each place, a permutation of 0 to C - 1, as the layers before make it.
    kept
        By predicted layer that keeps its own order: why.
    note
        What the order was learnt on.
    """

    rule: Rule
    filters: dict[str, tuple[int, ...]]
    channels: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    kept: dict[str, Line] = Field(default_factory=dict)
    note: Line = ""

    def check_fit(self, shapes: Mapping[str, ConvShape]) -> None:
        """Make sure that the order is one of these layers.

        Raises
        ------
        ValueError
            If it names another layer, is no permutation, or puts filters of several groups, or a group without its
            input channels, in the place of a group.
        """
        for field, orders in (("filters", self.filters), ("channels", self.channels)):
            for layer, order in orders.items():
                if layer not in shapes:
                    raise ValueError(f"the order of filters names unknown layer '{layer}'")
                size = shapes[layer].K if field == "filters" else shapes[layer].C
                if len(order) != size or sorted(order) != list(range(size)):
                    raise ValueError(f"the order of {field} of layer {layer} is no permutation of 0 to {size - 1}")
        for layer in {**self.filters, **self.channels}:
            shape = shapes[layer]
            if shape.groups > 1:
                groups = [
                    _groups_in_order(layer, orders.get(layer, range(size)), shape.groups)
                    for orders, size in ((self.filters, shape.K), (self.channels, shape.C))
                ]
                if groups[0] != groups[1]:
                    raise ValueError(f"the order of filters parts the groups of layer {layer} from their inputs")

    def filters_of(self, layer: str) -> NDArray[np.intp] | None:
        """Return the filter at each place of a layer: intp (K,); None: its own order."""
        return _array(self.filters.get(layer))

    def channels_of(self, layer: str) -> NDArray[np.intp] | None:
        """Return the input channel at each place of a layer: intp (C,); None: as the network has them."""
        return _array(self.channels.get(layer))


def _groups_in_order(layer: str, order: Sequence[int], groups: int) -> list[int]:
    """List the group that comes to each group's place, which must come as a whole."""
    places = (np.array(order) // (len(order) // groups)).reshape(groups, -1)
    if (places != places[:, :1]).any():
        raise ValueError(f"the order of filters mixes the groups of layer {layer}")
    return [int(group) for group in places[:, 0]]


def _array(order: tuple[int, ...] | None) -> NDArray[np.intp] | None:
    return None if order is None else np.array(order, dtype=np.intp)
