"""Run a network at operating points and write a trace: what ``zapsim trace`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from zapsim.errors import FrontendError
from zapsim.frontend import inputs
from zapsim.frontend.capture import capture, share_maps, trace_header, with_owners
from zapsim.frontend.data.arrays import is_array_file
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import class_folders, load_crops, load_images
from zapsim.frontend.data.photographs import describe_photographs
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.inputs import ImagesInput, NetworkInput, PointInput, PredictorsInput
from zapsim.frontend.masks import GivenMasks, MasksInput
from zapsim.frontend.measurement import open_points
from zapsim.frontend.network import Network
from zapsim.frontend.network.unsimulated import not_simulated
from zapsim.frontend.network.weights import weights_digest
from zapsim.frontend.quality import measure_quality
from zapsim.frontend.reorder import order_of_graph
from zapsim.frontend.splits import calibration_photographs, check_enough, warn_of_overlap
from zapsim.frontend.training.adapted_weights import AdaptedWeights
from zapsim.frontend.training.predictor import PredictorSet
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint, ValueKind


def trace(  # noqa: PLR0913 (options, by name)
    network: NetworkInput,
    predictors: PredictorsInput | None,
    images: ImagesInput,
    out: str | Path,
    *,
    points: PointInput | Sequence[PointInput] = (),
    adapted: Sequence[str | Path | AdaptedWeights] = (),
    count: int | None = None,
    eval_images: ImagesInput | None = None,
    eval_labels: str | Path | None = None,
    eval_crops: int = 16,
    values: bool = False,
    method: str | None = None,
    masks: MasksInput | None = None,
    fully_connected: bool = False,
    seed: int = 0,
    weights: str | Path | None = None,
    device: str = "auto",
    provenance: Mapping[str, Any] | None = None,
) -> Trace:
    """Run a network with its predictors on images and write which values are zero and which outputs are skipped.

    Parameters
    ----------
    network, weights, device
        As for :func:`~zapsim.frontend.api.train`.
    predictors
        A predictor file, or the ``predictors`` that :func:`~zapsim.frontend.api.train` returned. Without them (None)
        and without `masks`, every output is computed, at point ``dense``.
    images
        What to trace; pictures are cut in the middle.
    out
        The trace file to write.
    points
        Operating points, files of them, or thresholds for all layers: each becomes one of the trace's.
    adapted
        Files of ``zapsim adapt``: operating points with weights of their own, which come last.
    count
        Only the first images (default: all).
    eval_images
        Other images to measure the quality on, beside that of the traced images (default: none).
    eval_labels
        An idx file of the classes, if `eval_images` is an idx file of images.
    eval_crops
        Random crops of `eval_images`, if these are pictures that do not lie in one subfolder per class.
    values
        Whether to hold, too, when each output could stop early.
    method
        Prediction method of `points` that are thresholds (default: the first of the predictors' file).
    masks
        Masks that were made elsewhere: an npz file, or arrays by layer, bool (images, K, P, Q), True = computed. They
        make a point ``masks``, which comes first; layers without one compute everything there.
    fully_connected
        Whether fully connected layers are traced, too, as 1×1 convolutions without a predictor.
    seed
        Of `eval_crops`, and of the weights of a network that is made here.
    provenance
        Entries that replace those of the trace's provenance.

    Returns
    -------
    Trace
        The file, opened: what ``zapsim.simulate`` takes.

    Raises
    ------
    ZapsimError
        If there is no operating point, an input cannot be used, `eval_images` are of too few photographs to say
        anything, or the file cannot be written.
    """
    call = inputs.call("zapsim.trace", locals())
    images, out = inputs.as_paths(images), Path(out)
    if eval_labels is not None and eval_images is None:
        raise FrontendError("labels to measure the quality with need images (eval_images)")
    inputs.check_output(out)
    given_masks = None if masks is None else GivenMasks(masks)
    if given_masks is not None and eval_images is not None:
        raise FrontendError(
            f"{given_masks.source}: masks are of the traced images, so leave out the images for the quality"
        )
    model, graph = inputs.open_network(network, weights, device, seed, images, fully_connected=fully_connected)
    predictor_set = None if predictors is None else inputs.open_predictors(predictors, model, graph)
    common, own_weights = _traced_points(points, adapted, predictor_set, method, given_masks)
    scorers = {} if predictor_set is None else predictor_set.select()
    if isinstance(images, ImageSet):
        traced = images if count is None else images.first(count)
    else:
        traced = load_images(images, model.preprocessing, count=count)
    if given_masks is not None:
        given_masks.check(graph, len(traced))
    evaluated = _quality_images(eval_images, inputs.as_path(eval_labels), eval_crops, seed + 1, model.preprocessing)
    if evaluated is not None:
        check_enough(evaluated, "measure the quality on")
    model = replace(model, adapted={own.point.name: own.model(model.model) for own in own_weights})
    common = tuple(point if point.order is None else order_of_graph(model, graph, point) for point in common)
    adapted_points = [own.point for own in own_weights]
    run_points = share_maps([*common, *adapted_points], [point.name for point in adapted_points])
    calibration = calibration_photographs(run_points)
    warn_of_overlap("to trace and measure on", [traced, evaluated], predictor_set, run_points)
    own_scorers = {own.point.name: own.scorers(scorers) for own in own_weights}
    if evaluated is None:
        run_points = tuple(point.with_quality({}, "") for point in run_points)
    else:
        owners = [point for point in run_points if point.maps is None]
        measured = measure_quality(model, graph, scorers, owners, evaluated, own_scorers)
        run_points = with_owners(run_points, measured)
    recorded = {
        "command": call["command"],
        "seed": seed,
        "arguments": call["arguments"],
        "versions": inputs.versions(),
        "data": inputs.describe(traced),
        "preprocessing": inputs.describe_preprocessing(model.preprocessing),
        **_origin(predictor_set, given_masks),
        **({} if evaluated is None else {"quality_images": inputs.describe(evaluated)}),
        **({"calibration": {"photographs": describe_photographs(calibration)}} if calibration else {}),
        **_adapted_provenance(own_weights, model),
        **not_simulated(graph.unsimulated, graph.macs),
        **(provenance or {}),
    }
    kinds: tuple[ValueKind, ...] = ("early_exit_macs",) if values else ()
    header = trace_header(model, graph, scorers, run_points, traced, recorded, kinds)
    with given_masks or nullcontext():
        capture(out, header, model, graph, scorers, traced, measure=True, masks=given_masks, own_predictors=own_scorers)
    inputs.warn_of_undecoded(traced, evaluated)
    return Trace(out)


def _traced_points(
    points: PointInput | Sequence[PointInput],
    adapted: Sequence[str | Path | AdaptedWeights],
    predictors: PredictorSet | None,
    method: str | None,
    masks: GivenMasks | None,
) -> tuple[tuple[OperatingPoint, ...], tuple[AdaptedWeights, ...]]:
    """Return a trace's operating points: of masks from elsewhere, of predictors, or one that computes everything."""
    first = () if masks is None else (masks.point,)
    has_points = not isinstance(points, Sequence) or isinstance(points, str) or len(points) > 0
    if predictors is None:
        if has_points or adapted or method is not None:
            raise FrontendError("operating points and methods need predictors")
        return first or (OperatingPoint(name="dense", predictors={}),), ()
    if masks is not None and not (has_points or adapted):
        return first, ()
    common, own_weights = open_points(points, adapted, predictors, method)
    inputs.check_names([*first, *common])
    return (*first, *common), own_weights


def _origin(predictors: PredictorSet | None, masks: GivenMasks | None) -> dict[str, Any]:
    """Return, for the provenance, where masks come from."""
    origin: dict[str, Any] = {}
    if predictors is not None:
        origin["predictors"] = {"sha256": predictors.sha256, "training": predictors.header.provenance}
    if masks is not None:
        origin["masks"] = {"source": masks.source, **({"sha256": masks.sha256} if masks.sha256 else {})}
    return origin


def _quality_images(
    images: ImagesInput | None, labels: Path | None, crops: int, seed: int, pre: Preprocessing
) -> ImageSet | None:
    """Return what to measure a trace's quality on: whole sets of labelled or array files, else crops of pictures."""
    if images is None:
        return None
    opened = inputs.as_paths(images)
    if isinstance(opened, ImageSet):
        return opened
    if is_array_file(opened[0]) or class_folders(opened):
        return load_images(opened, pre, labels)
    return load_crops(opened, pre, crops, seed, labels)


def _adapted_provenance(adapted: Sequence[AdaptedWeights], network: Network) -> dict[str, dict[str, dict[str, str]]]:
    """Return, for the provenance, what was done to the weights of which points."""
    if not adapted:
        return {}
    return {
        "adapted": {
            own.point.name: {"how": own.how, "sha256": weights_digest(network.model_at(own.point.name))}
            for own in adapted
        }
    }
