"""Train predictors: what ``zapsim train`` does, with objects in the place of files where that is handier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zapsim.frontend import inputs
from zapsim.frontend.data.arrays import is_array_file
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.inputs import ImagesInput, NetworkInput
from zapsim.frontend.network import Network
from zapsim.frontend.network.graph import Graph
from zapsim.frontend.training.predictor import PredictorSet, save_predictors
from zapsim.frontend.training.training import BATCHES, Recipe, TrainingOptions, train_predictors

EPOCH_SEEDS = 100_000
"""Between the seeds of the crops of two epochs, so that no command's other streams of random numbers meet them."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """Trained predictors, and how their training went.

    Attributes
    ----------
    predictors
        What :func:`tune`, :func:`evaluate` and :func:`trace` take.
    graph
        The network's convolutions; those without a predictor say why.
    losses
        Each layer's mean loss in every epoch; of further methods under the layer's name, a slash and the method's.
    savings
        Share of each layer's outputs that threshold 0 would have skipped in the last batch, by the same names.
    """

    predictors: PredictorSet
    graph: Graph
    losses: dict[str, tuple[float, ...]]
    savings: dict[str, float]


def train(  # noqa: PLR0913 (options, by name)
    network: NetworkInput,
    images: ImagesInput,
    *,
    pattern: str = "1/2",
    layer_patterns: Mapping[str, str] | None = None,
    crops: int = 200,
    epochs: int = 5,
    batch: int | None = None,
    lr: float | None = None,
    recipe: Recipe = "weighted",
    method: str | Sequence[str] = "zap",
    seed: int = 0,
    weights: str | Path | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    checkpoint: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train predictors for all layers that can have one, in the same forward passes, without labels.

    Parameters
    ----------
    network
        ``package.module:factory``, an ``nn.Module`` or a :class:`~zapsim.frontend.network.Network`. It comes back
        unchanged.
    images
        What to learn from: pictures, folders of pictures, one idx or npz file, or a set of images.
    pattern
        The outputs that are computed first.
    layer_patterns
        Patterns of the layers that have another one.
    crops
        Random crops of the pictures (or images drawn from a file); a set of images is taken as it is.
    epochs, batch, lr
        Passes over the crops, crops per step (default: 8; the paper's recipe: 128), and Adam's learning rate (default:
        0.03; the paper's recipe: 0.01).
    recipe
        ``weighted``: start as the neighbour rule, large activations count more, the rate falls to 0. ``harm``: the
        same, but scores are the harm to the network's output that is expected of skipping. ``paper``: start at random,
        all outputs count alike, constant rate, and crops of pictures are cut again for every epoch.
    method
        Prediction methods of which each layer gets a predictor, all in the same forward passes.
    seed
        Of crops, training, and the weights of a network that is made here.
    weights
        State dict for a network that is named: ``.safetensors``, or ``.pth`` (weights only).
    device
        ``auto``, ``cpu`` or ``cuda``, for a network that is named; a module stays where it is.
    out
        Predictor file to write (default: none).
    checkpoint
        File that keeps the state of an unfinished run (default: ``out`` with ``.checkpoint`` behind it, if there is an
        ``out``). The same call goes on from it.
    provenance
        Entries that replace those of the file's provenance.

    Raises
    ------
    ZapsimError
        If network, images or options cannot be used, or a file cannot be written.
    """
    if recipe in BATCHES:
        batch = BATCHES[recipe] if batch is None else batch
    call = inputs.call("zapsim.train", locals())
    images = inputs.as_paths(images)
    out, checkpoint_path = inputs.as_path(out), inputs.as_path(checkpoint)
    if checkpoint_path is None and out is not None:
        checkpoint_path = out.with_name(f"{out.name}.checkpoint")
    for path in (out, checkpoint_path):
        inputs.check_output(path)
    methods = (method,) if isinstance(method, str) else tuple(method)
    options = TrainingOptions(pattern, epochs, batch, lr, recipe, seed, dict(layer_patterns or {}), methods)
    model, graph = inputs.open_network(network, weights, device, seed, images)
    crop_set = images if isinstance(images, ImageSet) else load_crops(images, model.preprocessing, crops, seed)
    of_epoch = _crops_of_epoch(images, model, crops, seed) if recipe == "paper" else None
    trained = train_predictors(model.model, graph, crop_set, options, checkpoint=checkpoint_path, of_epoch=of_epoch)
    recorded = {
        **call,
        "versions": inputs.versions(),
        "data": inputs.describe(crop_set),
        "preprocessing": inputs.describe_preprocessing(model.preprocessing),
        **({} if of_epoch is None else {"crops": "cut again for every epoch"}),
        "losses": {name: list(losses) for name, losses in trained.losses.items()},
        **(provenance or {}),
    }
    predictors = save_predictors(out, model.name, model.weights_sha256, trained.predictors, recorded, trained.further)
    if checkpoint_path is not None:
        checkpoint_path.unlink(missing_ok=True)
    inputs.warn_of_undecoded(crop_set)
    return TrainingResult(predictors, graph, trained.losses, trained.savings)


def _crops_of_epoch(
    images: ImageSet | list[Path], network: Network, crops: int, seed: int
) -> Callable[[int], ImageSet] | None:
    """Return what cuts new crops of pictures for an epoch; None for images that are not cut."""
    if isinstance(images, ImageSet) or is_array_file(images[0]):
        return None
    return lambda epoch: load_crops(images, network.preprocessing, crops, seed + EPOCH_SEEDS * epoch)
