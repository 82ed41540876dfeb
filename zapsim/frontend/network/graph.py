"""The graph of a network: its convolutions, the ReLU behind each, and which of them can have a predictor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from zapsim.errors import FrontendError, ZapsimError
from zapsim.frontend.network.calls import CallKind, Conv2dCall, tensors_of
from zapsim.frontend.network.contract import check_model, check_outputs, check_pass
from zapsim.frontend.network.forward import first_line, frozen
from zapsim.frontend.network.node import Node
from zapsim.frontend.network.recorder import Recorder
from zapsim.frontend.network.repeatable import check_repeatable, takes_several
from zapsim.frontend.network.state import State
from zapsim.frontend.network.unsimulated import (
    FULLY_CONNECTED,
    UnsimulatedLayer,
    maps_per_image,
    unsimulated_layers,
)
from zapsim.frontend.network.way import Call, follow, layer_call
from zapsim.workload import ConvShape

SMALLEST_MAP = 4
"""The fewest rows and columns of an ofmap that can be predicted: a predictor looks at 5×5 outputs."""

FIRST_LAYER = "first convolution of the network"
NO_NEIGHBOURS = "fully connected: no neighbours to predict from"
_IMAGES_DIMS = 4


@dataclass(frozen=True, slots=True)
class ConvSite:
    """One call of a convolution in a forward pass, and the ReLU that its outputs go through.

    Attributes
    ----------
    shape
        The layer with N = 1; its name is the module's (``name#2`` when a module is called a second time).
    conv_call
        Which of the forward pass's conv2d calls this is, from 0; of a fully connected layer, which of its linear calls.
    relu_call
        Which of its ReLU calls is the layer's, or None.
    unpredicted
        Why the layer can have no predictor, or None if it can.
    norm_calls
        Which of its batch normalisation calls lie between the convolution and the ReLU.
    added
        Whether another tensor is added before the ReLU (a residual connection).
    early
        The call whose result the ReLU may be applied to at once (a ReLU behind max pooling, for instance); None if the
        ReLU's own result is the layer's output.
    ceiling
        The highest value that the ReLU lets through, or None.
    fully_connected
        Whether it is a fully connected layer, which is taken for a 1×1 convolution.
    """

    shape: ConvShape
    conv_call: int
    relu_call: int | None
    unpredicted: str | None
    norm_calls: tuple[int, ...] = ()
    added: bool = False
    early: Call | None = None
    ceiling: float | None = None
    fully_connected: bool = False

    @property
    def call(self) -> Call:
        """The call that computes the layer."""
        return ("linear" if self.fully_connected else "conv"), self.conv_call

    @property
    def output_call(self) -> Call | None:
        """The call whose result, rectified, is the layer's output; None without a ReLU."""
        return self.early or (None if self.relu_call is None else ("relu", self.relu_call))

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.shape.name


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's convolutions in the order in which they run, and the layers that are not simulated.

    Attributes
    ----------
    sites
        The convolutions.
    unsimulated
        The other layers.
    order
        Kinds of the calls by whose numbers the sites are known, in the order of the forward pass, up to the last that
        matters: every pass must run the same.
    passed_over
        The conv2d calls that are no sites, by their number.
    at_once
        How many images a pass takes at most: 1 if the outputs for an image depend on those beside it; None for any
        number.
    """

    sites: tuple[ConvSite, ...]
    unsimulated: tuple[UnsimulatedLayer, ...] = ()
    order: tuple[CallKind, ...] = ()
    passed_over: frozenset[int] = frozenset()
    at_once: int | None = None

    @property
    def macs(self) -> int:
        """MACs of the convolutions, for one image."""
        return sum(site.shape.macs for site in self.sites)

    @property
    def eligible(self) -> tuple[ConvSite, ...]:
        """The convolutions that can have a predictor."""
        return tuple(site for site in self.sites if site.unpredicted is None)

    def check_batch(self, images: int) -> None:
        """Refuse steps of more images than a pass takes.

        Raises
        ------
        FrontendError
            Saying how many it takes.
        """
        if self.at_once is not None and images > self.at_once:
            raise FrontendError(
                "the network takes one image at a time (several at once change each other's outputs, or make it "
                f"fail): expected a batch of 1, got {images}"
            )

    def site(self, name: str) -> ConvSite:
        """Return the layer of that name."""
        return next(site for site in self.sites if site.name == name)


def trace_graph(model: nn.Module, *example: torch.Tensor, fully_connected: bool = False) -> Graph:
    """Run `model` once on `example` (one image, or several inputs) and return its convolutions.

    With `fully_connected`, these layers are among them, as 1×1 convolutions that have no predictor.

    The forward pass is watched at the level of torch's functions, not of modules: functional, in-place and
    shared ReLUs are seen as well as modules, and nothing is attached to the model.

    Raises
    ------
    FrontendError
        If the network runs no 2-D convolution or does not take the example, is not in single precision, returns
        something else than tensors, or does not follow from the picture alone.
    """
    check_model(model)
    recorder = Recorder(model)
    images = len(example[0])
    try:
        with torch.random.fork_rng(devices=[]), frozen(model, explained=False):
            before = State(model)
            with recorder:
                outputs = model(*example)
            recorder.use_at_end(tensors_of(outputs), "output")
            recorder.use_at_end(tensors_of(list(before.kept())), "attribute")
            check_pass(recorder)
            check_outputs(outputs, images)
            graph = _graph(recorder, model, images, fully_connected)
            alone = check_repeatable(model, example, graph.order, recorder)
            graph = graph if takes_several(model, example, alone) else replace(graph, at_once=1)
    except ZapsimError:
        raise
    except Exception as error:  # a network's own code raises what it likes
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in example)
        raise FrontendError(f"the network does not run on an input {shapes}: {first_line(error)}") from error
    if not graph.sites:
        kinds = ", ".join(dict.fromkeys(layer.reason for layer in graph.unsimulated))
        hint = "; zapsim trace --fully-connected takes these for 1×1 convolutions" if FULLY_CONNECTED in kinds else ""
        raise FrontendError(f"the network runs no 2-D convolution{f' (only: {kinds})' if kinds else ''}{hint}")
    return graph


def _graph(recorder: Recorder, model: nn.Module, images: int, fully_connected: bool) -> Graph:
    sites = _sites(recorder, model, images, fully_connected)
    unsimulated = unsimulated_layers(recorder, {site.call for site in sites}, images)
    return Graph(sites, unsimulated, *_order(recorder, sites))


def _order(recorder: Recorder, sites: Sequence[ConvSite]) -> tuple[tuple[CallKind, ...], frozenset[int]]:
    """Return the order of the calls that sites are known by, and the convolutions that are passed over."""
    followed = [call for site in sites for call in (site.call, site.output_call) if call is not None]
    followed += [("norm", norm) for site in sites for norm in site.norm_calls]
    convs = {node.conv_call for node in recorder.nodes if node.conv_call is not None}
    followed += [("conv", number) for number in convs]
    kinds = {kind for kind, _ in followed}
    numbers = dict.fromkeys(kinds, 0)
    order: list[CallKind] = []
    last = 0
    for kind in recorder.order:
        if kind in kinds:
            order.append(kind)
            last = len(order) if (kind, numbers[kind]) in followed else last
            numbers[kind] += 1
    return tuple(order[:last]), frozenset(convs - {site.conv_call for site in sites if not site.fully_connected})


def _sites(recorder: Recorder, model: nn.Module, images: int, fully_connected: bool) -> tuple[ConvSite, ...]:
    owners: dict[int, list[str]] = {}  # two modules may share a weight
    for name, value in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(value), []).append(name.rpartition(".")[0])
    modules = {name for name, _ in model.named_modules()}
    calls: dict[str, int] = {}
    sites: list[tuple[Node, ConvSite]] = []
    for node in recorder.nodes:
        conv, weight = _convolution(node, fully_connected)
        if conv is None or node.fixed or maps_per_image(node, images) != 1:
            continue
        kind, number = layer_call(node)
        # A weight that is computed (weight norm, pruning) is no parameter; the module that runs is its owner.
        names = owners.get(id(weight), [node.module])
        name = (node.module if node.module in names else names[0]) or _unnamed(kind, number, modules)
        calls[name] = calls.get(name, 0) + 1
        unique = name if calls[name] == 1 else f"{name}#{calls[name]}"
        shape = _shape(unique, conv)
        way = follow(recorder, node)
        reason = way.reason
        if (kind, number) == ("conv", 0):
            reason = FIRST_LAYER
        elif kind == "linear":
            reason = reason or NO_NEIGHBOURS
        elif reason is None and min(shape.P, shape.Q) < SMALLEST_MAP:
            reason = f"output map of {shape.P}×{shape.Q} is too small"
        site = ConvSite(
            shape, number, way.relu_call, reason, way.norm_calls, way.added, way.early, way.ceiling, kind == "linear"
        )
        sites.append((node, site))
    return _one_per_relu(sites)


def _convolution(node: Node, fully_connected: bool) -> tuple[Conv2dCall | None, torch.Tensor | None]:
    """Return the convolution that a call is or, if wanted, is taken for, and its weight."""
    if node.conv is not None:
        return node.conv, node.conv.weight
    if fully_connected and node.linear is not None and node.linear.input.ndim > 1 and not node.fixed:
        return node.linear.as_conv2d(), node.linear.weight
    return None, None


def _unnamed(kind: str, call: int, modules: Collection[str]) -> str:
    """Name a layer that belongs to no module, unlike every module."""
    name = f"{kind}{call}"
    return name if name not in modules else f"functional_{name}"


def _one_per_relu(candidates: Sequence[tuple[Node, ConvSite]]) -> tuple[ConvSite, ...]:
    """Leave each ReLU to one convolution where several are summed before it: the one on the main path.

    That is the one with most convolutions before it (a shortcut has fewer); of equals, the one with most MACs per
    output, then the first.
    """
    main: dict[Call, tuple[tuple[int, int, int], ConvSite]] = {}
    for node, site in candidates:
        if site.output_call is not None:
            rank = (node.depth, site.shape.macs_per_output, -site.conv_call)
            main[site.output_call] = max(
                main.get(site.output_call, (rank, site)), (rank, site), key=lambda ranked: ranked[0]
            )
    sites = []
    for _, site in candidates:
        owner = site if site.output_call is None else main[site.output_call][1]
        reason = site.unpredicted if owner is site else f"added to {owner.name}, behind which their sum is predicted"
        relu_call, early = (site.relu_call, site.early) if owner is site else (None, None)
        sites.append(replace(site, relu_call=relu_call, early=early, unpredicted=reason))
    return tuple(sites)


def _shape(name: str, conv: Conv2dCall) -> ConvShape:
    if conv.ifmap.ndim != _IMAGES_DIMS:
        raise FrontendError(f"layer {name}: its input {tuple(conv.ifmap.shape)} has no dimension of images")
    _, channels, height, width = conv.ifmap.shape
    filters, _, rows, cols = conv.weight.shape
    return ConvShape(
        name=name,
        C=channels,
        H=height,
        W=width,
        K=filters,
        R=rows,
        S=cols,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
    )
