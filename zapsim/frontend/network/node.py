"""One call of a forward pass, and where the tensors that it takes and makes lie."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from zapsim.frontend.network.calls import Conv2dCall, LinearCall


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: its storage (by number), and which values of it, in which order."""

    storage: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


@dataclass(slots=True, eq=False)
class Node:
    """One call of a torch function (or one operator that no function called), in the order of the forward pass.

    Attributes
    ----------
    index
        Its number among all calls.
    name
        The function's name.
    module
        Name of the innermost module that ran.
    hidden
        Whether no torch function called it, so that no interception can stop there.
    operator, quantised
        Whether it is an operator that was called by itself (as in exported networks), and whether on integers.
    conv, linear
        Arguments of a convolution or a fully connected layer.
    conv_call, linear_call, norm_call, sum_call, relu_call
        Its number among the calls of its kind.
    ceiling
        The highest value that a ReLU lets through, or None.
    batch_statistics
        Whether it is a batch normalisation by the batch's own statistics.
    depth
        Convolutions on the longest way from the network's input to here, this call included.
    macs
        MACs of the operators in it.
    shape, dtype
        Of its first result.
    results
        Places of the tensors that it returned.
    fixed
        Whether its results follow from weights alone (as those of a weight norm), whatever the picture.
    written, touched, viewed
        Storages that it changed, all that it read or changed, and those of which it made views.
    """

    index: int
    name: str
    module: str = ""
    hidden: bool = False
    operator: bool = False
    quantised: bool = False
    conv: Conv2dCall | None = None
    linear: LinearCall | None = None
    conv_call: int | None = None
    linear_call: int | None = None
    norm_call: int | None = None
    sum_call: int | None = None
    relu_call: int | None = None
    ceiling: float | None = None
    batch_statistics: bool = False
    depth: int = 0
    macs: int = 0
    shape: tuple[int, ...] = ()
    dtype: torch.dtype | None = None
    results: tuple[Place, ...] = ()
    fixed: bool = False
    written: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    viewed: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class Touch:
    """A call reads or writes what lies at a place."""

    node: Node
    place: Place
    writes: bool
    whole: bool
