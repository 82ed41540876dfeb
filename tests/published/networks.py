"""Shapes of published networks' convolutions, as their papers give them."""

from itertools import pairwise

from zapsim.workload import ConvShape, Workload


def alexnet(N: int) -> Workload:
    """AlexNet's convolutions as in Chen et al., JSSC 2017, Table II; CONV1's 227×227 ifmap needs no padding."""
    two_groups = {"N": N, "groups": 2}
    one, two = (1, 1, 1, 1), (2, 2, 2, 2)
    return Workload(
        "AlexNet",
        (
            ConvShape("CONV1", N=N, C=3, H=227, W=227, K=96, R=11, S=11, stride=(4, 4)),
            ConvShape("CONV2", C=96, H=27, W=27, K=256, R=5, S=5, padding=two, **two_groups),
            ConvShape("CONV3", N=N, C=256, H=13, W=13, K=384, R=3, S=3, padding=one),
            ConvShape("CONV4", C=384, H=13, W=13, K=384, R=3, S=3, padding=one, **two_groups),
            ConvShape("CONV5", C=384, H=13, W=13, K=256, R=3, S=3, padding=one, **two_groups),
        ),
    )


def vgg16(N: int) -> Workload:
    """VGG-16's convolutions (Simonyan and Zisserman, ICLR 2015, configuration D)."""
    blocks = ((224, (3, 64, 64)), (112, (64, 128, 128)), (56, (128, 256, 256, 256)), (28, (256, 512, 512, 512)))
    layers = [
        ConvShape(f"CONV{b}-{i}", N=N, C=C, H=side, W=side, K=K, R=3, S=3, padding=(1, 1, 1, 1))
        for b, (side, channels) in enumerate((*blocks, (14, (512, 512, 512, 512))), start=1)
        for i, (C, K) in enumerate(pairwise(channels), start=1)
    ]
    return Workload("VGG-16", tuple(layers))
