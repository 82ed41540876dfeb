"""ONNX files as workloads: sizes as PyTorch's, everything unsupported named with its count, every fault one line."""

from pathlib import Path

import pytest

from tests.optional import require
from zapsim.errors import MissingExtraError, ZapsimError
from zapsim.workload import ConvShape
from zapsim.workloads.layer_list import gemm
from zapsim.workloads.source import load_workload

onnx = require("onnx", "pip install -c constraints.txt -e '.[onnx]'")
FLOAT = onnx.TensorProto.FLOAT


def saved(tmp_path: Path, nodes, inputs, weights=(), name: str = "net", domain: str = "") -> Path:
    """Write a model; inputs and weights are names with sizes, weights without values."""
    values = [onnx.helper.make_tensor_value_info(title, FLOAT, size) for title, size in inputs]
    held = [onnx.helper.make_tensor(title, FLOAT, size, [0.0] * _count(size)) for title, size in weights]
    outputs = [onnx.helper.make_tensor_value_info(nodes[-1].output[0], FLOAT, None)]
    graph = onnx.helper.make_graph(nodes, name, values, outputs, held)
    opsets = [onnx.helper.make_opsetid("", 17), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _count(size) -> int:
    count = 1
    for dim in size:
        count *= dim
    return count


def node(operator: str, inputs: str, output: str, **attributes):
    return onnx.helper.make_node(operator, inputs.split(), [output], name=f"/{output}", **attributes)


def layers_of(tmp_path: Path, nodes, inputs, weights=()):
    return load_workload(saved(tmp_path, nodes, inputs, weights)).layers


def test_a_network(tmp_path):
    """The batch has no fixed size, as in most exported networks."""
    nodes = [
        node("Conv", "x w1 b1", "conv1", kernel_shape=[3, 5], strides=[2, 1], pads=[1, 2, 0, 3]),
        node("Relu", "conv1", "relu1"),
        node("MaxPool", "relu1", "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "pool1 w2", "conv2", group=4, dilations=[2, 1]),
        node("GlobalAveragePool", "conv2", "pooled"),
        node("Flatten", "pooled", "flat"),
        node("Gemm", "flat w3", "fc", transB=1),
    ]
    weights = [("w1", (8, 3, 3, 5)), ("b1", (8,)), ("w2", (4, 2, 3, 3)), ("w3", (10, 4))]
    path = saved(tmp_path, nodes, [("x", ("N", 3, 32, 20))], weights)
    workload = load_workload(path)
    assert workload.name == "net"
    conv1 = ConvShape("conv1", 3, 32, 20, 8, 3, 5, stride=(2, 1), padding=(1, 0, 2, 3))
    assert (conv1.P, conv1.Q) == (16, 21)
    assert workload.layers == (
        conv1,
        ConvShape("conv2", 8, 8, 10, 4, 3, 3, dilation=(2, 1), groups=4),
        gemm("fc", 1, 10, 4),
    )


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_automatic_padding(tmp_path, mode):
    nodes = [node("Conv", "x w", "conv", strides=[2, 2], auto_pad=mode)]
    (layer,) = layers_of(tmp_path, nodes, [("x", (1, 1, 8, 7))], [("w", (1, 1, 3, 3))])
    before, after = (0, 1) if mode == "SAME_UPPER" else (1, 0)
    assert layer.padding == (before, after, 1, 1)
    assert (layer.P, layer.Q) == (4, 4)


def test_matrix_products(tmp_path):
    """Of vectors of a sequence with weights, and of one matrix per head."""
    nodes = [
        node("MatMul", "x w", "projected"),
        node("Reshape", "projected shape", "heads"),
        node("Transpose", "heads", "turned", perm=[0, 1, 3, 2]),
        node("MatMul", "heads turned", "scores"),
    ]
    values = [onnx.helper.make_tensor_value_info("x", FLOAT, (1, 6, 8))]
    held = [
        onnx.helper.make_tensor("w", FLOAT, (8, 12), [0.0] * 96),
        onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, (4,), [1, 3, 6, 4]),
    ]
    graph = onnx.helper.make_graph(nodes, "", values, [onnx.helper.make_tensor_value_info("scores", FLOAT, None)], held)
    onnx.save(onnx.helper.make_model(graph, ir_version=8), tmp_path / "attention.onnx")
    workload = load_workload(tmp_path / "attention.onnx")
    assert workload.name == "attention"
    projected, scores = workload.layers
    assert projected == gemm("projected", 6, 12, 8)
    assert (scores.macs, scores.groups, scores.P * scores.Q) == (3 * 6 * 6 * 4, 3, 6)


def test_its_sizes_are_those_of_pytorch(tmp_path):
    """A network of the frontend, written operator by operator, has the layers that its forward pass has."""
    nodes, weights, size = [], [], 33
    before, previous = 3, "x"
    for index, (filters, kernel, stride, padding) in enumerate(
        ((8, 7, 2, 3), (12, 3, 1, 1), (12, 3, 2, 0), (4, 1, 1, 0))
    ):
        weights.append((f"w{index}", (filters, before, kernel, kernel)))
        nodes.append(node("Conv", f"{previous} w{index}", f"c{index}", strides=[stride] * 2, pads=[padding] * 4))
        previous, before = f"c{index}", filters
    layers = layers_of(tmp_path, nodes, [("x", (1, 3, size, size))], weights)
    torch = require("torch", "pip install -c constraints.txt -e '.[frontend]'")
    maps = torch.zeros(1, 3, size, size)
    for layer, (_, dims) in zip(layers, weights, strict=True):
        assert tuple(maps.shape[1:3]) == (layer.C, layer.H)
        maps = torch.nn.functional.conv2d(maps, torch.zeros(dims), stride=layer.stride, padding=layer.padding[0])
        assert tuple(maps.shape[1:]) == (layer.K, layer.P, layer.Q)


# --- faults ---------------------------------------------------------------------------------------------------------


def fault(path: Path) -> str:
    with pytest.raises(ZapsimError) as caught:
        load_workload(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unsupported_operators_are_named_with_their_count(tmp_path):
    nodes = [
        node("Conv", "x w", "conv"),
        node("ConvTranspose", "conv v", "up1"),
        node("ConvTranspose", "up1 v", "up2"),
        node("Conv", "y u", "line"),
        onnx.helper.make_node("Magic", ["up2"], ["done"], domain="com.example"),
    ]
    weights = [("w", (4, 3, 3, 3)), ("v", (4, 4, 3, 3)), ("u", (4, 3, 3))]
    path = saved(tmp_path, nodes, [("x", (1, 3, 8, 8)), ("y", (1, 3, 8))], weights, domain="com.example")
    assert fault(path) == (
        "net.onnx: has operators that cannot be simulated: 2 × ConvTranspose, 1 × Conv (1-D), 1 × com.example.Magic; "
        "leave them out of the exported network, or list the other layers in a YAML file"
    )


def test_sizes_that_are_not_fixed(tmp_path):
    nodes = [node("Conv", "x w", "conv")]
    path = saved(tmp_path, nodes, [("x", ("N", 3, "height", 8))], [("w", (4, 3, 3, 3))])
    assert fault(path) == (
        "net.onnx: input x: dimension 2 has no fixed size; export the network for one size of pictures"
    )


def test_a_model_that_contradicts_itself(tmp_path):
    path = saved(tmp_path, [node("Conv", "x w", "conv")], [("x", (1, 3, 8, 8))], [("w", (4, 5, 3))])
    assert fault(path).startswith("net.onnx: no valid ONNX model (")


def test_no_layer(tmp_path):
    path = saved(tmp_path, [node("Relu", "x", "y")], [("x", (1, 3, 8, 8))])
    assert fault(path) == "net.onnx: has no convolution, fully connected layer or matrix product"


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\xff not a model")
    assert fault(tmp_path / "net.onnx").startswith("net.onnx: not an ONNX file (")
    assert fault(tmp_path / "none.onnx").endswith("none.onnx: no such file")


def test_without_the_package(tmp_path, monkeypatch):
    path = saved(tmp_path, [node("Relu", "x", "y")], [("x", (1, 3, 8, 8))])
    monkeypatch.setattr("zapsim.errors.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"ONNX files need onnx: pip install 'zapsim\[onnx\]'"):
        load_workload(path)
