"""MACs of torch's operators, for the layers that are not simulated."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

_CONVOLUTIONS = frozenset({"aten::convolution", "aten::_convolution", "aten::convolution_overrideable"})
_PRODUCTS = {
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::_int_mm": (0, 1),
    "aten::addmm": (1, 2),
    "aten::baddbmm": (1, 2),
    "aten::addbmm": (1, 2),
}
"""Places of the two matrices, by operator."""
_VECTOR_PRODUCTS = {"aten::mv": 0, "aten::dot": 0, "aten::vdot": 0, "aten::addmv": 1}


def operator_macs(operator: Any, args: Sequence[Any], result: Any) -> int:
    """Count the MACs of one operator: a convolution, a matrix product, attention, or a quantised layer; else 0."""
    name = str(operator._schema.name)
    macs = 0
    if name in _CONVOLUTIONS:
        weight, transposed = args[1], bool(args[6])
        macs = _conv_macs(weight, args[0] if transposed else result)
    elif name in _PRODUCTS:
        left, right = (args[place] for place in _PRODUCTS[name])
        macs = left.numel() * right.shape[-1]
    elif name in _VECTOR_PRODUCTS:
        macs = args[_VECTOR_PRODUCTS[name]].numel()
    elif name == "aten::linear":
        macs = result.numel() * args[1].shape[-1]
    elif name.startswith("aten::_scaled_dot_product"):
        query, key, value = args[:3]
        macs = query.numel() * key.shape[-2] + query[..., 0].numel() * key.shape[-2] * value.shape[-1]
    elif name == "aten::mkldnn_rnn_layer":
        macs = prod(args[0].shape[:2]) * (args[1].numel() + args[2].numel())
    elif name.startswith("quantized::") and any(kind in name for kind in ("conv", "linear")):
        macs = _quantised_macs(name, args, result)
    return int(macs)


def _conv_macs(weight: Any, positions: Any) -> int:
    """Count the MACs of a convolution: every filter tap at every position of the map on its narrower side."""
    dims = weight.ndim - 2
    images = positions.shape[0] if positions.ndim == weight.ndim else 1
    return int(images * prod(positions.shape[-dims:]) * weight.numel())


def _quantised_macs(name: str, args: Sequence[Any], result: Any) -> int:
    packed = next((arg for arg in args if hasattr(arg, "unpack")), None)
    if packed is None:
        return 0
    weight = packed.unpack()[0]
    if "conv" in name:
        return _conv_macs(weight, args[0] if "transpose" in name else result)
    return int(result.numel() * weight.shape[-1])
