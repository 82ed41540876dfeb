"""A workload as a list of layers in YAML: convolutions, fully connected layers and matrix products.

    name: my network
    layers:
      - {name: conv1, C: 3, H: 32, W: 32, K: 16, R: 3, S: 3, padding: same}
      - {name: conv2, C: 16, H: 32, W: 32, K: 16, R: 3, S: 3, stride: 2, padding: 1, groups: 16}
      - {name: scores, gemm: {M: 196, N: 64, K: 384}}
      - {name: fc, C: 4096, K: 10}

H, W, R and S are 1 if they are left out, so that C and K alone are a fully connected layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from zapsim.errors import WorkloadError, did_you_mean, shown
from zapsim.reading.yaml_text import read_mapping
from zapsim.workload import ConvShape, Workload

_KEYS = ("name", "C", "H", "W", "K", "R", "S", "stride", "padding", "dilation", "groups", "gemm")
_GEMM_KEYS = ("M", "N", "K")


class _InvalidError(ValueError):
    """A value of a layer that is not as expected; the message starts with the key."""


def read_layer_list(path: Path) -> Workload:
    """Read the workload of a YAML file.

    Raises
    ------
    ConfigError
        If the file is not YAML or holds no mapping.
    WorkloadError
        With a line per layer that cannot be used, named by its place and its name.
    """
    tree = read_mapping(path)
    unknown = [key for key in tree if key not in {"name", "layers"}]
    if unknown:
        hint = did_you_mean(unknown[0], ("name", "layers"))
        raise WorkloadError(f"{path.name}: {unknown[0]}: unknown key{hint}; a workload has name and layers")
    entries = tree.get("layers")
    if not isinstance(entries, list) or not entries:
        raise WorkloadError(f"{path.name}: layers: expected a list of layers, got {shown(entries)}")
    layers, faults = [], []
    for number, entry in enumerate(entries, start=1):
        try:
            layers.append(_layer(entry, f"layer{number}"))
        except (_InvalidError, WorkloadError) as error:
            name = f" ({entry['name']})" if isinstance(entry, Mapping) and isinstance(entry.get("name"), str) else ""
            faults.append(f"{path.name}: layer {number}{name}: {error}")
    if faults:
        raise WorkloadError("\n".join(faults))
    name = tree.get("name", path.stem)
    if not isinstance(name, str) or not name.isprintable():
        raise WorkloadError(f"{path.name}: name: expected one line of text, got {shown(name)}")
    return Workload(name, tuple(layers))


def gemm(name: str, M: int, N: int, K: int) -> ConvShape:
    """Make the matrix product (M × K) · (K × N) a layer: a 1×1 convolution of K channels and N filters on M pixels.

    The pixels lie on a map as near to a square as M can be divided, which is all the same to a 1×1 convolution, but
    not to an array that spreads rows of the map over its columns.

    Raises
    ------
    WorkloadError
        If a size is below 1.
    """
    rows = next((size for size in range(isqrt(max(M, 0)), 0, -1) if M % size == 0), 1)
    return ConvShape(name, K, rows, M // rows, N, 1, 1)


def _layer(entry: object, name: str) -> ConvShape:
    if not isinstance(entry, Mapping):
        raise _InvalidError(f"expected keys such as C, H, W, K, R and S, got {shown(entry)}")
    for key in entry:
        if key not in _KEYS:
            raise _InvalidError(f"{key}: unknown key{did_you_mean(key, _KEYS)}; known: {', '.join(_KEYS)}")
    title: object = entry.get("name", name)
    if not isinstance(title, str) or not title.isprintable() or not title:
        raise _InvalidError(f"name: expected one line of text, got {shown(title)}")
    if "gemm" in entry:
        return _gemm(entry, title)
    C, K = (_whole(entry, key) for key in ("C", "K"))
    H, W, R, S, groups = (_whole(entry, key, 1) for key in ("H", "W", "R", "S", "groups"))
    stride, dilation = _pair(entry, "stride"), _pair(entry, "dilation")
    padding = _padding(entry.get("padding", 0), ((H, R, stride[0], dilation[0]), (W, S, stride[1], dilation[1])))
    return ConvShape(title, C, H, W, K, R, S, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _gemm(entry: Mapping[str, Any], name: str) -> ConvShape:
    sizes = entry["gemm"]
    others = [key for key in entry if key not in {"name", "gemm"}]
    if others:
        raise _InvalidError(f"{others[0]}: a layer with gemm has no other keys than name")
    if not isinstance(sizes, Mapping) or set(sizes) != set(_GEMM_KEYS):
        raise _InvalidError("gemm: expected {M: ..., N: ..., K: ...}: rows, columns and inner dimension")
    return gemm(name, *(_whole(sizes, key) for key in _GEMM_KEYS))


def _whole(entry: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if value is None:
        raise _InvalidError(f"{key}: is missing; a convolution needs C, H, W, K, R, S, a fully connected layer C and K")
    if type(value) is not int or value < 1:
        raise _InvalidError(f"{key}: expected a whole number of at least 1, got {shown(value)}")
    return value


def _pair(entry: Mapping[str, Any], key: str) -> tuple[int, int]:
    """Read one number for rows and columns, or a list of both."""
    value: object = entry.get(key, 1)
    both: list[Any] = value if isinstance(value, list) else [value, value]
    if len(both) != 2 or any(type(size) is not int or size < 1 for size in both):
        raise _InvalidError(f"{key}: expected a whole number, or [rows, columns], got {value!r}")
    return both[0], both[1]


def _padding(value: object, axes: tuple[tuple[int, int, int, int], ...]) -> tuple[int, int, int, int]:
    """Read padding: a number, [rows, columns], [top, bottom, left, right], or `same` (ofmap of ceil(size / stride))."""
    if value == "same":
        before_after: list[int] = []
        for size, taps, stride, dilation in axes:
            total = max((-(-size // stride) - 1) * stride + dilation * (taps - 1) + 1 - size, 0)
            before_after += [total // 2, total - total // 2]
        top, bottom, left, right = before_after
        return top, bottom, left, right
    sizes: list[Any] = value if isinstance(value, list) else [value]
    if len(sizes) not in {1, 2, 4} or any(type(size) is not int or size < 0 for size in sizes):
        raise _InvalidError(
            f"padding: expected a whole number, [rows, columns], [top, bottom, left, right] or same, got {value!r}"
        )
    if len(sizes) == 4:
        return sizes[0], sizes[1], sizes[2], sizes[3]
    return sizes[0], sizes[0], sizes[-1], sizes[-1]
