"""What training and tracing cost on VGG-16, in plain forward passes: ``python benchmarks/frontend_vgg16.py``.

Weights and pictures are random: time does not depend on them. Rounds of all tasks alternate, and what is printed is the
median over rounds of processor time, and of its ratio to the plain passes of the same round, so that a busy machine
disturbs all alike.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.networks.hed_vgg16 import PREPROCESSING, layers
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.training import TrainingOptions, train_predictors


def random_images(count: int) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    return ImageSet(pixels, tuple(f"noise {index}" for index in range(count)), PREPROCESSING, "noise")


def plain(network: Network, images: ImageSet) -> None:
    """Run the unmodified network on one image after another."""
    with frozen(network.model):
        for index in range(len(images)):
            network.model(images.tensor([index]))


def watch(network: Network, graph: Graph, images: ImageSet) -> None:
    """Run it under an interception that does nothing."""
    with frozen(network.model):
        for index in range(len(images)):
            with Interception(graph, on_ofmap=lambda _site, _ofmap: None):
                network.model(images.tensor([index]))


def train(network: Network, graph: Graph, images: ImageSet) -> None:
    """Train all predictors of `graph`, all images in one step."""
    train_predictors(network.model, graph, images, TrainingOptions(epochs=1, batch=len(images)), progress=False)


def train_one_by_one(network: Network, graph: Graph, images: ImageSet) -> None:
    """Train one predictor after another, with whole forward passes for each."""
    for chosen in graph.eligible:
        others = (site if site is chosen else replace(site, unpredicted="not now") for site in graph.sites)
        train(network, Graph(tuple(others)), images)


def tracer(network: Network, graph: Graph, images: ImageSet, folder: Path) -> Callable[[], None]:
    """Return what traces `images` at one operating point, without measuring quality."""
    trained = train_predictors(network.model, graph, images.first(1), TrainingOptions(epochs=1, batch=1), False)
    points = uniform_points([0.1], trained.predictors)
    header = trace_header(network, graph, trained.predictors, points, images, {})
    path = folder / "trace.safetensors"
    return lambda: capture(path, header, network, graph, trained.predictors, images)


def seconds(task: Callable[[], None]) -> float:
    start = time.process_time()
    task()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)  # processor time of one thread is the time that it takes
    torch.manual_seed(0)
    network = Network(layers(), "VGG-16", "random weights", PREPROCESSING)
    images = random_images(args.images)
    graph = trace_graph(network.model, network.example())
    with tempfile.TemporaryDirectory() as folder:
        tasks: dict[str, Callable[[], None]] = {
            "plain": lambda: plain(network, images),
            "watched": lambda: watch(network, graph, images),
            "traced": tracer(network, graph, images, Path(folder)),
            "all predictors": lambda: train(network, graph, images),
            "one by one": lambda: train_one_by_one(network, graph, images),
        }
        rounds = [{name: seconds(task) for name, task in tasks.items()} for _ in range(args.rounds)]
    predictors = len(graph.eligible)
    print(f"{args.images} images, 1 thread, median of {args.rounds} rounds")
    for name in tasks:
        taken = median(one[name] for one in rounds) / args.images
        passes = median(one[name] / one["plain"] for one in rounds)
        print(f"{name:15} {taken:7.3f} s an image  {passes:6.2f} plain forward passes")
    faster = median(one["one by one"] / one["all predictors"] for one in rounds)
    print(
        f"all {predictors} predictors at once: {faster:.2f} times as fast as one by one = {faster / predictors:.2f} L"
    )


if __name__ == "__main__":
    main()
