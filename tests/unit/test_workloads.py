"""Workloads without masks: built-in shapes against published figures, files with every fault, dense runs."""

import json
from pathlib import Path

import pytest

import zapsim
from tests.published import networks
from zapsim.cli import main
from zapsim.errors import PolicyError, TraceError, ZapsimError
from zapsim.tracefile.dense import DenseTrace
from zapsim.tracefile.reader import Trace
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.builtin import BUILTIN, builtin_workload
from zapsim.workloads.layer_list import gemm
from zapsim.workloads.pooling import pooled_words, pooling_note
from zapsim.workloads.source import load_workload

PUBLISHED_MACS_M = {
    "alexnet": (724, 0.001),  # Sze et al., Proc. IEEE 2017, Table II
    "mobilenet_v1": (569, 0.001),  # Howard et al. 2017, Table 8
    "mobilenet_v2": (300, 0.003),  # Sandler et al. 2018, Table 4
    "resnet18": (1_800, 0.01),  # He et al. 2016, Table 1: 1.8e9
    "resnet50": (4_090, 0.001),  # torchvision's documentation: 4.09 GFLOPS
    "vgg16": (15_470, 0.001),  # torchvision's documentation: 15.47 GFLOPS
}
"""MACs in millions, with the tolerance that the rounding of the source needs."""

PUBLISHED_WEIGHTS_M = {"alexnet": 61, "mobilenet_v1": 4.2, "mobilenet_v2": 3.4, "resnet50": 25.5, "vgg16": 138}


def macs(workload: Workload) -> int:
    return sum(layer.macs for layer in workload.layers)


# --- built in -------------------------------------------------------------------------------------------------------


@pytest.mark.published
@pytest.mark.parametrize("name", PUBLISHED_MACS_M)
def test_macs_are_the_published_ones(name):
    published, tolerance = PUBLISHED_MACS_M[name]
    assert macs(builtin_workload(name)) / 1e6 == pytest.approx(published, rel=tolerance)


@pytest.mark.published
@pytest.mark.parametrize("name", PUBLISHED_WEIGHTS_M)
def test_weights_are_the_published_ones(name):
    weights = sum(layer.filter_words for layer in builtin_workload(name).layers)
    assert weights / 1e6 == pytest.approx(PUBLISHED_WEIGHTS_M[name], rel=0.025)


def test_alexnet_is_the_one_that_the_chip_ran():
    published = networks.alexnet(1).layers
    ours = builtin_workload("alexnet").layers[: len(published)]
    assert [(one.C, one.K, one.R, one.P, one.groups, one.macs) for one in ours] == [
        (one.C, one.K, one.R, one.P, one.groups, one.macs) for one in published
    ]


@pytest.mark.parametrize(
    ("name", "trace"), [("vgg16", "vgg16_hed_chelsea"), ("efficientnet_lite0", "efficientnet_lite0_chelsea")]
)
def test_layers_are_those_of_the_real_network(name, trace):
    """The trace of EfficientNet-Lite0 holds padded maps, so that its padding stands in the sizes."""

    def size(layer: ConvShape) -> tuple[object, ...]:
        return (layer.name, layer.C, layer.K, layer.R, layer.S, layer.P, layer.Q, layer.H_padded, layer.groups)

    traced = [layer.shape for layer in Trace(trace).header.layers]
    ours = builtin_workload(name).layers
    assert [size(layer) for layer in ours[: len(traced)]] == [size(layer) for layer in traced]
    assert all((layer.H, layer.W) == (1, 1) for layer in ours[len(traced) :])


@pytest.mark.parametrize(
    ("name", "first", "words"),
    [
        ("vgg16", "conv1_2", (64 * 224**2 + 128 * 112**2 + 256 * 56**2 + 512 * 28**2 + 512 * 14**2)),
        ("resnet50", "conv1", 64 * 112**2 + 2048 * 7**2),
        ("alexnet", "conv1", 96 * 55**2 + 256 * 27**2 + 256 * 13**2),
    ],
)
def test_pooling_is_found_by_shapes(name, first, words):
    layers = builtin_workload(name).layers
    found = pooled_words(layers)
    assert (next(iter(found)), sum(found.values())) == (first, words)
    assert pooling_note(layers, 2, 4, words) == (
        f"{2 * words / 1e6:,.3g} M words behind {len(found)} layers, read at 4 words per cycle while the array "
        f"waits, take {words / 2e6:,.3g} M cycles more: 50.0% of the total, which leaves them out"
    )


