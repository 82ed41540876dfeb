"""Layers of an ONNX file, with the sizes that the `onnx` package infers.

Convolutions in two dimensions, fully connected layers (``Gemm``) and matrix products (``MatMul``) become layers.
Operators that only move, choose, scale, sum or compare values are no layers; others, whose MACs would be missing in all
totals, make the file unusable. Weights are not needed and not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from zapsim.errors import WorkloadError, check_extra, printable
from zapsim.reading.regular_file import MOST_OF_ONNX, check_regular
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.layer_list import gemm

_NO_LAYERS = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "BitShift", "Cast", "CastLike",
    "Ceil", "Celu", "Clip", "Compress", "Concat", "Constant", "ConstantOfShape", "Cos", "CumSum", "DepthToSpace",
    "DequantizeLinear", "Div", "Dropout", "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "Expand",
    "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "GlobalAveragePool",
    "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish",
    "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LayerNormalization", "LRN", "LeakyRelu",
    "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "LpPool", "Max", "MaxPool", "Mean",
    "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul", "Neg", "NonMaxSuppression", "NonZero", "Not",
    "OneHot", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Relu", "Reshape", "Resize", "ReverseSequence", "RMSNormalization", "RoiAlign", "Round",
    "ScatterElements", "ScatterND", "Selu", "Shape", "Shrink", "Sigmoid", "Sign", "Sin", "Size", "Slice", "Softmax",
    "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Swish", "Tanh",
    "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu", "Unique", "Unsqueeze", "Upsample", "Where", "Xor",
))  # fmt: skip
"""Operators of the default domain without matrix products."""

_Sizes: TypeAlias = Mapping[str, tuple[int, ...] | None]
_Attributes: TypeAlias = Mapping[str, Any]


class _UnsupportedError(Exception):
    """A node that cannot become a layer; the message says why."""


def read_onnx(path: Path) -> Workload:
    """Read the layers of an ONNX file, for one picture.

    Raises
    ------
    MissingExtraError
        If the `onnx` package is not installed.
    WorkloadError
        If the file is not an ONNX model, has sizes that are not fixed, or operators that cannot be simulated, which are
        listed by name and count.
    """
    check_extra("ONNX files need", "onnx", "onnx")
    import onnx

    name = printable(path.name)
    check_regular(path, MOST_OF_ONNX, "ONNX", WorkloadError)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own exceptions, which are not of one class in all of its versions
        raise WorkloadError(f"{name}: not an ONNX file ({_first_line(error)})") from None
    try:
        _fix_batch(model.graph, name)
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
        layers = _layers(graph, onnx.helper.get_attribute_value, name)
    except WorkloadError:
        raise
    except Exception as error:  # onnx raises an exception of its C++ library, and attributes may be of any type
        raise WorkloadError(f"{name}: no valid ONNX model ({_first_line(error)})") from None
    if not layers:
        raise WorkloadError(f"{name}: has no convolution, fully connected layer or matrix product")
    return Workload(printable(model.graph.name) or path.stem, tuple(layers))


def _fix_batch(graph: Any, name: str) -> None:
    """Set the first dimension of the inputs to 1; all others must be known."""
    weights = {weight.name for weight in graph.initializer}
    for value in graph.input:
        if value.name in weights:
            continue
        dims = value.type.tensor_type.shape.dim
        for axis, dim in enumerate(dims):
            if axis == 0 and len(dims) > 1:
                dim.dim_value = 1
            elif dim.dim_value < 1:
                raise WorkloadError(
                    f"{name}: input {printable(value.name)}: dimension {axis} has no fixed size; export the "
                    "network for one size of pictures"
                )


def _layers(graph: Any, value_of: Callable[[Any], Any], name: str) -> list[ConvShape]:
    sizes = _sizes(graph)
    makers = {"Conv": _convolution, "Gemm": _fully_connected, "MatMul": _product}
    layers: dict[str, ConvShape] = {}
    unsupported: Counter[str] = Counter()
    for node in graph.node:
        if node.domain in {"", "ai.onnx"} and node.op_type in _NO_LAYERS:
            continue
        if node.domain not in {"", "ai.onnx"} or node.op_type not in makers:
            unsupported[f"{node.domain}.{node.op_type}" if node.domain else node.op_type] += 1
            continue
        title = printable(node.name or node.output[0]).strip("/").replace("/", ".") or node.op_type
        while title in layers:
            title += "#2"
        attributes = {attribute.name: value_of(attribute) for attribute in node.attribute}
        try:
            layers[title] = makers[node.op_type](title, node, attributes, sizes)
        except _UnsupportedError as reason:
            unsupported[f"{node.op_type} ({reason})"] += 1
    if unsupported:
        listed = ", ".join(f"{count} × {printable(operator)}" for operator, count in unsupported.most_common())
        raise WorkloadError(
            f"{name}: has operators that cannot be simulated: {listed}; leave them out of the exported network, or "
            "list the other layers in a YAML file"
        )
    return list(layers.values())


def _sizes(graph: Any) -> dict[str, tuple[int, ...] | None]:
    """Collect the sizes of all tensors: of weights, inputs, outputs and what was inferred; None: not known."""
    sizes: dict[str, tuple[int, ...] | None] = {}
    for value in (*graph.input, *graph.output, *graph.value_info):
        dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        sizes[value.name] = dims if all(dims) else None
    sizes.update({weight.name: tuple(weight.dims) for weight in graph.initializer})
    return sizes


def _known(sizes: _Sizes, tensor: str) -> tuple[int, ...]:
    size = sizes.get(tensor)
    if size is None:
        raise _UnsupportedError("of a size that is not fixed")
    return size


def _convolution(title: str, node: Any, attributes: _Attributes, sizes: _Sizes) -> ConvShape:
    ifmap, filters = (_known(sizes, tensor) for tensor in node.input[:2])
    if len(ifmap) != 4:
        raise _UnsupportedError(f"{len(ifmap) - 2}-D")
    _, C, H, W = ifmap
    K, _, R, S = filters
    stride, dilation = (tuple(attributes.get(key, (1, 1))) for key in ("strides", "dilations"))
    # ONNX lists the beginnings of all axes, then their ends.
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        spread = [
            max((-(-size // step) - 1) * step + gap * (taps - 1) + 1 - size, 0)
            for size, taps, step, gap in ((H, R, stride[0], dilation[0]), (W, S, stride[1], dilation[1]))
        ]
        less, more = [total // 2 for total in spread], [total - total // 2 for total in spread]
        (top, left), (bottom, right) = (less, more) if automatic == "SAME_UPPER" else (more, less)
    return ConvShape(
        title, C, H, W, K, R, S, stride=stride, padding=(top, bottom, left, right), dilation=dilation,
        groups=attributes.get("group", 1),
    )  # fmt: skip


def _fully_connected(title: str, node: Any, attributes: _Attributes, sizes: _Sizes) -> ConvShape:
    left, right = (_known(sizes, tensor) for tensor in node.input[:2])
    rows, inner = reversed(left) if attributes.get("transA", 0) else left
    filters = right[0] if attributes.get("transB", 0) else right[1]
    return gemm(title, rows, filters, inner)


def _product(title: str, node: Any, _attributes: _Attributes, sizes: _Sizes) -> ConvShape:
    """Make a product of matrices a layer: of one pair, or of several with one right side; others are groups."""
    left, right = (_known(sizes, tensor) for tensor in node.input[:2])
    if len(left) < 2 or len(right) < 2:
        raise _UnsupportedError("with a vector")
    pairs = prod(right[:-2])
    if pairs == 1:
        return gemm(title, prod(left[:-1]), right[-1], left[-1])
    if prod(left[:-2]) != pairs:
        raise _UnsupportedError("of matrices that are repeated")
    matrix = gemm(title, left[-2], right[-1], left[-1])
    return ConvShape(title, pairs * matrix.C, matrix.H, matrix.W, pairs * matrix.K, 1, 1, groups=pairs)


def _first_line(error: Exception) -> str:
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0])[:160]
