"""The standard CNNs: torchvision's names and shapes, published parameter and MAC totals, and loading.

Large networks are built on torch's meta device, where tensors have shapes and no memory.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from zapsim.errors import FrontendError
from zapsim.frontend.data.preprocessing import IMAGENET
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.network.network import Network, load_network
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks import alexnet, mobilenet, resnet, vgg, vgg8

pytestmark = pytest.mark.frontend

# Small maps on a busy machine: a second thread would mostly wait for the first.
torch.set_num_threads(1)

Factory = Callable[..., nn.Module]
Shapes = dict[str, tuple[int, ...]]

IMAGENET_NETWORKS: dict[str, Factory] = {
    "alexnet": alexnet.alexnet,
    "vgg11": vgg.vgg11,
    "vgg11_bn": vgg.vgg11_bn,
    "vgg13": vgg.vgg13,
    "vgg13_bn": vgg.vgg13_bn,
    "vgg16": vgg.vgg16,
    "vgg16_bn": vgg.vgg16_bn,
    "vgg19": vgg.vgg19,
    "vgg19_bn": vgg.vgg19_bn,
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "mobilenet_v1": mobilenet.mobilenet_v1,
    "mobilenet_v2": mobilenet.mobilenet_v2,
}
NETWORKS = IMAGENET_NETWORKS | {"vgg8": vgg8.layers}
CHANNELS = {name: 1 if name == "vgg8" else 3 for name in NETWORKS}

# torchvision's table of classification weights; for MobileNetV1 Keras's trainable parameters (the paper says 4.2 M).
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
}

# G MACs of one 224×224 picture, classifier included: torchvision's table (there called GFLOPS), whose digits these are;
# 569 M in MobileNetV1's paper and 300 M in MobileNetV2's.
GMACS = {
    "alexnet": "0.71",
    "vgg11": "7.61",
    "vgg11_bn": "7.61",
    "vgg13": "11.31",
    "vgg13_bn": "11.31",
    "vgg16": "15.47",
    "vgg16_bn": "15.47",
    "vgg19": "19.63",
    "vgg19_bn": "19.63",
    "resnet18": "1.81",
    "resnet34": "3.66",
    "resnet50": "4.09",
    "mobilenet_v1": "0.569",
    "mobilenet_v2": "0.30",
}


def on_meta(factory: Factory, **options: object) -> nn.Module:
    with torch.device("meta"):
        return factory(**options).eval()


@cache
def nominal(name: str) -> nn.Module:
    """Return the network as its factory makes it when asked for nothing; tests only look at it."""
    return on_meta(NETWORKS[name])


def shapes_of(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


# The names and shapes of torchvision's state dicts, from rules.


def conv(name: str, *shape: int, bias: bool = False) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def batch_norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for vector in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{vector}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    return conv(name, outputs, inputs, bias=True)


def expected_alexnet() -> Iterator[tuple[str, tuple[int, ...]]]:
    filters = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    for index, shape in filters.items():
        yield from conv(f"features.{index}", *shape, bias=True)
    for index, (outputs, inputs) in {1: (4096, 9216), 4: (4096, 4096), 6: (1000, 4096)}.items():
        yield from linear(f"classifier.{index}", outputs, inputs)


VGG_LAYERS = {
    "vgg11": "64 pool 128 pool 256 256 pool 512 512 pool 512 512 pool",
    "vgg13": "64 64 pool 128 128 pool 256 256 pool 512 512 pool 512 512 pool",
    "vgg16": "64 64 pool 128 128 pool 256 256 256 pool 512 512 512 pool 512 512 512 pool",
    "vgg19": "64 64 pool 128 128 pool 256 256 256 256 pool 512 512 512 512 pool 512 512 512 512 pool",
}


def expected_vgg(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    plain, _, normalised = name.partition("_")
    index, channels = 0, 3
    for layer in VGG_LAYERS[plain].split():
        if layer == "pool":
            index += 1
            continue
        yield from conv(f"features.{index}", int(layer), channels, 3, 3, bias=True)
        channels = int(layer)
        if normalised:
            yield from batch_norm(f"features.{index + 1}", channels)
        index += 3 if normalised else 2
    for index, (outputs, inputs) in {0: (4096, 25_088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        yield from linear(f"classifier.{index}", outputs, inputs)


def expected_resnet(blocks: tuple[int, ...], bottleneck: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from conv("conv1", 64, 3, 7, 7)
    yield from batch_norm("bn1", 64)
    channels = 64
    for stage, count in enumerate(blocks, start=1):
        width = 32 * 2**stage
        wide = 4 * width if bottleneck else width
        for index in range(count):
            block = f"layer{stage}.{index}"
            if bottleneck:
                filters = ((width, channels, 1), (width, width, 3), (wide, width, 1))
            else:
                filters = ((width, channels, 3), (width, width, 3))
            for number, (outputs, inputs, size) in enumerate(filters, start=1):
                yield from conv(f"{block}.conv{number}", outputs, inputs, size, size)
                yield from batch_norm(f"{block}.bn{number}", outputs)
            if index == 0 and (bottleneck or stage > 1):
                yield from conv(f"{block}.downsample.0", wide, channels, 1, 1)
                yield from batch_norm(f"{block}.downsample.1", wide)
            channels = wide
    yield from linear("fc", 1000, channels)


def expected_mobilenet_v1() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from conv("model.0.0", 32, 3, 3, 3)
    yield from batch_norm("model.0.1", 32)
    widths = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for block in range(1, 14):
        inputs, outputs = widths[block - 1], widths[block]
        yield from conv(f"model.{block}.0", inputs, 1, 3, 3)
        yield from batch_norm(f"model.{block}.1", inputs)
        yield from conv(f"model.{block}.3", outputs, inputs, 1, 1)
        yield from batch_norm(f"model.{block}.4", outputs)
    yield from linear("fc", 1000, 1024)


def expected_mobilenet_v2() -> Iterator[tuple[str, tuple[int, ...]]]:
    def convolution(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from conv(f"{name}.0", *shape)
        yield from batch_norm(f"{name}.1", shape[0])

    yield from convolution("features.0", 32, 3, 3, 3)
    widths = (32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
    for block in range(1, 18):
        inputs, outputs = widths[block - 1], widths[block]
        hidden = inputs if block == 1 else 6 * inputs
        step = 0
        if hidden != inputs:
            yield from convolution(f"features.{block}.conv.0", hidden, inputs, 1, 1)
            step = 1
        yield from convolution(f"features.{block}.conv.{step}", hidden, 1, 3, 3)
        yield from conv(f"features.{block}.conv.{step + 1}", outputs, hidden, 1, 1)
        yield from batch_norm(f"features.{block}.conv.{step + 2}", outputs)
    yield from convolution("features.18", 1280, 320, 1, 1)
    yield from linear("classifier.1", 1000, 1280)


def expected_shapes(name: str) -> Shapes:
    if name.startswith("vgg"):
        return dict(expected_vgg(name))
    resnets = {"resnet18": ((2, 2, 2, 2), False), "resnet34": ((3, 4, 6, 3), False), "resnet50": ((3, 4, 6, 3), True)}
    if name in resnets:
        return dict(expected_resnet(*resnets[name]))
    others = {
        "alexnet": expected_alexnet,
        "mobilenet_v1": expected_mobilenet_v1,
        "mobilenet_v2": expected_mobilenet_v2,
    }
    return dict(others[name]())


@pytest.mark.parametrize("name", IMAGENET_NETWORKS)
def test_state_dicts_have_torchvisions_names_shapes_and_order(name: str):
    found = shapes_of(nominal(name))
    assert list(found.items()) == list(expected_shapes(name).items())


# By hand, so that a slip in the rules shows. `bn` stands for the five tensors of a batch normalisation.
RESNET18 = """
conv1 64 3 7 7 | bn1 bn 64
layer1.0.conv1 64 64 3 3 | layer1.0.bn1 bn 64 | layer1.0.conv2 64 64 3 3 | layer1.0.bn2 bn 64
layer1.1.conv1 64 64 3 3 | layer1.1.bn1 bn 64 | layer1.1.conv2 64 64 3 3 | layer1.1.bn2 bn 64
layer2.0.conv1 128 64 3 3 | layer2.0.bn1 bn 128 | layer2.0.conv2 128 128 3 3 | layer2.0.bn2 bn 128
layer2.0.downsample.0 128 64 1 1 | layer2.0.downsample.1 bn 128
layer2.1.conv1 128 128 3 3 | layer2.1.bn1 bn 128 | layer2.1.conv2 128 128 3 3 | layer2.1.bn2 bn 128
layer3.0.conv1 256 128 3 3 | layer3.0.bn1 bn 256 | layer3.0.conv2 256 256 3 3 | layer3.0.bn2 bn 256
layer3.0.downsample.0 256 128 1 1 | layer3.0.downsample.1 bn 256
layer3.1.conv1 256 256 3 3 | layer3.1.bn1 bn 256 | layer3.1.conv2 256 256 3 3 | layer3.1.bn2 bn 256
layer4.0.conv1 512 256 3 3 | layer4.0.bn1 bn 512 | layer4.0.conv2 512 512 3 3 | layer4.0.bn2 bn 512
layer4.0.downsample.0 512 256 1 1 | layer4.0.downsample.1 bn 512
layer4.1.conv1 512 512 3 3 | layer4.1.bn1 bn 512 | layer4.1.conv2 512 512 3 3 | layer4.1.bn2 bn 512
"""


def test_resnet18_has_the_keys_written_out_by_hand():
    expected: Shapes = {}
    for entry in RESNET18.replace("\n", " | ").split(" | "):
        if entry:
            name, *sizes = entry.split()
            expected |= batch_norm(name, int(sizes[1])) if sizes[0] == "bn" else conv(name, *map(int, sizes))
    expected |= {"fc.weight": (1000, 512), "fc.bias": (1000,)}
    assert len(expected) == 122
    assert shapes_of(nominal("resnet18")) == expected


@pytest.mark.parametrize(
    ("name", "key", "shape"),
    [
        ("alexnet", "features.3.weight", (192, 64, 5, 5)),
        ("alexnet", "classifier.6.bias", (1000,)),
        ("vgg11", "features.18.weight", (512, 512, 3, 3)),
        ("vgg13_bn", "features.31.weight", (512, 512, 3, 3)),
        ("vgg16", "features.28.weight", (512, 512, 3, 3)),
        ("vgg16_bn", "features.41.running_var", (512,)),
        ("vgg19_bn", "features.49.weight", (512, 512, 3, 3)),
        ("vgg19", "classifier.0.weight", (4096, 25_088)),
        ("resnet34", "layer3.5.conv2.weight", (256, 256, 3, 3)),
        ("resnet50", "layer1.0.downsample.0.weight", (256, 64, 1, 1)),
        ("resnet50", "layer4.2.bn3.num_batches_tracked", ()),
        ("mobilenet_v1", "model.13.3.weight", (1024, 1024, 1, 1)),
        ("mobilenet_v2", "features.1.conv.1.weight", (16, 32, 1, 1)),
        ("mobilenet_v2", "features.17.conv.3.running_mean", (320,)),
        ("mobilenet_v2", "features.18.0.weight", (1280, 320, 1, 1)),
    ],
)
def test_well_known_keys(name: str, key: str, shape: tuple[int, ...]):
    assert shapes_of(nominal(name))[key] == shape


# Totals


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_totals_are_the_published_ones(name: str):
    assert sum(value.numel() for value in nominal(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(("batch_norm", "total"), [(False, 584_170), (True, 585_066)])
def test_vgg8_has_058_million_parameters(batch_norm: bool, total: int):
    model = on_meta(vgg8.layers, batch_norm=batch_norm)
    assert sum(value.numel() for value in model.parameters()) == total
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules()) == 8


@cache
def macs(name: str) -> tuple[int, int]:
    """Return MACs of one picture of the nominal size as torch counts them: convolutions, and everything."""
    side = 28 if name == "vgg8" else 224
    with FlopCounterMode(display=False) as counter:
        nominal(name)(torch.zeros(1, CHANNELS[name], side, side, device="meta"))
    by_operator = counter.get_flop_counts()["Global"]
    return by_operator[torch.ops.aten.convolution] // 2, counter.get_total_flops() // 2


@pytest.mark.parametrize("name", GMACS)
def test_mac_totals_are_the_published_ones_to_the_last_digit(name: str):
    digits = len(GMACS[name].partition(".")[2])
    _, total = macs(name)
    assert f"{total / 1e9:.{digits}f}" == GMACS[name]


def test_mac_totals_of_vgg16s_and_vgg8s_convolutions():
    # Both by hand: filters × channels × 9 × map, layer by layer.
    per_map = {224: 64 * (3 + 64), 112: 128 * (64 + 128), 56: 256 * (128 + 512), 28: 512 * (256 + 1024), 14: 512 * 1536}
    vgg16_macs = sum(pairs * 9 * side**2 for side, pairs in per_map.items())
    assert vgg16_macs == 15_346_630_656
    assert macs("vgg16")[0] == vgg16_macs
    vgg8_macs = 9 * (28**2 * 32 * (1 + 32) + 14**2 * 64 * (32 + 64) + 7**2 * 128 * (64 + 128))
    assert macs("vgg8")[0] == vgg8_macs


@pytest.mark.parametrize("name", IMAGENET_NETWORKS)
def test_the_frontend_sees_every_convolution_with_the_same_macs(name: str):
    model = nominal(name)
    sites = trace_graph(model, torch.zeros(1, 3, 224, 224, device="meta")).sites
    names = {module for module, kind in model.named_modules() if isinstance(kind, nn.Conv2d)}
    assert len(sites) == len(names)
    assert {site.name for site in sites} == names
    assert sum(site.shape.macs for site in sites) == macs(name)[0]


# Forward passes


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_at_several_sizes(name: str):
    smallest = {"alexnet": 63, "vgg8": 8}.get(name, 32)
    model = on_meta(NETWORKS[name], num_classes=7)
    for batch, rows, columns in ((1, smallest, smallest), (2, 224, 224), (3, 160, 97)):
        images = torch.zeros(batch, CHANNELS[name], rows, columns, device="meta")
        assert model(images).shape == (batch, 7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vgg16", (512, 7, 7)), ("vgg8", (128, 3, 3)), ("alexnet", (256, 6, 6)), ("mobilenet_v2", (1280, 7, 7))],
)
def test_the_map_before_the_classifier_needs_no_averaging_at_the_nominal_size(name: str, expected: tuple[int, ...]):
    side = 28 if name == "vgg8" else 224
    features = nominal(name).get_submodule("features")
    assert features(torch.zeros(1, CHANNELS[name], side, side, device="meta")).shape[1:] == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_other_numbers_of_input_channels(name: str):
    model = on_meta(NETWORKS[name], channels=4, num_classes=3)
    assert model(torch.zeros(1, 4, 64, 64, device="meta")).shape == (1, 3)


def test_a_small_image_resnet_keeps_28x28_through_its_first_stage():
    model = on_meta(resnet.resnet18, num_classes=10, channels=1, small_images=True)
    images = torch.zeros(2, 1, 28, 28, device="meta")
    stem = nn.Sequential(*(model.get_submodule(part) for part in ("conv1", "bn1", "relu", "maxpool", "layer1")))
    assert stem(images).shape == (2, 64, 28, 28)
    assert model(images).shape == (2, 10)
    assert shapes_of(model).keys() == shapes_of(nominal("resnet18")).keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_relu_works_in_place_and_only_mobilenet_v2_clamps(name: str):
    relus = [module for module in nominal(name).modules() if isinstance(module, (nn.ReLU, nn.ReLU6))]
    assert relus
    assert all(module.inplace for module in relus)
    assert {type(module) for module in relus} == {nn.ReLU6 if name == "mobilenet_v2" else nn.ReLU}


def test_a_bottleneck_calls_one_relu_three_times_and_strides_in_its_middle():
    block = nominal("resnet50").get_submodule("layer2.0")
    assert sum(isinstance(module, nn.ReLU) for module in block.modules()) == 1
    strides = [block.get_submodule(f"conv{number}").stride for number in (1, 2, 3)]
    assert strides == [(1, 1), (2, 2), (1, 1)]


SMALL = ["resnet18", "mobilenet_v1", "mobilenet_v2", "vgg8"]


@pytest.mark.parametrize("name", SMALL)
def test_in_place_relus_do_not_stand_in_the_way_of_gradients(name: str):
    model = NETWORKS[name](num_classes=5).train()
    model(torch.randn(2, CHANNELS[name], 32, 32)).square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in model.parameters())


@pytest.mark.parametrize("name", ["vgg8", "mobilenet_v2"])
def test_the_caller_seeds_the_weights(name: str):
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(NETWORKS[name](num_classes=5).state_dict())
    same, again, other = states
    assert all(torch.equal(same[key], again[key]) for key in same)
    assert not all(torch.equal(same[key], other[key]) for key in same)


def test_signals_keep_their_size_through_deep_plain_networks():
    # 19 layers' convolutions without batch normalisation, at an eighth of the width.
    blocks = ((8, 2), (16, 2), (32, 4), (64, 4), (64, 4))
    model = vgg.Vgg(blocks, (32,), 5).eval()
    with torch.no_grad():
        maps = model.features(torch.randn(4, 3, 64, 64))
    assert 0.1 < float(maps.std()) < 10


# Checkpoints


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_state_dict_loads_strictly(name: str, tmp_path: Path):
    trained, fresh = (NETWORKS[name](num_classes=10).eval() for _ in range(2))
    path = tmp_path / "weights.safetensors"
    save_file(trained.state_dict(), path)
    images = torch.randn(1, CHANNELS[name], 32, 32)
    with torch.no_grad():
        assert not torch.equal(fresh(images), trained(images))
        load_weights(fresh, path)
        assert torch.equal(fresh(images), trained(images))
    path.unlink()


def test_a_pth_file_loads_through_the_factorys_name(tmp_path: Path):
    trained = vgg8.layers()
    path = tmp_path / "mine.pth"
    torch.save(trained.state_dict(), path)
    network = load_network("zapsim.frontend.networks.vgg8:vgg8", path)
    assert network.name == "VGG-8"
    assert network.source == "file mine.pth"
    assert network.weights_sha256 == Network(trained, "", "").weights_sha256


def test_weights_for_other_classes_are_refused_by_name(tmp_path: Path):
    path = tmp_path / "ten.safetensors"
    save_file(vgg8.layers(num_classes=10).state_dict(), path)
    with pytest.raises(FrontendError, match=r"classifier\.3\.weight is \(10, 256\), expected \(5, 256\)"):
        load_weights(vgg8.layers(num_classes=5), path)


def test_state_dicts_from_before_the_batch_counters_load_strictly():
    # torchvision's older checkpoints lack them; torch starts such counters at zero.
    state = mobilenet.mobilenet_v2(num_classes=3).state_dict()
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    mobilenet.mobilenet_v2(num_classes=3).load_state_dict(old, strict=True)


# Pictures


def test_imagenet_networks_see_pictures_as_torchvisions_do():
    network = load_network("zapsim.frontend.networks.mobilenet:mobilenet_v2")
    assert network.preprocessing == IMAGENET
    assert not network.model.training
    assert network.example().shape == (1, 3, 224, 224)


def test_vgg8_sees_grey_pictures_of_28x28():
    network = vgg8.vgg8()
    assert network.example().shape == (1, 1, 28, 28)
    assert network.model.eval()(network.example()).shape == (1, 10)
