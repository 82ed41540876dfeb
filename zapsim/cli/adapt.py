"""``zapsim adapt``: adapt weights to operating points: recalibrate batch normalisation, or fine-tune with labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import COUNT, Subparsers, number
from zapsim.cli._frontend_arguments import (
    add_image_arguments,
    add_network_arguments,
    add_point_arguments,
    add_predictors_argument,
    load_common_points,
    named_network,
    provenance,
    undecoded_on_stderr,
)

if TYPE_CHECKING:
    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.data.preprocessing import Preprocessing
    from zapsim.frontend.methods.predictor import Predictor
    from zapsim.frontend.network import Network
    from zapsim.frontend.network.graph import Graph
    from zapsim.frontend.training.adapted_weights import AdaptedWeights
    from zapsim.frontend.training.predictor import PredictorSet
    from zapsim.tracefile.records import OperatingPoint

_CROPS = 256

_EPILOG = """\
examples:
  zapsim adapt --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json \\
      --images train-images-idx3-ubyte --crops 5000 --out vgg.recalibrated.safetensors
  zapsim adapt --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json --point e0.2 \\
      --images train-images-idx3-ubyte --labels train-labels-idx1-ubyte --finetune --out vgg.finetuned.safetensors
  zapsim eval --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json \\
      --adapted vgg.recalibrated.safetensors vgg.finetuned.safetensors --images t10k-images-idx3-ubyte ...

Without --finetune, the statistics of batch normalisation are measured again while outputs are skipped. The
weights do not change, and no labels are needed. With --finetune, all weights are trained on labelled images (SGD,
momentum 0.9, weight decay 5e-4), and the predictors stay as they are. Every point gets weights of its own, and
"-recalibrated" or "-finetuned" at the end of its name. `zapsim eval --adapted` and `zapsim trace --adapted` run such
points and compare them with the unmodified network.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "adapt",
        help="recalibrate or fine-tune a network for operating points",
        description="Adapt a network's weights to the outputs that are skipped at each operating point.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_predictors_argument(parser)
    add_point_arguments(parser, adapted=False)
    add_image_arguments(parser, labels=True)
    parser.add_argument(
        "--crops",
        type=COUNT,
        metavar="N",
        help=f"number of random crops of pictures (default: {_CROPS}), or of whole images from an idx or npz file "
        "(default: all)",
    )
    parser.add_argument("--finetune", action="store_true", help="fine-tune all weights, with labels")
    parser.add_argument(
        "--recipe",
        choices=("short", "paper"),
        help="short (default): statistics start afresh, the predictors keep theirs, --finetune takes 1 epoch at batch "
        "32; paper: as published, statistics move on, also the predictors', --finetune takes 5 epochs at batch 128",
    )
    parser.add_argument(
        "--epochs",
        type=COUNT,
        metavar="N",
        help="passes over the images with --finetune (default: the recipe's)",
    )
    parser.add_argument("--lr", type=number, metavar="X", help="learning rate of --finetune (default: 1e-4)")
    parser.add_argument(
        "--batch",
        type=COUNT,
        metavar="N",
        help="images per step (default: the recipe's with --finetune, else 128)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="adapted weights to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Adapt the weights to each point, write them and print a line per point."""
    from zapsim.errors import FrontendError
    from zapsim.frontend import inputs
    from zapsim.frontend.data.photographs import describe_photographs
    from zapsim.frontend.network.forward import use_threads
    from zapsim.frontend.splits import calibration_photographs
    from zapsim.frontend.training.adapted_weights import save_adapted
    from zapsim.frontend.training.predictor import load_predictors

    inputs.check_output(args.out)
    if not args.finetune and (args.epochs is not None or args.lr is not None):
        raise FrontendError("--epochs and --lr need --finetune: recalibration is one pass and changes no weight")
    use_threads(args.threads)
    predictors = load_predictors(args.predictors)
    points = load_common_points(args, predictors)
    if not points:
        raise FrontendError("no operating point: give --threshold or --points")
    network, graph = inputs.open_network(named_network(args), args.weights, args.device, args.seed, args.images)
    inputs.open_predictors(predictors, network, graph)
    images = _images(args, network.preprocessing)
    adapted = [_adapt(args, network, graph, predictors, point, images) for point in points]
    data = inputs.describe(images)
    # Whatever has chosen thresholds or weights is no longer unseen.
    seen = calibration_photographs(points).union(images.photographs())
    data["photographs"] = describe_photographs(seen)
    made = {**provenance("adapt", vars(args)), "versions": inputs.versions(), "data": data}
    save_adapted(args.out, adapted, predictors, made)
    with undecoded_on_stderr():
        inputs.warn_of_undecoded(images)
    for weights in adapted:
        print(f"{weights.point.name}: weights adapted to this point, on {images.description}")
    return 0


def _images(args: argparse.Namespace, pre: Preprocessing) -> ImageSet:
    from zapsim.frontend.data.arrays import is_array_file
    from zapsim.frontend.data.images import load_crops, load_images

    if args.crops is None and is_array_file(args.images[0]):
        return load_images(args.images, pre, args.labels)
    # Another stream of random numbers than training's, should both use the same pictures.
    return load_crops(args.images, pre, _CROPS if args.crops is None else args.crops, args.seed + 3, args.labels)


def _adapt(
    args: argparse.Namespace,
    network: Network,
    graph: Graph,
    predictors: PredictorSet,
    point: OperatingPoint,
    images: ImageSet,
) -> AdaptedWeights:
    """Return one point with its weights."""
    from zapsim.frontend.skipping import predicting
    from zapsim.frontend.training.adaptation import (
        FinetuningOptions,
        finetune,
        recalibrate,
        recalibrate_as_published,
    )
    from zapsim.frontend.training.adapted_weights import Adaptation, AdaptedWeights, statistics_of
    from zapsim.tracefile.records import OperatingPoint

    method = predicting(predictors.select(), point)
    how: Adaptation = "finetuned" if args.finetune else "recalibrated"
    moved: dict[str, Predictor] = {}
    if args.finetune:
        chosen = {name: value for name in ("epochs", "lr", "batch") if (value := getattr(args, name)) is not None}
        options = FinetuningOptions.as_published if args.recipe == "paper" else FinetuningOptions
        state = finetune(network.model, graph, method, images, options(**chosen, seed=args.seed))
    elif args.recipe == "paper":
        state, moved = recalibrate_as_published(
            network.model, graph, predictors.select(), point, images, batch=args.batch or 128
        )
    else:
        state = recalibrate(network.model, graph, method, images, batch=args.batch or 128)
    # What the curves expect of a point is not true of other weights.
    name = f"{point.name}-{how}"
    adapted_point = OperatingPoint(name=name, predictors=point.predictors, order=point.order)
    return AdaptedWeights(adapted_point, how, state, statistics_of(moved))
