"""Shapes of well-known CNNs, layer by layer, for a picture of 224×224 (AlexNet: 227×227), with the classifier.

Layers bear torchvision's names where torchvision has the network, so that traces of it have layers of the same names.
Pooling and sums of residual blocks are no layers here; they only change the size of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zapsim.workload import ConvShape, Workload


@dataclass(slots=True)
class _Map:
    """The feature map that the next layer reads: its channels, and its rows (and columns)."""

    channels: int
    size: int

    def conv(
        self, name: str, filters: int, kernel: int, stride: int = 1, *, padding: int | None = None, groups: int = 1
    ) -> ConvShape:
        """Make a square convolution and move on to its ofmap; without `padding`, stride 1 keeps the size."""
        around = kernel // 2 if padding is None else padding
        shape = ConvShape(
            name, self.channels, self.size, self.size, filters, kernel, kernel, stride=(stride, stride),
            padding=(around,) * 4, groups=groups,
        )  # fmt: skip
        self.channels, self.size = filters, shape.P
        return shape

    def same(self, name: str, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> ConvShape:
        """Make a convolution whose ofmap has ceil(size / stride) rows, padded most at the end (TensorFlow)."""
        total = max((-(-self.size // stride) - 1) * stride + kernel - self.size, 0)
        before = total // 2
        pads = (before, total - before)
        shape = ConvShape(
            name, self.channels, self.size, self.size, filters, kernel, kernel, stride=(stride, stride),
            padding=(*pads, *pads), groups=groups,
        )  # fmt: skip
        self.channels, self.size = filters, shape.P
        return shape

    def pool(self, kernel: int, stride: int, padding: int = 0) -> None:
        """Pool: fewer rows and columns."""
        self.size = (self.size + 2 * padding - kernel) // stride + 1

    def fully(self, name: str, outputs: int) -> ConvShape:
        """Make a fully connected layer of the whole map: a 1×1 convolution on a 1×1 map."""
        inputs, self.channels, self.size = self.channels * self.size**2, outputs, 1
        return ConvShape(name, inputs, 1, 1, outputs, 1, 1)


def _alexnet() -> Iterator[ConvShape]:
    """Krizhevsky et al., NIPS 2012, with its two groups, as Chen et al., JSSC 2017, ran it."""
    at = _Map(3, 227)
    yield at.conv("conv1", 96, 11, stride=4, padding=0)
    at.pool(3, 2)
    yield at.conv("conv2", 256, 5, groups=2)
    at.pool(3, 2)
    yield at.conv("conv3", 384, 3)
    yield at.conv("conv4", 384, 3, groups=2)
    yield at.conv("conv5", 256, 3, groups=2)
    at.pool(3, 2)
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        yield at.fully(name, outputs)


def _vgg16() -> Iterator[ConvShape]:
    """Simonyan and Zisserman, ICLR 2015, configuration D."""
    at = _Map(3, 224)
    for block, filters in enumerate(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3), start=1):
        for index, count in enumerate(filters, start=1):
            yield at.conv(f"conv{block}_{index}", count, 3)
        at.pool(2, 2)
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        yield at.fully(name, outputs)


def _resnet(bottleneck: bool, blocks: tuple[int, int, int, int]) -> Iterator[ConvShape]:
    """He et al., CVPR 2016; bottlenecks stride in their 3×3 convolution, as torchvision's do."""
    at = _Map(3, 224)
    yield at.conv("conv1", 64, 7, stride=2)
    at.pool(3, 2, padding=1)
    for stage, count in enumerate(blocks, start=1):
        width = 32 * 2**stage
        for block in range(count):
            stride = 2 if stage > 1 and block == 0 else 1
            name, before = f"layer{stage}.{block}", _Map(at.channels, at.size)
            if bottleneck:
                yield at.conv(f"{name}.conv1", width, 1)
                yield at.conv(f"{name}.conv2", width, 3, stride)
                yield at.conv(f"{name}.conv3", 4 * width, 1)
            else:
                yield at.conv(f"{name}.conv1", width, 3, stride)
                yield at.conv(f"{name}.conv2", width, 3)
            if block == 0 and before.channels != at.channels:
                yield before.conv(f"{name}.downsample.0", at.channels, 1, stride)
    at.size = 1
    yield at.fully("fc", 1000)


