"""SCALE-Sim's topology files: a CSV of convolutions or of matrix products.

Convolutions have the columns layer, ifmap height and width, filter height and width, channels, filters, stride (or two:
rows, columns). The ifmap is read as SCALE-Sim reads it: it is padded already, and P = ceil((H - R + stride) / stride),
so that a last window that does not fit is padded at the bottom and on the right. A depthwise layer is listed there as a
layer of one channel and one filter, or of one filter over all channels, and is run as it is written. Matrix products
have the columns layer, M, N, K. Rows may or may not end with a comma; what follows ``#`` is a comment.
"""

from __future__ import annotations

from pathlib import Path

from zapsim.csvfile import read_text_lines
from zapsim.errors import WorkloadError, printable, shown
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.layer_list import gemm

_MOST = 10**9
_CONV = ("IFMAP height", "IFMAP width", "filter height", "filter width", "channels", "filters", "stride")
_GEMM = ("M", "N", "K")


def read_topology(path: Path) -> Workload:
    """Read a topology file.

    Raises
    ------
    WorkloadError
        With a line per row that cannot be used, which names the row by its number in the file.
    ConfigError
        If the file is missing or is not text.
    """
    name = printable(path.name)
    rows = [
        (number, [cell.strip() for cell in line.partition("#")[0].split(",")])
        for number, line in enumerate(read_text_lines(path), start=1)
        if line.partition("#")[0].replace(",", "").strip()
    ]
    if len(rows) < 2:
        raise WorkloadError(f"{name}: expected a heading and at least one layer, as SCALE-Sim's topologies have")
    line, heading = rows[0]
    titles = [cell for cell in heading if cell]
    is_gemm = [title.upper() for title in titles[1:]] == list(_GEMM)
    if not is_gemm and not 8 <= len(titles) <= 9:
        raise WorkloadError(
            f"{name}: line {line}: expected SCALE-Sim's heading: layer, {', '.join(_CONV)}; or layer, M, N, K; "
            f"got {len(titles)} columns"
        )
    layers: dict[str, ConvShape] = {}
    faults = []
    for line, cells in rows[1:]:
        try:
            layer = _product(cells) if is_gemm else _convolution(cells)
            if layer.name in layers:
                raise WorkloadError(f"a second layer is called {layer.name}; give it another name")
            layers[layer.name] = layer
        except WorkloadError as error:
            faults.append(f"{name}: line {line}: {error}")
    if faults:
        raise WorkloadError("\n".join(faults))
    return Workload(path.stem, tuple(layers.values()))


def _product(cells: list[str]) -> ConvShape:
    name, (M, N, K) = _row(cells, _GEMM)
    return gemm(name, M, N, K)


def _convolution(cells: list[str]) -> ConvShape:
    filled = [cell for cell in cells if cell]
    columns = (*_CONV, "stride of columns") if len(filled) > len(_CONV) + 1 else _CONV
    name, (H, W, R, S, C, K, *strides) = _row(cells, columns)
    rows, columns_stride = strides[0], strides[-1]
    bottom, right = (
        max(-(-(size - taps) // stride) * stride + taps - size, 0)
        for size, taps, stride in ((H, R, rows), (W, S, columns_stride))
    )
    return ConvShape(name, C, H, W, K, R, S, stride=(rows, columns_stride), padding=(0, bottom, 0, right))


def _row(cells: list[str], columns: tuple[str, ...]) -> tuple[str, list[int]]:
    """Read the name and the numbers of a row, with or without a comma at its end."""
    if cells and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(columns) + 1:
        raise WorkloadError(f"expected {len(columns) + 1} cells (layer, {', '.join(columns)}), got {len(cells)}")
    name, *numbers = cells
    if not name or not name.isprintable():
        raise WorkloadError(f"layer: expected a name, got {shown(name)}")
    values = []
    for column, text in zip(columns, numbers, strict=True):
        if not text.isascii() or not text.isdigit() or len(text) > 10 or not 1 <= int(text) <= _MOST:
            raise WorkloadError(f"{column}: expected a whole number of at least 1, got {shown(text)}")
        values.append(int(text))
    return name, values
