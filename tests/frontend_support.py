"""Small networks and image sets that the frontend's tests share."""

import numpy as np
import torch
from torch import nn

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph, trace_graph

# Small maps on a busy machine: a second thread would mostly wait for the first.
torch.set_num_threads(1)

GREY = Preprocessing(size=16, resize=16, mean=(128.0,), std=(64.0,), colours="L")


def small_cnn() -> nn.Sequential:
    """Three convolutions, two of which can be predicted, then a classifier of 5 classes."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 9, 3, padding=1, bias=False),
        nn.BatchNorm2d(9),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(9, 8, 3, padding=1),
        nn.ReLU6(),
        nn.Flatten(),
        nn.Linear(8 * 8 * 8, 5),
    )


def small_network(seed: int = 1) -> Network:
    """`small_cnn` with random weights, in training mode."""
    torch.manual_seed(seed)
    return Network(small_cnn(), "small", "random", GREY)


def small_graph(network: Network) -> Graph:
    """The graph of a network, from an input of zeros."""
    return trace_graph(network.model, network.example())


def smooth_images(count: int, seed: int = 0, labels: bool = False) -> ImageSet:
    """Grey images in which neighbours are alike, as in photographs."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.normal(size=(count, 1, 4, 4)).astype(np.float32))
    smooth = nn.functional.interpolate(coarse, size=(16, 16), mode="bicubic", align_corners=False)
    pixels = (128 + 64 * smooth).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    classes = random.integers(0, 5, count).astype(np.int64) if labels else None
    return ImageSet(pixels, tuple(f"image {i}" for i in range(count)), GREY, f"{count} smooth images", classes)