def test_a_run_says_what_pooling_would_take(tmp_path, capsys):
    path = written(tmp_path, "net.yaml", "layers: [{C: 1, H: 8, W: 8, K: 2}, {C: 2, H: 4, W: 4, K: 2}]")
    assert main(["run", "--arch", "lanes_256", "--workload", str(path), "--pooling", "2", "--totals"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Pooling: 0.000128 M words behind 1 layers, read at 2 words per cycle while the array waits" in text


def test_workloads_lists_them(capsys):
    assert main(["workloads"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(BUILTIN)
    assert lines[1].split()[1:4] == ["8", "724.4", "60.95"]


# --- lists of layers ------------------------------------------------------------------------------------------------

LIST = """\
name: mine
layers:
  - {name: conv1, C: 3, H: 32, W: 30, K: 16, R: 3, S: 5, padding: same}
  - {C: 16, H: 32, W: 30, K: 32, R: 3, S: 3, stride: [2, 1], padding: [1, 0], groups: 16, dilation: 2}
  - {name: scores, gemm: {M: 196, N: 64, K: 384}}
  - {name: fc, C: 4096, K: 10}
"""


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_list_of_layers(tmp_path):
    workload = load_workload(written(tmp_path, "net.yaml", LIST))
    assert workload == Workload(
        "mine",
        (
            ConvShape("conv1", 3, 32, 30, 16, 3, 5, padding=(1, 1, 2, 2)),
            ConvShape("layer2", 16, 32, 30, 32, 3, 3, stride=(2, 1), padding=(1, 1, 0, 0), groups=16, dilation=(2, 2)),
            ConvShape("scores", 384, 14, 14, 64, 1, 1),
            ConvShape("fc", 4096, 1, 1, 10, 1, 1),
        ),
    )


@pytest.mark.parametrize(("stride", "size"), [(1, 9), (2, 9), (2, 8), (3, 10)])
def test_same_padding_keeps_a_share_of_the_size(tmp_path, stride, size):
    text = f"layers: [{{C: 1, H: {size}, W: {size}, K: 1, R: 5, S: 3, stride: {stride}, padding: same}}]"
    (layer,) = load_workload(written(tmp_path, "net.yml", text)).layers
    assert (-(-size // stride), -(-size // stride)) == (layer.P, layer.Q)


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ("{C: 3}", "layer 1: K: is missing; a convolution needs C, H, W, K, R, S, a fully connected layer C and K"),
        ("{name: a, C: 3, K: 0}", "layer 1 (a): K: expected a whole number of at least 1, got 0"),
        ("{C: 3, K: true}", "layer 1: K: expected a whole number of at least 1, got true"),
        ("{C: 3, K: 4, strid: 2}", "layer 1: strid: unknown key (did you mean 'stride'?); known: name, C, H, W"),
        ("{C: 3, K: 4, R: 3, S: 3}", "layer 1: layer layer1: a 3×3 filter (dilation (1, 1)) does not fit"),
        (
            "{C: 3, K: 4, stride: [1, 2, 3]}",
            "layer 1: stride: expected a whole number, or [rows, columns], got [1, 2, 3]",
        ),
        ("{C: 3, K: 4, padding: valid}", "layer 1: padding: expected a whole number, [rows, columns], [top, bottom,"),
        ("{C: 3, K: 4, groups: 2}", "layer 1: layer layer1: groups = 2 must divide C = 3 and K = 4"),
        ("{gemm: {M: 3, N: 4}}", "layer 1: gemm: expected {M: ..., N: ..., K: ...}: rows, columns and inner dimension"),
        ("{gemm: {M: 3, N: 4, K: 5}, C: 3}", "layer 1: C: a layer with gemm has no other keys than name"),
        ("conv", "layer 1: expected keys such as C, H, W, K, R and S, got 'conv'"),
        ("{name: 3, C: 3, K: 4}", "layer 1: name: expected one line of text, got 3"),
    ],
)
def test_a_layer_that_cannot_be_used(tmp_path, layer, fault):
    with pytest.raises(ZapsimError) as caught:
        load_workload(written(tmp_path, "net.yaml", f"layers: [{layer}]"))
    assert str(caught.value).startswith(f"net.yaml: {fault}")
    assert "\n" not in str(caught.value)


def test_all_faults_of_a_list_are_reported_at_once(tmp_path):
    with pytest.raises(ZapsimError) as caught:
        load_workload(written(tmp_path, "net.yaml", "layers: [{C: 3}, {C: 1, K: 1}, {K: 3}]"))
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["layer 1", "layer 3"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: x", "net.yaml: layers: expected a list of layers, got nothing"),
        ("layers: []", "net.yaml: layers: expected a list of layers, got a list"),
        ("layer: []", "net.yaml: layer: unknown key (did you mean 'layers'?); a workload has name and layers"),
        ("layers: [{C: 1, K: 1}]\nname: [a]", "net.yaml: name: expected one line of text, got a list"),
        (
            "layers: [{name: a, C: 1, K: 1}, {name: a, C: 1, K: 1}]",
            "workload net: layer names must be unique, got twice",
        ),
        ("- 3", "net.yaml: holds a list, expected keys"),
    ],
)
def test_a_file_that_is_no_list(tmp_path, text, fault):
    with pytest.raises(ZapsimError) as caught:
        load_workload(written(tmp_path, "net.yaml", text))
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize(("M", "rows"), [(1, 1), (196, 14), (200, 10), (13, 1), (12, 3)])
def test_a_matrix_product_lies_on_a_map_near_to_a_square(M, rows):
    layer = gemm("g", M, 7, 5)
    assert (layer.P, layer.P * layer.Q, layer.macs, layer.filter_words) == (rows, M, M * 7 * 5, 7 * 5)


# --- SCALE-Sim's topologies -----------------------------------------------------------------------------------------

CONV_HEADING = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
TOPOLOGY = f"""\
{CONV_HEADING}

Conv1  ,224, 224, 11, 11, 3, 96, 4,
\tConv2, 27, 27, 5, 5, 96, 256, 1,#dw
Conv3,13,13,3,3,256,384,1
Conv4, 13, 12, 3, 2, 8, 4, 2, 1,
"""


@pytest.mark.parametrize(
    "encode", [str.encode, lambda text: text.encode("utf-8-sig"), lambda text: text.encode("utf-16")]
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_topology_of_convolutions(tmp_path, encode, ending):
    """With blanks, comments, a byte order mark, and with or without a comma at the end of a row."""
    path = written(tmp_path, "net.csv", encode(TOPOLOGY.replace("\n", ending)))
    assert load_workload(path) == Workload(
        "net",
        (
            ConvShape("Conv1", 3, 224, 224, 96, 11, 11, stride=(4, 4), padding=(0, 3, 0, 3)),
            ConvShape("Conv2", 96, 27, 27, 256, 5, 5),
            ConvShape("Conv3", 256, 13, 13, 384, 3, 3),
            ConvShape("Conv4", 8, 13, 12, 4, 3, 2, stride=(2, 1)),
        ),
    )


@pytest.mark.published
@pytest.mark.parametrize(
    ("layer", "cycles"),
    [("Conv1, 224, 224, 11, 11, 3, 96, 4", 10_220), ("Conv2, 27, 27, 5, 5, 96, 256, 1", 34_617),
     ("Conv3, 13, 13, 3, 3, 256, 384, 1", 27_161)],
)  # fmt: skip
def test_its_cycles_are_those_of_scale_sim(tmp_path, layer, cycles):
    """SCALE-Sim 3.0.0 on a 128×128 weight-stationary array."""
    workload = load_workload(written(tmp_path, "net.csv", f"{CONV_HEADING}\n{layer}\n"))
    result = zapsim.simulate("tpu_128x128", workload, overrides={"array.blocking": "none", "array.fill": "serial"})
    spent = result.total.policy.cycles
    assert spent.total - spent.stalled == cycles


def test_a_topology_of_matrix_products(tmp_path):
    path = written(tmp_path, "vit.csv", "Layer,M,N,K,\nL0,196,192,384,\nL1,196,1176,64\n")
    assert load_workload(path).layers == (gemm("L0", 196, 192, 384), gemm("L1", 196, 1176, 64))


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (
            "a,1,1,1,1,1,1",
            "expected 8 cells (layer, IFMAP height, IFMAP width, filter height, filter width, channels, ",
        ),
        ("a,1,1,1,1,1,1,1,1,1", "expected 9 cells (layer, IFMAP height"),
        ("a,1,x,1,1,1,1,1", "IFMAP width: expected a whole number of at least 1, got 'x'"),
        ("a,1,1,1,1,1,1,0,", "stride: expected a whole number of at least 1, got '0'"),
        ("a,1,1,1,1,1,1,1.5,", "stride: expected a whole number of at least 1, got '1.5'"),
        ("a,1,1,1,1,99999999999,1,1,", "channels: expected a whole number of at least 1, got '99999999999'"),
        (",1,1,1,1,1,1,1,", "layer: expected a name, got ''"),
        ("a,3,3,5,5,1,1,1,", "layer a: a 5×5 filter (dilation (1, 1)) does not fit"),
        ("ok,1,1,1,1,1,1,1,", "a second layer is called ok; give it another name"),
        ("a,1,1,1,1,1,1,1,2:4,", "stride of columns: expected a whole number of at least 1, got '2:4'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line(tmp_path, row, fault):
    path = written(tmp_path, "net.csv", f"{CONV_HEADING}\n\nok,1,1,1,1,1,1,1,\n{row}\n")
    with pytest.raises(ZapsimError) as caught:
        load_workload(path)
    assert str(caught.value).startswith(f"net.csv: line 4: {fault}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "net.csv: expected a heading and at least one layer, as SCALE-Sim's topologies have"),
        (CONV_HEADING, "net.csv: expected a heading and at least one layer"),
        ("a,b\n1,2\n", "net.csv: line 1: expected SCALE-Sim's heading: layer, IFMAP height, "),
        (b"\xff\xfe\xff", "net.csv: line 1: not UTF-16 text; save the table as UTF-8"),
    ],
)
def test_a_file_that_is_no_topology(tmp_path, text, fault):
    with pytest.raises(ZapsimError) as caught:
        load_workload(written(tmp_path, "net.csv", text))
    assert str(caught.value).startswith(fault)


# --- sources and runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("resnet5", "resnet5: no such workload (did you mean 'resnet50'?); expected a .yaml, .yml, .csv, .onnx file, "),
        ("none.csv", "none.csv: no such file"),
        ("", ": no such workload; expected a .yaml"),
    ],
)
def test_no_such_workload(source, fault):
    with pytest.raises(ZapsimError) as caught:
        load_workload(source)
    assert str(caught.value).startswith(fault)


def test_a_file_of_another_kind(tmp_path):
    path = written(tmp_path, "net.txt", "")
    with pytest.raises(ZapsimError, match=r"net.txt: expected a file that ends in \.yaml, \.yml, \.csv, \.onnx"):
        load_workload(path)


@pytest.fixture
def small(tmp_path) -> Path:
    return written(tmp_path, "net.yaml", LIST)


@pytest.mark.parametrize("arch", ["eyeriss", "systolic_16x16", "lanes_256"])
def test_a_workload_runs_dense(capsys, small, arch):
    assert main(["run", "--arch", arch, "--workload", str(small), "--batch", "2", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["headline"].startswith("mine on shapes alone · no predictors · ")
    assert (result["policy"], result["baseline"], result["images"]) == ("dense", "dense", ["shapes alone"] * 2)
    assert [layer["shape"]["N"] for layer in result["layers"]] == [1] * 4
    counts = result["total"]["policy"]["counts"]
    assert counts["macs_executed"] == 2 * macs(load_workload(small))
    assert result["total"]["columns"]["mac_saving"] == 0


def test_a_workload_runs_as_a_full_trace_does(tmp_path):
    """Shapes alone are a trace whose every value is other than zero: the dense run of a real trace has its cycles."""
    trace = Trace("digits_cnn")
    shapes = Workload("digits", tuple(layer.shape for layer in trace.header.layers))
    plain = {"dram.compression": "none"}
    alone = zapsim.simulate("eyeriss", shapes, overrides=plain)
    traced = zapsim.simulate("eyeriss", trace, "dense", images=[0], overrides=plain)
    assert alone.total == traced.total


def test_the_note_says_once_that_nothing_is_predicted(small):
    result = zapsim.simulate("systolic_16x16", load_workload(small))
    assert result.notes[0] == "Not predicted: all layers (shapes alone)."


@pytest.mark.parametrize("policy", ["zap", "oracle", "gate-input"])
def test_policies_that_need_masks_are_refused(small, policy):
    with pytest.raises(PolicyError, match=f"policy {policy} needs masks, and mine is shapes alone: use policy dense"):
        zapsim.simulate("eyeriss", load_workload(small), policy)


def test_shapes_alone_have_no_points_and_pictures(small):
    trace = DenseTrace(load_workload(small))
    with pytest.raises(TraceError, match="mine: shapes alone have no operating point 't0'"):
        trace.operating_point("t0")
    for images in ([1], []):
        with pytest.raises(TraceError, match="mine: shapes alone have no pictures to choose from"):
            trace.image_indices(images)


@pytest.mark.parametrize("option", [["--images", "0"], ["--point", "t0"], ["--trace", "digits_cnn"]])
def test_a_workload_takes_the_place_of_a_trace(capsys, small, option):
    assert main(["run", "--arch", "eyeriss", "--workload", str(small), *option]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"zapsim: --workload takes the place of a trace, so that {option[0]} has no meaning; leave one out\n"
    )
