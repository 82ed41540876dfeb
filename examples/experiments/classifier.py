"""Training a small classifier from nothing: the base network of an experiment, and its accuracy."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_images
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network.forward import frozen


def train_classifier(
    model: nn.Module, images: ImageSet, epochs: int, seed: int, batch: int = 128, lr: float = 0.1
) -> None:
    """Train `model` in place on labelled images: SGD with one cycle up to `lr` and down, half the pictures mirrored.

    The mean loss of every epoch is printed.
    """
    labels = torch.from_numpy(images.labels)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    steps = len(images) // batch
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=lr, total_steps=epochs * steps)
    model.train().to(memory_format=torch.channels_last)
    for epoch in range(epochs):
        started, losses = time.monotonic(), []
        order = random.permutation(len(images))[: steps * batch].reshape(steps, batch)
        for chosen in order:
            inputs = images.tensor(chosen).contiguous(memory_format=torch.channels_last)
            mirrored = torch.from_numpy(random.random(batch) < 0.5)
            inputs[mirrored] = inputs[mirrored].flip(3)
            loss = functional.cross_entropy(model(inputs), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - started:.0f} s", flush=True)
    model.eval().to(memory_format=torch.contiguous_format)


def accuracy(model: nn.Module, images: ImageSet, batch: int = 500) -> float:
    """Return the share of `images` whose class the network names."""
    right = 0
    with frozen(model):
        for inputs, labels in images.batches(batch):
            right += int((model(inputs).argmax(dim=1).numpy() == labels).sum())
    return right / len(images)


def idx_images(folder: Path, part: str, preprocessing: Preprocessing) -> ImageSet:
    """Return the labelled images of ``train`` or ``t10k`` of a set in MNIST's format, zipped or not."""
    names = [f"{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
    files = [next((p for p in (folder / f"{n}.gz", folder / n) if p.exists()), folder / n) for n in names]
    return load_images([files[0]], preprocessing, files[1])
