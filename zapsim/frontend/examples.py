"""Inputs that are no pictures: tensors that a function of the user's gives, ready for the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from zapsim.errors import FrontendError
from zapsim.frontend.data.image_set import ImageSet, ImageStore
from zapsim.frontend.data.preprocessing import IMAGENET
from zapsim.frontend.factory import load_factory


def load_examples(spec: str, count: int | None = None) -> ImageSet:
    """Return the examples that the function ``package.module:factory`` gives.

    Parameters
    ----------
    spec
        The function takes no arguments. It returns a tensor of floating point (examples, ...), a pair of such a tensor
        and the classes (examples,), or something that yields batches of these, such as a ``DataLoader``.
    count
        How many are taken from the start (default: all).

    Raises
    ------
    FrontendError
        If there is no such function, it fails or gives something else, or gives fewer than `count`.
    """
    factory = load_factory(spec, "inputs")
    try:
        made = factory()
        store, classes = _collect(made, spec, count)
    except FrontendError:
        raise
    except Exception as error:  # a user's own code raises what it likes
        raise FrontendError(f"inputs '{spec}': the function fails ({type(error).__name__}: {error})") from error
    if not len(store) or (count is not None and len(store) < count):
        raise FrontendError(f"{count or 'some'} examples wanted, but {spec} gives only {len(store)}")
    if classes and len(classes) != len(store):
        raise FrontendError(f"inputs '{spec}': {len(classes)} classes for {len(store)} examples")
    names = tuple(f"example {index}" for index in range(len(store)))
    labels = np.array(classes, dtype=np.int64) if classes else None
    return ImageSet(store.array(), names, IMAGENET, f"{len(store)} examples of {spec}", labels)


def _collect(made: object, spec: str, count: int | None) -> tuple[ImageStore, list[int]]:
    """Store the examples of all batches, and list their classes."""
    store, classes = ImageStore(), []
    shape: tuple[int, ...] | None = None
    for batch in _batches(made, spec):
        values, *rest = batch if isinstance(batch, (tuple, list)) else (batch,)
        if not (isinstance(values, torch.Tensor) and values.is_floating_point() and values.ndim > 1):
            kind = (
                f"{values.dtype} {tuple(values.shape)}" if isinstance(values, torch.Tensor) else type(values).__name__
            )
            raise FrontendError(
                f"inputs '{spec}': expected a tensor of floating point (examples, ...), or batches of it, got {kind}"
            )
        shape = shape or tuple(values.shape[1:])
        if tuple(values.shape[1:]) != shape:
            raise FrontendError(f"inputs '{spec}': an example is {tuple(values.shape[1:])}, the first is {shape}")
        left = len(values) if count is None else min(len(values), count - len(store))
        for example in values[:left].detach().cpu().float().contiguous().numpy():
            store.add(example)
        classes += [int(label) for label in rest[0][:left]] if rest else []
        if len(store) == count:
            break
    return store, classes


def _batches(made: Any, spec: str) -> Iterable[Any]:
    """Return what was made as batches: a tensor, or a pair of tensor and classes, is one."""
    if isinstance(made, torch.Tensor) or (isinstance(made, tuple) and made and isinstance(made[0], torch.Tensor)):
        return [made]
    if isinstance(made, Iterable):
        return made
    raise FrontendError(f"inputs '{spec}': expected a tensor or batches of tensors, got {type(made).__name__}")