def _mobilenet_v1() -> Iterator[ConvShape]:
    """Howard et al., 2017, Table 1, width 1 (its last stride is 1: the map stays at 7×7)."""
    at = _Map(3, 224)
    yield at.conv("conv1", 32, 3, stride=2)
    filters = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for block, count in enumerate(filters, start=1):
        stride = 2 if block in {2, 4, 6, 12} else 1
        yield at.conv(f"conv{block}_dw", at.channels, 3, stride, groups=at.channels)
        yield at.conv(f"conv{block}_pw", count, 1)
    at.size = 1
    yield at.fully("fc", 1000)


def _mobilenet_v2() -> Iterator[ConvShape]:
    """Sandler et al., CVPR 2018, Table 2, width 1: expansion, filters, blocks and stride of each stage."""
    at = _Map(3, 224)
    yield at.conv("features.0.0", 32, 3, stride=2)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    number = 0
    for expansion, filters, blocks, first_stride in stages:
        for block in range(blocks):
            number, wide, part = number + 1, at.channels * expansion, 0
            if expansion > 1:
                yield at.conv(f"features.{number}.conv.0.0", wide, 1)
                part = 1
            stride = first_stride if block == 0 else 1
            yield at.conv(f"features.{number}.conv.{part}.0", wide, 3, stride, groups=wide)
            yield at.conv(f"features.{number}.conv.{part + 1}", filters, 1)
    yield at.conv("features.18.0", 1280, 1)
    at.size = 1
    yield at.fully("classifier.1", 1000)


def _efficientnet_lite0() -> Iterator[ConvShape]:
    """EfficientNet-Lite0 (TensorFlow's TPU models, 2020): Tan and Le's B0 without squeeze-and-excitation."""
    at = _Map(3, 224)
    yield at.same("_conv_stem", 32, 3, 2)
    stages = (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )  # fmt: skip
    number = 0
    for expansion, filters, blocks, first_stride, kernel in stages:
        for block in range(blocks):
            name, wide, stride = f"_blocks.{number}", at.channels * expansion, first_stride if block == 0 else 1
            if expansion > 1:
                yield at.conv(f"{name}._expand_conv", wide, 1)
            yield at.same(f"{name}._depthwise_conv", wide, kernel, stride, groups=wide)
            yield at.conv(f"{name}._project_conv", filters, 1)
            number += 1
    yield at.conv("_conv_head", 1280, 1)
    at.size = 1
    yield at.fully("_fc", 1000)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in network: its name for people, where its shapes come from, and how they are made."""

    title: str
    source: str
    layers: Callable[[], Iterator[ConvShape]]


BUILTIN: dict[str, Builtin] = {
    "alexnet": Builtin("AlexNet", "Krizhevsky et al. 2012, two groups", _alexnet),
    "efficientnet_lite0": Builtin("EfficientNet-Lite0", "TensorFlow's TPU models 2020", _efficientnet_lite0),
    "mobilenet_v1": Builtin("MobileNetV1", "Howard et al. 2017", _mobilenet_v1),
    "mobilenet_v2": Builtin("MobileNetV2", "Sandler et al. 2018", _mobilenet_v2),
    "resnet18": Builtin("ResNet-18", "He et al. 2016", lambda: _resnet(False, (2, 2, 2, 2))),
    "resnet50": Builtin("ResNet-50", "He et al. 2016, stride in the 3×3", lambda: _resnet(True, (3, 4, 6, 3))),
    "vgg16": Builtin("VGG-16", "Simonyan and Zisserman 2015, D", _vgg16),
}
"""The built-in networks by the name that ``--workload`` takes."""


def builtin_workload(name: str) -> Workload:
    """Make the built-in network of that name (a key of :data:`BUILTIN`)."""
    network = BUILTIN[name]
    return Workload(network.title, tuple(network.layers()))
