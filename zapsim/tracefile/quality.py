"""The quality of an operating point in words: figures of the traced images beside the same figures of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TRACED: Final = "traced_"
"""Prefix of what was measured on the traced images themselves, beside the same figure of other images."""


def described(quality: Mapping[str, float]) -> list[str]:
    """Describe each figure in a few words."""
    parts = []
    for name, value in quality.items():
        figure = name.removeprefix(TRACED)
        if name != figure and figure in quality:
            continue  # stands beside that of other images
        traced = quality.get(f"{TRACED}{figure}")
        beside = "" if traced is None else f"{traced:.2%} on the traced images, "
        parts.append(f"{figure.replace('_', ' ')} {beside}{value:.2%}{' on others' if beside else ''}")
    return parts
