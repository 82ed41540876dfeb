"""What the public functions take (names, paths or objects), and what their files say of how they were made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from zapsim.errors import FrontendError, printable
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.photographs import describe_photographs
from zapsim.frontend.data.preprocessing import IMAGENET, Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import device_of
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.network import NamedNetwork
from zapsim.frontend.scorer import Scorer
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.predictor import PredictorSet, load_predictors
from zapsim.frontend.tuning.operating_points import load_points
from zapsim.tracefile.records import OperatingPoint
from zapsim.version import __version__

NetworkInput: TypeAlias = str | NamedNetwork | nn.Module | Network
"""``package.module:factory`` (or its pictures prepared otherwise), a module (ImageNet's pictures), or a `Network`."""

ImagesInput: TypeAlias = str | Path | Sequence[str | Path] | ImageSet
"""Pictures, folders of pictures, a folder with one subfolder per class, one idx or npz file, or a set of images."""

PredictorsInput: TypeAlias = str | Path | PredictorSet
"""A predictor file, or what :func:`~zapsim.frontend.api.train` returned as its ``predictors``."""

PointInput: TypeAlias = float | str | Path | OperatingPoint
"""A threshold for all layers, a file of operating points (all of them), or an operating point."""

BEST = "best"
"""In the place of a method's name: per layer the one that pays best."""

_FILE_ARGUMENTS = frozenset(
    {
        "adapted",
        "arch",
        "check",
        "checkpoint",
        "eval_images",
        "eval_labels",
        "images",
        "labels",
        "masks",
        "out",
        "points",
        "predictors",
        "weights",
    }
)


class UndecodedPicturesWarning(UserWarning):
    """Some pictures did not decode and were left out."""


def as_paths(images: ImagesInput) -> ImageSet | list[Path]:
    """Return a set of images as it is, and anything else as a list of paths."""
    if isinstance(images, ImageSet):
        return images
    return [Path(images)] if isinstance(images, (str, Path)) else [Path(path) for path in images]


def as_path(path: str | Path | None) -> Path | None:
    """Return a path as a :class:`Path`."""
    return None if path is None else Path(path)


def open_network(
    network: NetworkInput,
    weights: str | Path | None,
    device: str,
    seed: int,
    images: ImageSet | list[Path],
    *,
    fully_connected: bool = False,
) -> tuple[Network, Graph]:
    """Return the network and its convolutions; a plain module sees pictures as `images` say, or as ImageNet's.

    Images that are tensors already say what the network's input is like. With `fully_connected`, these layers are taken
    for 1×1 convolutions.

    Raises
    ------
    FrontendError
        If the network cannot be made or run, or weights are given for one that exists already.
    """
    if isinstance(network, (str, NamedNetwork)):
        named = NamedNetwork(network) if isinstance(network, str) else network
        network = named.load(None if weights is None else Path(weights), device, seed)
    elif weights is not None:
        raise FrontendError("weights are for a network that is named; load them into the module")
    elif isinstance(network, nn.Module):
        pre = images.preprocessing if isinstance(images, ImageSet) else IMAGENET
        network = Network(network, type(network).__name__, "a module in memory", pre)
    example = network.example()
    if isinstance(images, ImageSet) and images.pixels.dtype == np.float32:
        example = torch.zeros(1, *images.pixels.shape[1:])
    on_device = example.to(device_of(network.model))
    return network, trace_graph(network.model, on_device, fully_connected=fully_connected)


def open_predictors(predictors: PredictorsInput, network: Network, graph: Graph) -> PredictorSet:
    """Return predictors, on the network's device; they must have been trained for it."""
    opened = predictors if isinstance(predictors, PredictorSet) else load_predictors(Path(predictors))
    opened.check_fit(network.weights_sha256, graph)
    for method in opened.header.methods:
        for predictor in opened.of_method(method).values():
            predictor.to(device_of(network.model))
    return opened


def open_points(
    points: PointInput | Sequence[PointInput], predictors: PredictorSet, method: str | None = None
) -> tuple[OperatingPoint, ...]:
    """Return the operating points that are meant; thresholds are of a `method` (default: the file's first).

    Raises
    ------
    FrontendError
        If a file is none of these predictors, two points have one name, or the method cannot be used.
    """
    opened: list[OperatingPoint] = []
    for point in points if isinstance(points, Sequence) and not isinstance(points, str) else [points]:
        if isinstance(point, OperatingPoint):
            opened.append(point)
        elif isinstance(point, (str, Path)):
            opened += load_points(Path(point), predictors)
        else:
            opened += uniform_points([point], scorers_of_thresholds(predictors, method))
    check_names(opened)
    return tuple(opened)


def scorers_of_thresholds(predictors: PredictorSet, method: str | None) -> Mapping[str, Scorer]:
    """Return by layer what scores of a `method` (default: the file's first) are compared with given thresholds.

    Raises
    ------
    FrontendError
        If the method cannot be used, or stands for the best of several.
    """
    if method == BEST:
        raise FrontendError(
            f"method '{BEST}' is chosen per layer from measured curves: give the points of `zapsim tune --method "
            f"{BEST}`, or name a method for the thresholds"
        )
    return predictors.predictors if method is None else predictors.of_method(method)


def check_names(points: Sequence[OperatingPoint], where: str = "") -> None:
    """Refuse two operating points of one name; the message begins with `where`."""
    names = [point.name for point in points]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FrontendError(f"{where}two operating points are called '{twice[0]}'")


def check_output(path: Path | None) -> None:
    """Make sure before the work that its result can be written; None is nothing to write.

    Raises
    ------
    FrontendError
        If `path` is a folder, or its folder cannot be made or written to.
    """
    if path is None:
        return
    if path.is_dir():
        raise FrontendError(f"{path}: is a folder, expected the name of a file to write")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FrontendError(f"{path}: cannot be written, {folder} is not a folder that may be written to")


def warn_of_undecoded(*sets: ImageSet | None) -> None:
    """Warn of the pictures that did not decode."""
    names = [name for images in sets if images is not None for name in images.skipped]
    if names:
        text = f"{len(names)} pictures did not decode and were left out: {', '.join(names)}"
        warnings.warn(text, UndecodedPicturesWarning, stacklevel=3)


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on."""
    return {"zapsim": __version__, "torch": str(torch.__version__), "numpy": np.__version__}


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for a file's provenance: names of files instead of paths, which are nobody else's business."""
    return {name: _plain(value) for name, value in sorted(values.items()) if value is not None and not callable(value)}


def call(function: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the provenance says of a call of a public function: its name and its arguments."""
    named = {
        name: _as_file(value) if name in _FILE_ARGUMENTS else value
        for name, value in values.items()
        if name != "provenance"
    }
    return {"command": function, "arguments": arguments(named)}


def _as_file(value: object) -> object:
    """Return strings as the paths that they are."""
    if isinstance(value, str):
        return Path(value)
    return [_as_file(item) for item in value] if isinstance(value, (list, tuple)) else value


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return printable(value.resolve().name)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, PredictorSet):
        return Path(value.source).name
    return str(getattr(value, "description", None) or getattr(value, "name", type(value).__name__))


def describe(images: ImageSet) -> dict[str, Any]:
    """Return what a set of images is, and which photographs it is of."""
    described: dict[str, Any] = {
        "what": images.description,
        "photographs": describe_photographs(images.photographs()),
    }
    if images.skipped:
        described["not_decoded"] = list(images.skipped)
    return described


def describe_preprocessing(pre: Preprocessing) -> dict[str, Any]:
    """Return the preprocessing as plain values."""
    return {
        "size": pre.size,
        "resize": pre.resize,
        "mean": list(pre.mean),
        "std": list(pre.std),
        "colours": pre.colours,
    }
