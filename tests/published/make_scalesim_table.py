"""Make ``validation/scalesim_dense.csv``: what SCALE-Sim 3.0.0 counts for layers of four networks.

Run it in an environment of its own, with nothing of zapsim (with numpy 2.4 SCALE-Sim stops with a TypeError)::

    pip install scalesim==3.0.0 "numpy<2.4"
    python tests/published/make_scalesim_table.py validation/scalesim_dense.csv

Layers that make SCALE-Sim list more than LARGEST cycles on an array are left out: it keeps a row of addresses for
each cycle. Its address lists for prefetching, which only its USER mode reads, are not made: they take minutes.
"""

import csv
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import ceil

SOURCE = """\
# Dense layers as SCALE-Sim 3.0.0 (Samajdar et al., ISPASS 2020) counts them, stall-free; made by tests/published/make_scalesim_table.py.
# Layers without padding: H and W are the padded ifmap. Cycles of a layer count from 0, so the last one is folds x fold cycles - 1.
"""  # noqa: E501
LARGEST = 40_000
ARRAYS = ((8, 8), (12, 14), (16, 16), (32, 32), (128, 128))
DATAFLOWS = {"os": "output-stationary", "ws": "weight-stationary", "is": "input-stationary"}


@dataclass(frozen=True)
class Layer:
    """A convolution without padding: H and W are the padded ifmap, cut to the rows and columns that outputs read."""

    network: str
    name: str
    H: int
    W: int
    R: int
    S: int
    C: int
    K: int
    stride: int = 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Pixels, filters, products."""
        rows, cols = (self.H - self.R) // self.stride + 1, (self.W - self.S) // self.stride + 1
        return rows * cols, self.K, self.C * self.R * self.S


def square(network: str, name: str, out: int, R: int, C: int, K: int, stride: int = 1) -> Layer:
    """Return the layer with a square filter and a square ofmap of `out` × `out`."""
    side = (out - 1) * stride + R
    return Layer(network, name, side, side, R, R, C, K, stride)


def gemm(network: str, name: str, M: int, K: int, N: int) -> Layer:
    """Return an M × K by K × N matrix product as the 1×1 convolution that it is."""
    return Layer(network, name, M, 1, 1, 1, K, N)


# AlexNet (Krizhevsky et al., 2012); of a layer of two groups, one.
ALEXNET = [
    square("AlexNet", "conv1", 55, 11, 3, 96, 4),
    square("AlexNet", "conv2 (one group)", 27, 5, 48, 128),
    square("AlexNet", "conv3", 13, 3, 256, 384),
    square("AlexNet", "conv4 (one group)", 13, 3, 192, 192),
    square("AlexNet", "conv5 (one group)", 13, 3, 192, 128),
    gemm("AlexNet", "fc8", 1, 4096, 1000),
]
# ResNet-18 (He et al., 2016).
RESNET18 = [
    square("ResNet-18", "conv1", 112, 7, 3, 64, 2),
    square("ResNet-18", "layer1 3×3", 56, 3, 64, 64),
    square("ResNet-18", "layer2 first 3×3", 28, 3, 64, 128, 2),
    square("ResNet-18", "layer2 shortcut", 28, 1, 64, 128, 2),
    square("ResNet-18", "layer2 3×3", 28, 3, 128, 128),
    square("ResNet-18", "layer3 first 3×3", 14, 3, 128, 256, 2),
    square("ResNet-18", "layer3 shortcut", 14, 1, 128, 256, 2),
    square("ResNet-18", "layer3 3×3", 14, 3, 256, 256),
    square("ResNet-18", "layer4 first 3×3", 7, 3, 256, 512, 2),
    square("ResNet-18", "layer4 shortcut", 7, 1, 256, 512, 2),
    square("ResNet-18", "layer4 3×3", 7, 3, 512, 512),
    gemm("ResNet-18", "fc", 1, 512, 1000),
]
# MobileNet v1 (Howard et al., 2017); of a depthwise layer, one channel.
MOBILENET = [
    square("MobileNet", "conv1", 112, 3, 3, 32, 2),
    *(
        square("MobileNet", f"depthwise {out}×{out} stride {stride} (one channel)", out, 3, 1, 1, stride)
        for out, stride in ((112, 1), (56, 2), (56, 1), (28, 2), (28, 1), (14, 2), (14, 1), (7, 2), (7, 1))
    ),
    *(
        square("MobileNet", f"pointwise {C} to {K}", out, 1, C, K)
        for out, C, K in (
            (112, 32, 64), (56, 64, 128), (56, 128, 128), (28, 128, 256), (28, 256, 256), (14, 256, 512),
            (14, 512, 512), (7, 512, 1024), (7, 1024, 1024),
        )
    ),
    gemm("MobileNet", "fc", 1, 1024, 1000),
]  # fmt: skip
# BERT-base (Devlin et al., 2019) with inputs of 12, 64 and 100 tokens.
BERT = [
    gemm("BERT-base", f"{name}, {tokens} tokens", M, K, N)
    for tokens in (12, 64, 100)
    for name, M, K, N in (
        ("projection of one head", tokens, 768, 64),
        ("scores of one head", tokens, 64, tokens),
        ("context of one head", tokens, tokens, 64),
        ("output", tokens, 768, 768),
    )
]
LAYERS = [*ALEXNET, *RESNET18, *MOBILENET, *BERT]


def runs() -> Iterator[tuple[Layer, str, int, int]]:
    """Yield what is run: layer, dataflow, rows, columns."""
    for layer, dataflow, (rows, cols) in product(LAYERS, DATAFLOWS, ARRAYS):
        pixels, filters, products = layer.sizes
        spread = {"os": (pixels, filters), "ws": (products, filters), "is": (products, pixels)}[dataflow]
        streams = {"os": products, "ws": pixels, "is": filters}[dataflow]
        folds = ceil(spread[0] / rows) * ceil(spread[1] / cols)
        if folds * (streams + 2 * rows + cols) <= LARGEST:
            yield layer, dataflow, rows, cols


def run(case: tuple[Layer, str, int, int]) -> list[object]:
    """Return one row of the table."""
    from scalesim.scale_config import scale_config
    from scalesim.single_layer_sim import single_layer_sim
    from scalesim.topology_utils import topologies

    layer, dataflow, rows, cols = case
    config = scale_config()
    large = 100_000  # kB of each buffer: nothing has to wait for DRAM
    config.update_from_list(["", rows, cols, large, large, large, 0, 10**7, 2 * 10**7, dataflow, "CALC", []])
    topology = topologies()
    dims = (layer.H, layer.W, layer.R, layer.S, layer.C, layer.K, layer.stride, layer.stride)
    topology.append_topo_entry_from_list([layer.name, *dims])
    topology.topo_arrays[0] += [1, 1]  # sparsity 1:1
    simulated = single_layer_sim()
    simulated.set_params(config_obj=config, topology_obj=topology, verbose=False)
    simulated.compute_system.create_prefetch_matrices = lambda: None
    simulated.run()
    _, cycles, stalls, utilisation, efficiency, _ = simulated.get_compute_report_items()
    assert stalls == 0
    compute = simulated.compute_system
    folds = len(compute.mapping_efficiency_per_fold)
    shares = [f"{share / 100:.9f}" for share in (efficiency, utilisation)]
    return [layer.network, layer.name, *dims[:-1], DATAFLOWS[dataflow], rows, cols, "none", folds, cycles, *shares]


def main(target: str) -> None:
    """Write the table to `target`."""
    cases = list(runs())
    with ProcessPoolExecutor(max_workers=2) as workers, open(target, "w", newline="", encoding="utf-8") as file:
        file.write(SOURCE)
        table = csv.writer(file, lineterminator="\n")
        table.writerow([
            "network", "layer", "H", "W", "R", "S", "C", "K", "stride", "array.dataflow", "array.rows", "array.cols",
            "array.blocking", "folds", "cycles", "mapping_efficiency", "utilisation",
        ])  # fmt: skip
        for row in workers.map(run, cases, chunksize=4):
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
