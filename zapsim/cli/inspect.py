"""``zapsim inspect``: the layers of a network, and what zapsim can do with each."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from zapsim.cli._arguments import COUNT, Subparsers, add_command, is_factory

_EPILOG = """\
examples:
  zapsim inspect zapsim.frontend.networks.resnet:resnet50
  zapsim inspect mynet:make_model --size 64
  zapsim inspect mynet.onnx                  also .yaml (a list of layers) and .csv (a topology of SCALE-Sim)
  zapsim inspect vgg16                       a built-in workload
  zapsim inspect traces/digits_cnn.safetensors

Predicted: the layer can have a predictor, or has one in the trace. Dense: it runs, but computes everything. What cannot
be simulated is listed with its MACs, so that no total is taken for the whole network's.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A layer: its size in words, its MACs, and what becomes of it."""

    name: str
    size: str
    macs: int
    use: str
    why: str = ""


def add_parser(commands: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "inspect",
        "list the layers of a network: shapes, MACs, and which can be predicted or simulated",
        "List the layers of a network with shapes and MACs, and whether each can be predicted or simulated.",
        _EPILOG,
    )
    parser.add_argument(
        "source", help="package.module:factory, a .onnx, .yaml or .csv file, a built-in workload, or a trace"
    )
    parser.add_argument(
        "--size",
        type=COUNT,
        metavar="N",
        help="rows and columns of the picture, for a factory (default: as it says)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print a line per layer and the share of the MACs that is covered."""
    from rich.table import Table

    from zapsim.report.terminal import stdout_console

    name, rows = _rows(args.source, args.size)
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "shape"):
        table.add_column(heading)
    table.add_column("MACs, M", justify="right")
    for heading in ("zapsim", "why"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.name, row.size, f"{row.macs / 1e6:,.2f}", row.use, row.why)
    console = stdout_console()
    console.print(name)
    console.print(table)
    console.print(_summary(rows))
    return 0


def _rows(source: str, size: int | None) -> tuple[str, list[Row]]:
    """Return the network's name and its layers."""
    from zapsim.errors import ZapsimError
    from zapsim.tracefile.reader import TRACE_SUFFIX, Trace
    from zapsim.workloads.source import load_workload

    if is_factory(source):
        return _network_rows(source, size)
    if size is not None:
        raise ZapsimError("--size is for package.module:factory; other sources have fixed sizes")
    if source.endswith(TRACE_SUFFIX):
        trace = Trace(source)
        predicted = {name for point in trace.header.operating_points for name in point.predictors}
        return trace.header.network.name, [
            Row(
                layer.shape.name,
                layer.shape.summary,
                layer.shape.macs,
                "predicted" if layer.shape.name in predicted else "dense",
                "" if layer.shape.name in predicted else layer.unpredicted or "no predictor",
            )
            for layer in trace.header.layers
        ]
    workload = load_workload(source)
    return workload.name, [
        Row(layer.name, layer.summary, layer.macs, "dense", "shapes alone, no masks") for layer in workload.layers
    ]


def _network_rows(source: str, size: int | None) -> tuple[str, list[Row]]:
    from zapsim.frontend.inspection import inspect_network

    inspection = inspect_network(source, size)
    rows = [
        Row(
            site.name,
            site.shape.summary,
            site.shape.macs,
            "predicted" if site.unpredicted is None else "dense",
            site.unpredicted or "",
        )
        for site in inspection.graph.sites
    ]
    fully_connected = inspection.fully_connected
    for layer in inspection.graph.unsimulated:
        shape = fully_connected.get(layer.name)
        if shape is None:
            rows.append(Row(layer.name, "", layer.macs, "not simulated", layer.reason))
        else:
            rows.append(Row(layer.name, shape.summary, layer.macs, "dense", "fully connected; only with --workload"))
    return inspection.network.name, rows


def _summary(rows: Sequence[Row]) -> str:
    """Say which share of the MACs can be predicted, runs dense, and is left out."""
    total = sum(row.macs for row in rows)
    shares = {use: sum(row.macs for row in rows if row.use == use) / total for use in ("predicted", "dense")}
    covered = math.fsum(shares.values())
    text = f"{total / 1e6:,.1f} M MACs: {shares['predicted']:.1%} predicted, {shares['dense']:.1%} dense"
    return f"{text}, {1 - covered:.1%} not simulated" if covered < 1 else f"{text}; all are simulated"
