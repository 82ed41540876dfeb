"""``zapsim reorder``: apply an operating point's order of filters to the weights of a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from zapsim.cli._arguments import Subparsers
from zapsim.cli._frontend_arguments import add_network_arguments, add_predictors_argument, named_network

_EPILOG = """\
examples:
  zapsim tune --network mynets:vgg --weights vgg.safetensors --predictors vgg.zap.safetensors --images photos/ \\
      --error 0.1 --order density --out vgg.points.json
  zapsim reorder --network mynets:vgg --weights vgg.safetensors --predictors vgg.zap.safetensors \\
      --points vgg.points.json --point e0.1-density --out vgg_density.safetensors \\
      --out-predictors vgg_density.zap.safetensors

Filters, biases, batch normalisation, the input channels of the layers behind and the predictors are permuted. The
network computes the same, to rounding: a picture of noise is run through both before anything is written. `zapsim
run` needs none of this: it permutes the masks of a trace by itself.
"""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reorder",
        help="put a network's filters in the order of an operating point",
        description="Permute the weights of a network and its predictors by the static order of filters of an "
        "operating point; what the network computes stays the same.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    add_predictors_argument(parser)
    parser.add_argument(
        "--points", type=Path, required=True, metavar="FILE", help="operating points, as `zapsim tune --order` writes"
    )
    parser.add_argument("--point", required=True, metavar="NAME", help="the point whose order is applied")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="weights to write (.safetensors)")
    parser.add_argument("--out-predictors", type=Path, metavar="FILE", help="also write the predictors in that order")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Permute, compare with the network as it was, and write."""
    from zapsim.errors import FrontendError
    from zapsim.frontend import inputs
    from zapsim.frontend.network.forward import device_of, use_threads
    from zapsim.frontend.network.graph import trace_graph
    from zapsim.frontend.network.network import NamedNetwork
    from zapsim.frontend.reorder import reorder, reorder_predictors, save_reordered
    from zapsim.frontend.training.predictor import load_predictors
    from zapsim.frontend.tuning.operating_points import load_points

    outputs = [path for path in (args.out, args.out_predictors) if path is not None]
    for path in outputs:
        inputs.check_output(path)
    if args.out.suffix != ".safetensors":
        raise FrontendError(f"{args.out}: weights are written as safetensors: end the name in .safetensors")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise FrontendError("--out and --out-predictors name the same file")
    use_threads(args.threads)
    named = named_network(args)
    named = NamedNetwork(named) if isinstance(named, str) else named
    network = named.load(args.weights, args.device, args.seed)
    graph = trace_graph(network.model, network.example().to(device_of(network.model)))
    predictors = load_predictors(args.predictors)
    predictors.check_fit(network.weights_sha256, graph)
    (point,) = load_points(args.points, predictors, [args.point])
    reordered = reorder(network, graph, point)
    save_reordered(args.out, reordered)
    if args.out_predictors is not None:
        reorder_predictors(predictors, reordered, point, args.out_predictors)
    assert point.order is not None  # reorder has checked it
    written = ", ".join(map(str, outputs))
    print(f"{written}: filters of {len(point.order.filters)} layers in order of {point.order.rule}")
    return 0
