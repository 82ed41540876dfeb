"""What files say about how they were made: versions, arguments without paths, data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zapsim
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.preprocessing import Preprocessing


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on."""
    return {"zapsim": zapsim.__version__, "torch": str(torch.__version__), "numpy": np.__version__}


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return command-line arguments with file names instead of paths, which are nobody else's business."""
    return {name: _plain(value) for name, value in sorted(given.items()) if value is not None and not callable(value)}


def describe(images: ImageSet) -> dict[str, Any]:
    """Return what a set of images is."""
    described: dict[str, Any] = {"what": images.description}
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


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return value.resolve().name
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
