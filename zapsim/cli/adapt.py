"""``zapsim adapt``: weights for operating points: batch normalisation measured anew, or fine-tuned with labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zapsim.cli._arguments import Subparsers
from zapsim.cli._points import add_point_arguments, settings_of
from zapsim.cli.train import add_network_arguments, check_output, report_skipped_files

if TYPE_CHECKING:
    from zapsim.frontend.data.image_set import ImageSet
    from zapsim.frontend.data.preprocessing import Preprocessing
    from zapsim.frontend.network import Network
    from zapsim.frontend.network.graph import Graph
    from zapsim.frontend.skipping import Setting
    from zapsim.frontend.training.adapted_weights import Adapted
    from zapsim.frontend.training.predictor import PredictorFile

_CROPS = 256

_EPILOG = """\
examples:
  zapsim adapt --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json \\
      --images train-images-idx3-ubyte --crops 5000 --out vgg.recalibrated.safetensors
  zapsim adapt --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json --point e0.2 \\
      --images train-images-idx3-ubyte --labels train-labels-idx1-ubyte --finetune --out vgg.finetuned.safetensors
  zapsim eval --network mynets:vgg --predictors vgg.zap.safetensors --points vgg.points.json \\
      --adapted vgg.recalibrated.safetensors vgg.finetuned.safetensors --images t10k-images-idx3-ubyte ...

Without --finetune the statistics of batch normalisation are measured anew with skipping at work; no weight changes and
no labels are needed. With it all weights learn, with labels, while the predictors stay as they are (SGD, momentum 0.9,
weight decay 5e-4). Every point gets weights of its own, under its name with -recalibrated or -finetuned, for
`zapsim eval --adapted` and `zapsim trace --adapted`, which compare with the network as it was.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "adapt",
        help="recalibrate or fine-tune a network at operating points",
        description="Adapt a network's weights to skipping at operating points.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    parser.add_argument("--predictors", type=Path, required=True, metavar="FILE", help="what `zapsim train` wrote")
    add_point_arguments(parser, adapted=False)
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="pictures, folders of pictures (also by class), or one idx or npz file of images",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="idx file of the images' classes")
    parser.add_argument(
        "--crops",
        type=int,
        metavar="N",
        help=f"random crops of pictures (default: {_CROPS}), or images drawn from an idx or npz file (default: all)",
    )
    parser.add_argument("--finetune", action="store_true", help="let all weights learn, with labels")
    parser.add_argument("--epochs", type=int, metavar="N", help="of --finetune (default: 1)")
    parser.add_argument("--lr", type=float, metavar="X", help="of --finetune (default: 1e-4)")
    parser.add_argument("--batch", type=int, metavar="N", help="images a step (default: 32 with --finetune, else 128)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="adapted weights to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Adapt the weights to each point, write them and print one line a point."""
    from zapsim.errors import FrontendError
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import load_network
    from zapsim.frontend.provenance import arguments, describe, versions
    from zapsim.frontend.training.adapted_weights import save_adapted
    from zapsim.frontend.training.predictor import check_fit, load_predictors

    check_output(args.out)
    if not args.finetune and (args.epochs is not None or args.lr is not None):
        raise FrontendError("--epochs and --lr need --finetune: recalibration is one pass and changes no weight")
    use_threads(args.threads)
    file = load_predictors(args.predictors)
    settings = settings_of(args, file)
    if not settings:
        raise FrontendError("no operating point: give --threshold or --points")
    network = load_network(args.network, args.weights, args.device, args.seed)
    graph = trace_graph(network.model, network.example().to(device_of(network.model)))
    check_fit(args.predictors, file.header, network.weights_sha256, graph)
    images = _images(args, network.preprocessing)
    points = [_adapt(args, network, graph, file, setting, images) for setting in settings]
    provenance = {
        "command": "zapsim adapt",
        "arguments": arguments(vars(args)),
        "versions": versions(),
        "data": describe(images),
    }
    save_adapted(args.out, points, file, provenance)
    report_skipped_files(images.skipped)
    for point in points:
        print(f"{point.setting.name}: weights for this point, on {images.description}")
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
    file: PredictorFile,
    setting: Setting,
    images: ImageSet,
) -> Adapted:
    """Return one point with its weights."""
    from zapsim.frontend.network.forward import device_of
    from zapsim.frontend.skipping import Setting, predicting
    from zapsim.frontend.training.adaptation import FinetuningOptions, finetune, recalibrate
    from zapsim.frontend.training.adapted_weights import Adapted, How

    device = device_of(network.model)
    method = predicting({name: one.to(device) for name, one in file.predictors.items()}, setting)
    how: How = "finetuned" if args.finetune else "recalibrated"
    if args.finetune:
        given = {"epochs": args.epochs, "lr": args.lr, "batch": args.batch}
        chosen = {name: value for name, value in given.items() if value is not None}
        state = finetune(network.model, graph, method, images, FinetuningOptions(**chosen, seed=args.seed))
    else:
        state = recalibrate(network.model, graph, method, images, batch=args.batch or 128)
    return Adapted(Setting(f"{setting.name}-{how}", setting.thresholds), how, state)
