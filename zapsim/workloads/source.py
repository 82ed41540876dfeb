"""From a name or a file to a workload: built-in shapes, YAML, SCALE-Sim's CSV, ONNX."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from zapsim.errors import WorkloadError, did_you_mean, printable
from zapsim.workload import Workload
from zapsim.workloads.builtin import BUILTIN, builtin_workload
from zapsim.workloads.layer_list import read_layer_list
from zapsim.workloads.onnx_file import read_onnx
from zapsim.workloads.scalesim import read_topology

READERS: dict[str, Callable[[Path], Workload]] = {
    ".yaml": read_layer_list,
    ".yml": read_layer_list,
    ".csv": read_topology,
    ".onnx": read_onnx,
}
"""What reads a file, by its ending."""


def load_workload(source: str | Path) -> Workload:
    """Load the layers of a network, without masks.

    Parameters
    ----------
    source
        The name of a built-in network (``zapsim workloads`` lists them), a list of layers (``.yaml``), a topology of
        SCALE-Sim (``.csv``) or an ONNX file (``.onnx``). A file wins.

    Raises
    ------
    ZapsimError
        If there is no such workload, or if the file cannot be used.
    """
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
    if reader is not None and os.path.isfile(path):
        return reader(path)
    name = str(source)
    if name in BUILTIN:
        return builtin_workload(name)
    if os.path.isfile(path):
        raise WorkloadError(f"{printable(name)}: expected a file that ends in {', '.join(READERS)}")
    if reader is not None:
        raise WorkloadError(f"{printable(name)}: no such file")
    raise WorkloadError(
        f"{printable(name)}: no such workload{did_you_mean(name, BUILTIN)}; expected a {', '.join(READERS)} file, "
        f"package.module:factory, or one of: {', '.join(BUILTIN)}"
    )
