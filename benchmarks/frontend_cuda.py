"""VGG-16 traced on the processor and on a GPU: ``python benchmarks/frontend_cuda.py``.

Prints, by layer, how many masks and zeros differ, and how long an image takes on each device. Weights are random, and
pictures are smooth noise, so that scores and activations lie close to their thresholds more often than in use.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from zapsim import Trace
from zapsim.frontend import api
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network import Network
from zapsim.frontend.networks.hed_vgg16 import PREPROCESSING, layers
from zapsim.frontend.training.predictor import PredictorSet

_POINT = 0.25


def smooth_images(count: int, seed: int) -> ImageSet:
    coarse = torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 3, 14, 14)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(224, 224), mode="bicubic", align_corners=False)
    pixels = (128 + 64 * smooth).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return ImageSet(pixels, tuple(f"noise {index}" for index in range(count)), PREPROCESSING, "smooth noise")


def network_on(device: str) -> Network:
    """Make the same network on a device."""
    torch.manual_seed(0)
    network = Network(layers(), "VGG-16", "random weights", PREPROCESSING)
    network.model.to(device)
    return network


def timed_trace(device: str, predictors: PredictorSet, images: ImageSet, out: Path) -> tuple[Trace, float]:
    """Trace on a device; return the trace, and the seconds that an image takes in the second of two runs."""
    network = network_on(device)
    for _ in range(2):
        start = time.perf_counter()
        trace = api.trace(network, predictors, images, out, points=[_POINT])
    return trace, (time.perf_counter() - start) / len(images)


def differences(traces: Sequence[Trace], image: int) -> dict[str, tuple[int, int, int]]:
    """Count a layer's outputs, the masks that differ, and the zeros that differ, of one image."""
    counted = {}
    for here, there in zip(*(trace.layers(None, [image]) for trace in traces), strict=True):
        zeros = int(np.sum(here.ofmap_nonzero.unpack() != there.ofmap_nonzero.unpack()))
        masks = 0
        if here.mask is not None and there.mask is not None:
            masks = int(np.sum(here.mask.unpack() != there.mask.unpack()))
        counted[here.shape.name] = (here.shape.outputs, masks, zeros)
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=4)
    args = parser.parse_args()
    learning, traced = smooth_images(8, 0), smooth_images(args.images, 1)
    trained = []
    for device in ("cpu", args.device):
        start = time.perf_counter()
        trained.append(api.train(network_on(device), learning, epochs=1))
        print(f"{device}: trained with 8 images in {time.perf_counter() - start:.2f} s")
    losses = [np.array([one[-1] for one in each.losses.values()]) for each in trained]
    print(f"losses differ by at most {float(np.max(np.abs(losses[1] / losses[0] - 1))):.2g} of themselves")
    with tempfile.TemporaryDirectory() as folder:
        traces = []
        for device in ("cpu", args.device):
            trace, seconds = timed_trace(device, trained[0].predictors, traced, Path(folder) / device)
            traces.append(trace)
            print(f"{device}: {seconds:.3f} s for an image to trace")
        counts = [differences(traces, image) for image in range(args.images)]
    print(f"{'layer':10} {'outputs':>12} {'masks differ':>13} {'zeros differ':>13}")
    for layer in counts[0]:
        outputs, masks, zeros = (sum(each[layer][part] for each in counts) for part in range(3))
        print(f"{layer:10} {outputs:12,} {masks:13,} {zeros:13,}")


if __name__ == "__main__":
    main()
