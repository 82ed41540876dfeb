"""Which photographs a set of images was cut from: what keeps training, calibration and test apart.

A photograph is known by a digest of its pixels, so that a copy under another name is still the same photograph. Crops
of one photograph are not independent, and a crop of a photograph that predictors have learnt from is not unseen. An
image that was not cut from anything, as those of MNIST, is a photograph of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BYTES = 6
"""Kept of each SHA-256: of 60,000 photographs, two are taken for one with a chance of 1 in 150,000."""


_GREY_DIMS = 2


def photograph_digest(picture: Image.Image | NDArray[Any]) -> str:
    """Return the digest of a decoded picture, or of any array, as (rows, columns, channels): 12 hexadecimal digits."""
    pixels = np.ascontiguousarray(np.asarray(picture))
    shape = (*pixels.shape, 1) if pixels.ndim == _GREY_DIMS else pixels.shape
    return hashlib.sha256(f"{shape} {pixels.dtype}".encode() + pixels.tobytes()).hexdigest()[: 2 * _BYTES]


def subject_digest(name: object) -> str:
    """Return the digest of a photograph, or of another subject, that is known by its name alone."""
    return hashlib.sha256(f"subject {name}".encode()).hexdigest()[: 2 * _BYTES]


def describe_photographs(digests: Iterable[str]) -> dict[str, Any]:
    """Return a set of photographs as it stands in a file's provenance: their number, and all digests in one string."""
    ordered = sorted(set(digests))
    packed = base64.b64encode(bytes.fromhex("".join(ordered))).decode()
    return {"count": len(ordered), "digests": packed}


def described_photographs(provenance: Mapping[str, Any]) -> frozenset[str]:
    """Return the digests of the photographs that a provenance names under ``data``; none if it names none.

    Files that an earlier version wrote name none.
    """
    data = provenance.get("data")
    described = data.get("photographs") if isinstance(data, Mapping) else None
    packed = described.get("digests") if isinstance(described, Mapping) else None
    if not isinstance(packed, str):
        return frozenset()
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return frozenset()
    return frozenset(raw[start : start + _BYTES].hex() for start in range(0, len(raw), _BYTES))
