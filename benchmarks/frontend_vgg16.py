"""What training and tracing cost on VGG-16, in plain forward passes: ``python benchmarks/frontend_vgg16.py``.

Weights and pictures are random: time does not depend on them. Rounds of all tasks alternate, and what is printed is the
median over rounds of processor time, and of its ratio to the plain passes of the same round, so that a busy machine
disturbs all alike. Each task must give the same in every round, and a watched network what the plain one gives.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from zapsim.frontend.capture import capture, trace_header
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.network import Network
from zapsim.frontend.network.forward import frozen, keep_freed_memory
from zapsim.frontend.network.graph import Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.networks.hed_vgg16 import PREPROCESSING, layers
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.training import TrainingOptions, train_predictors


def random_images(count: int) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    return ImageSet(pixels, tuple(f"noise {index}" for index in range(count)), PREPROCESSING, "noise")


def digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def plain(network: Network, images: ImageSet) -> str:
    """Run the unmodified network on one image after another, and return a digest of its outputs."""
    with frozen(network.model):
        return digest(network.model(images.tensor([index])).numpy().tobytes() for index in range(len(images)))


def watch(network: Network, graph: Graph, images: ImageSet) -> str:
    """Run it under an interception that does nothing."""
    outputs = []
    with frozen(network.model):
        for index in range(len(images)):
            with Interception(graph, on_ofmap=lambda _site, _ofmap: None):
                outputs.append(network.model(images.tensor([index])).numpy().tobytes())
    return digest(outputs)


def train(network: Network, graph: Graph, images: ImageSet) -> dict[str, str]:
    """Train all predictors of `graph`, all images in one step, and return a digest of the weights of each."""
    options = TrainingOptions(epochs=1, batch=len(images))
    trained = train_predictors(network.model, graph, images, options, progress=False).predictors
    return {
        name: digest(tensor.numpy().tobytes() for tensor in predictor.state_dict().values())
        for name, predictor in trained.items()
    }


def train_one_by_one(network: Network, graph: Graph, images: ImageSet) -> dict[str, str]:
    """Train one predictor after another, with whole forward passes for each."""
    digests: dict[str, str] = {}
    for chosen in graph.eligible:
        others = (site if site is chosen else replace(site, unpredicted="not now") for site in graph.sites)
        digests |= train(network, Graph(tuple(others)), images)
    return digests


def tracer(network: Network, graph: Graph, images: ImageSet, folder: Path) -> Callable[[], str]:
    """Return what traces `images` at one operating point, without measuring quality."""
    trained = train_predictors(network.model, graph, images.first(1), TrainingOptions(epochs=1, batch=1), False)
    points = uniform_points([0.1], trained.predictors)
    header = trace_header(network, graph, trained.predictors, points, images, {})
    path = folder / "trace.safetensors"

    def trace() -> str:
        capture(path, header, network, graph, trained.predictors, images)
        return digest([path.read_bytes()])

    return trace


def seconds(name: str, task: Callable[[], object], results: dict[str, object]) -> float:
    """Time a task, and check that its result is that of the round before.

    Garbage is collected before: with torch in memory that takes as long as a tenth of the plain passes, and would fall
    on any task.
    """
    gc.collect()
    start = time.process_time()
    result = task()
    taken = time.process_time() - start
    assert results.setdefault(name, result) == result, f"{name}: another result than in the round before"
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)  # processor time of one thread is the time that it takes
    keep_freed_memory()  # as `zapsim train` does
    torch.manual_seed(0)
    network = Network(layers(), "VGG-16", "random weights", PREPROCESSING)
    images = random_images(args.images)
    graph = trace_graph(network.model, network.example())
    with tempfile.TemporaryDirectory() as folder:
        tasks: dict[str, Callable[[], object]] = {
            "plain": lambda: plain(network, images),
            "watched": lambda: watch(network, graph, images),
            "traced": tracer(network, graph, images, Path(folder)),
            "all predictors": lambda: train(network, graph, images),
            "one by one": lambda: train_one_by_one(network, graph, images),
        }
        results: dict[str, object] = {}
        rounds = [{name: seconds(name, task, results) for name, task in tasks.items()} for _ in range(args.rounds)]
    assert results["plain"] == results["watched"], "a watched network gives other outputs"
    assert results["all predictors"] == results["one by one"], "predictors depend on what is trained beside them"
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
