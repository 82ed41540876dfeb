"""Networks for ``harm.py``: each with images to learn from, to choose thresholds on and to measure on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import digits_in_photographs
import efficientnet_lite0
import numpy as np
import residual
import torch
from classifier import idx_images, train_classifier
from numpy.typing import NDArray
from safetensors.torch import save_file

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.network import Network
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks import digits, hed_vgg16, vgg8

OUTPUT = "relative_output_error"
TOP1 = "top1_lost"
PHOTOGRAPHS = ((OUTPUT, 0.03),)
LABELLED = (*PHOTOGRAPHS, (TOP1, 0.005), (TOP1, 0.01))
"""What is lost and how much of it: without labels, and with them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A network and its three splits, and what is asked of it.

    Attributes
    ----------
    limits
        Figures, and how much of each may be lost.
    errors
        The smallest and the largest error of the output that is tried.
    middle
        The error of the output at whose operating point harm is measured.
    batch
        Images per step of the training.
    harm_images
        On how many of the calibration images harm is measured at most.
    """

    network: Network
    learning: ImageSet
    calibration: ImageSet
    test: ImageSet
    limits: tuple[tuple[str, float], ...] = LABELLED
    errors: tuple[float, float] = (0.015, 0.6)
    middle: float = 0.1
    batch: int = 32
    harm_images: int = 256


def _digits(args: argparse.Namespace, seed: int) -> Case:
    net = digits.cnn()
    return _classified(
        net, *(idx_images(args.mnist, part, net.preprocessing) for part in ("train", "t10k")), args, seed
    )


def _vgg8(args: argparse.Namespace, seed: int) -> Case:
    torch.manual_seed(0)
    net = vgg8.vgg8()
    train, others = (idx_images(args.fashion, part, net.preprocessing) for part in ("train", "t10k"))
    _base(net, train.first(args.base_images), args, "vgg8", batch=64, lr=0.05)
    return _classified(net, train, others, args, seed)


def _resnet18(args: argparse.Namespace, seed: int) -> Case:
    torch.manual_seed(0)
    net = residual.network()
    train, others = (idx_images(args.fashion, part, net.preprocessing) for part in ("train", "t10k"))
    _base(net, train.sample(args.base_images, 0), args, "resnet18", batch=32, lr=0.03)
    return _classified(net, train, others, args, seed)


def _digits_in_photographs(args: argparse.Namespace, seed: int) -> Case:
    torch.manual_seed(0)
    net = digits_in_photographs.network()
    cut = partial(digits_in_photographs.pictures, args.mnist)
    train, calibrate, test = (args.photographs / part for part in ("train", "calibrate", "test"))
    _base(net, cut("train", slice(0, args.base_images), train, 0), args, "digits_in_photographs", batch=64, lr=0.05)
    learning = cut("train", slice(0, args.learning), train, seed + 1)
    calibration = cut("train", slice(50_000, 50_000 + args.calibration), calibrate, seed + 2)
    tested = cut("t10k", slice(0, args.test), test, seed + 3)
    return Case(net, learning, calibration, tested)


def _vgg16(args: argparse.Namespace, seed: int) -> Case:
    return _photographed(hed_vgg16.vgg16(), args, seed, batch=4)


def _efficientnet_lite0(args: argparse.Namespace, seed: int) -> Case:
    return _photographed(efficientnet_lite0.network(), args, seed, batch=2)


CASES: dict[str, Callable[[argparse.Namespace, int], Case]] = {
    "digits": _digits,
    "vgg8": _vgg8,
    "digits_in_photographs": _digits_in_photographs,
    "resnet18": _resnet18,
    "vgg16": _vgg16,
    "efficientnet_lite0": _efficientnet_lite0,
}


def _base(net: Network, images: ImageSet, args: argparse.Namespace, name: str, batch: int, lr: float) -> None:
    """Train a network, or take it from a former run."""
    file = args.work / f"{name}.safetensors"
    if file.exists():
        load_weights(net.model, file)
        return
    train_classifier(net.model, images, args.base_epochs, 0, batch=batch, lr=lr)
    save_file({key: value.contiguous() for key, value in net.model.state_dict().items()}, file)


def _classified(net: Network, train: ImageSet, others: ImageSet, args: argparse.Namespace, seed: int) -> Case:
    """Draw images to learn from, and split images that the network has not seen: a few choose, the others measure."""
    order = np.random.default_rng(seed).permutation(len(others))
    calibration = _part(others, order[: args.calibration])
    tested = _part(others, order[args.calibration : args.calibration + args.test])
    return Case(net, train.sample(args.learning, seed), calibration, tested)


def _photographed(net: Network, args: argparse.Namespace, seed: int, batch: int) -> Case:
    """Cut crops out of the photographs of each split, as large as the network's input if nothing else is said."""
    net = replace(net, preprocessing=replace(net.preprocessing, size=args.size or net.preprocessing.size))
    parts = (("train", args.learning), ("calibrate", args.calibration), ("test", args.test))
    crops = (
        load_crops([args.photographs / name], net.preprocessing, count, seed * len(parts) + number)
        for number, (name, count) in enumerate(parts)
    )
    return Case(net, *crops, PHOTOGRAPHS, (0.015, 0.08), 0.03, batch)


def _part(images: ImageSet, chosen: NDArray[np.int64]) -> ImageSet:
    names = tuple(images.names[index] for index in chosen)
    about = f"{len(chosen)} of {images.description}"
    return replace(images, pixels=images.pixels[chosen], names=names, labels=images.labels[chosen], description=about)
