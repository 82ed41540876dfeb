"""A small network of one's own, as the commands take it: ``--network mynet:make_model``, a function that makes it.

Copy the file and put your own layers in. The weights are random, drawn from the seed; give trained ones with
``--weights``. With random weights about half of all outputs are zero, with no more order than the pictures have.
"""

from torch import nn

from zapsim.frontend.network import Network, Preprocessing

PICTURES = Preprocessing(size=64, resize=72, mean=(124.0, 116.0, 104.0), std=(58.0, 57.0, 57.0), colours="RGB")
"""Pictures of 64×64, cut from 72 rows or columns; mean and deviation in pixel values of 0 to 255."""


def make_model(classes: int = 10) -> Network:
    """Return four convolutions, each with batch normalisation and ReLU, and a classifier."""
    steps: list[nn.Module] = []
    for channels, filters in ((3, 16), (16, 32), (32, 32), (32, 64)):
        steps += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        if filters != channels:
            steps.append(nn.MaxPool2d(2))
    steps += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)]
    return Network(nn.Sequential(*steps), "my network", "random weights", PICTURES)
