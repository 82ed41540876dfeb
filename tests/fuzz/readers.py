"""The readers of zapsim that take files, each with seeds that it accepts and a check of what it returns."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.builders import tamper, write_trace
from tests.explore_support import labelled_trace, load
from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network
from zapsim.arch.load import load_arch
from zapsim.csvfile import read_table
from zapsim.errors import FrontendError
from zapsim.exploration.driver import RunOptions, run_space
from zapsim.exploration.load import load_space
from zapsim.exploration.manifest import read_manifest
from zapsim.exploration.pareto import load_front
from zapsim.frontend.data.arrays import load_arrays, read_idx
from zapsim.frontend.data.images import decode
from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.masks import GivenMasks
from zapsim.frontend.network.weights import read_state_dict
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.adapted_weights import AdaptedWeights, load_adapted, save_adapted
from zapsim.frontend.training.predictor import load_predictors, save_predictors
from zapsim.frontend.tuning.operating_points import load_points, save_points
from zapsim.results import RunResult
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace
from zapsim.validation import _read_spec
from zapsim.workloads.source import load_workload


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read.

    Attributes
    ----------
    file
        The name that the file must have, in a folder of its own.
    seeds
        Contents that are accepted.
    read
        Reads the file; returns what it holds as values that :func:`absurdity` understands.
    sealed
        Puts the tree of the file's JSON header back with right digests, so that the meaning is checked behind them.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], Any]
    header: Callable[[bytes], Any] | None = None
    sealed: Callable[[bytes, Any, Path], bytes] | None = None


def absurdity(value: Any, depth: int = 0) -> str | None:
    """Name something that no accepted file may hold: a number that is not finite, or text that controls a terminal."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number {value}"
    if isinstance(value, str) and not value.isprintable():
        return f"the text {value[:40]!r}"
    if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
        return "a tensor that is not finite"
    if depth > 100:
        return "a depth of over 100"
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return next((fault for each in value if (fault := absurdity(each, depth + 1))), None)
    return None


def _models(folder: Path) -> dict[str, Reader]:
    trace = write_trace(folder / "seed.safetensors")
    shipped = [
        Path(load_path).read_bytes() for load_path in ("arch_configs/eyeriss.yaml", "arch_configs/tpu_128x128.yaml")
    ]
    result = simulate("eyeriss", labelled_trace(folder / "labelled.safetensors"), "zap")

    def read_trace(path: Path) -> Any:
        opened = Trace(path)
        for point in opened.header.operating_points:
            list(opened.layers(point.name))
        return opened.header.model_dump(mode="json")

    def seal(seed: bytes, tree: Any, place: Path) -> bytes:
        place.write_bytes(seed)

        def put(header: dict[str, Any]) -> None:
            header.clear()
            header.update(tree)

        return tamper(place, header=put).read_bytes()

    small = b"name: n\nlayers:\n  - {name: a, C: 3, H: 8, W: 8, K: 4, R: 3, S: 3, padding: same}\n  - {C: 9, K: 2}\n"
    topology = b"layer, h, w, r, s, c, k, stride,\nconv1, 8, 8, 3, 3, 3, 4, 1,\n"
    return {
        "architecture": Reader("a.yaml", tuple(shipped), lambda path: load_arch(path).model_dump()),
        "set": Reader("set.txt", (b"array.rows=16", b"dram.refresh=0.1", b"predictor.layers=[a, b]"),
                      lambda path: load_arch("eyeriss", [path.read_bytes().decode(errors="replace")]).model_dump()),
        "trace": Reader("t.safetensors", (trace.read_bytes(),), read_trace, _trace_header, seal),
        "result": Reader("r.json", (result.to_json().encode(),),
                         lambda path: json.loads(RunResult.from_json(path.read_text(errors="replace")).to_json()), json.loads,  # noqa: E501
                         _plain_json),
        "layer_list": Reader("w.yaml", (small,), lambda path: _shapes(load_workload(path))),
        "topology": Reader("w.csv", (topology, b"layer,M,N,K\na,3,4,5\n"), lambda path: _shapes(load_workload(path))),
        "onnx": Reader("w.onnx", (_onnx(),), lambda path: _shapes(load_workload(path))),
    }  # fmt: skip


def _tables(_folder: Path) -> dict[str, Reader]:
    spec = b"name: x\nsource: s\narch: eyeriss\nfigures: v.csv\ntargets:\n  cycles: {layer: 0.1}\n"
    rows = b"layer,C,H,W,K,R,S,cycles,ifmap_zeros\nl,1,8,8,4,3,3,10,0.5\nm,2,8,8,4,3,3,20,\n"

    def read_rows(path: Path) -> Any:
        return [(row.cells, row.whole("C"), row.number("cycles"), row.share("ifmap_zeros"))
                for row in read_table(path, ("layer", "C", "cycles"))]  # fmt: skip

    return {
        "validation": Reader("v.yaml", (spec,), lambda path: _read_spec(path).model_dump()),
        "csv": Reader("v.csv", (rows, "\ufeff".encode() + rows, rows.decode().encode("utf-16")), read_rows),
    }


def _networks(folder: Path) -> dict[str, Reader]:
    network = small_network()
    graph = small_graph(network)
    predictors = random_predictors(network.model, graph)
    made = save_predictors(folder / "p.safetensors", network.name, network.weights_sha256, predictors, {"seed": 0})
    points = uniform_points([0.1], made.predictors)
    save_points(folder / "p.json", points, made, {"weights": {}})
    state = {name: value for name, value in network.model.state_dict().items()}
    save_adapted(folder / "a.safetensors", [AdaptedWeights(points[0], "recalibrated", state)], made, {})
    torch.save(state, folder / "w.pth")
    save_file(state, folder / "w.safetensors")
    files = {name: (folder / name).read_bytes() for name in ("p.safetensors", "p.json", "a.safetensors", "w.pth")}

    def tensors(path: Path) -> Any:
        return {layer: each.state_dict() for layer, each in load_predictors(path).predictors.items()}

    return {
        "predictor": Reader("p.safetensors", (files["p.safetensors"],), tensors, _header("zapsim_predictors"), _resealed),  # noqa: E501
        "points": Reader("p.json", (files["p.json"],),
                         lambda path: [point.model_dump() for point in load_points(path, made)], json.loads, _plain_json),  # noqa: E501
        "adapted": Reader("a.safetensors", (files["a.safetensors"],),
                          lambda path: [dict(each.state) for each in load_adapted(path, made)],
                          _header("zapsim_adapted"), _resealed),
        "pth": Reader("w.pth", (files["w.pth"],), read_state_dict),
        "state_dict": Reader("w.safetensors", ((folder / "w.safetensors").read_bytes(),), read_state_dict),
    }  # fmt: skip


def _pictures(folder: Path) -> dict[str, Reader]:
    pre = Preprocessing(size=8, resize=8, mean=(0.0,), std=(1.0,), colours="L")
    pixels = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    np.savez(folder / "i.npz", images=pixels, labels=np.array([1, 2]), subjects=np.array(["a", "b"]))
    np.savez_compressed(folder / "c.npz", x=pixels)
    np.savez_compressed(folder / "m.npz", conv=np.ones((2, 3, 4, 4), dtype=bool))
    pictures = []
    for suffix in ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm"):
        Image.fromarray(np.stack([pixels[0]] * 3, axis=-1)).save(folder / f"i.{suffix}")
        pictures.append((folder / f"i.{suffix}").read_bytes())
    idx = b"\0\0\x08\x03" + np.array(pixels.shape, dtype=">u4").tobytes() + pixels.tobytes()

    def read_npz(path: Path) -> Any:
        loaded = load_arrays([path], pre)
        return [len(loaded)]

    def read_masks(path: Path) -> Any:
        with GivenMasks(path) as masks:
            for array in masks._layers.values():
                if len(array.shape) in {2, 4}:
                    array.image(0)
            return masks.layers

    def read_picture(path: Path) -> Any:
        picture = decode(path, "RGB")
        if picture is None:
            raise FrontendError(f"{path.name}: does not decode")
        return [*picture.size, picture.mode]

    return {
        "npz": Reader("i.npz", tuple((folder / name).read_bytes() for name in ("i.npz", "c.npz")), read_npz),
        "idx": Reader("i-ubyte", (idx,), lambda path: [int(read_idx(path, dims=3).sum())]),
        "masks": Reader("m.npz", ((folder / "m.npz").read_bytes(),), read_masks),
        "picture": Reader("i.png", tuple(pictures), read_picture),
    }


def _explorations(folder: Path) -> dict[str, Reader]:
    space = load(folder)
    out = folder / "results"
    run_space(space, out, RunOptions(workers=1), _Silent())
    (part,) = (out / "designs").iterdir()
    manifest = (out / "exploration.json").read_bytes()
    text = (
        b"arch: eyeriss\ntrace: digits_cnn\nparameters:\n  array.rows: {from: 8, to: 16, steps: 3}\n"
        b"  word: {values: [8 bit, 16 bit], when: {array.rows: 8}}\nobjectives: [latency, energy]\n"
        b"constraints: [area <= 20 mm2]\nbudget: {points: 3}\n"
    )

    def read_part(path: Path) -> Any:
        place = path.parent / "designs"
        place.mkdir(exist_ok=True)
        path.replace(place / part.name)
        (path.parent / "exploration.json").write_bytes(manifest)
        front = load_front(path.parent)
        return [front.name, front.choices, dict(front.statuses)]

    return {
        "space": Reader("s.yaml", (text,), lambda path: load_space(path).lattice.size),
        "manifest": Reader("exploration.json", (manifest,), lambda path: read_manifest(path.parent), json.loads,
                           _plain_json),
        "part": Reader("part.parquet", (part.read_bytes(),), read_part),
    }  # fmt: skip


class _Silent:
    def start(self, known: int, most: int | None) -> None:
        """Nothing is shown."""

    def advance(self, designs: Any) -> None:
        """Nothing is shown."""


def _shapes(workload: Any) -> Any:
    return [workload.name, [layer.summary for layer in workload.layers], [layer.macs for layer in workload.layers]]


def _trace_header(data: bytes) -> Any:
    return json.loads(json.loads(_safetensors_header(data))["__metadata__"]["zapsim_trace"])


def _header(key: str) -> Callable[[bytes], Any]:
    return lambda data: json.loads(json.loads(_safetensors_header(data))["__metadata__"][key])


def _safetensors_header(data: bytes) -> bytes:
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


def _resealed(seed: bytes, tree: Any, _place: Path) -> bytes:
    """Put a header of predictors or adapted weights back; the digest of the tensors stays as the header has it."""
    entries = json.loads(_safetensors_header(seed))
    key = next(iter(entries["__metadata__"]))
    entries["__metadata__"][key] = json.dumps(tree)
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + seed[8 + int.from_bytes(seed[:8], "little") :]


def _plain_json(_seed: bytes, tree: Any, _place: Path) -> bytes:
    return json.dumps(tree).encode(errors="replace")


def _onnx() -> bytes:
    import onnx
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, (4, 3, 3, 3), np.zeros(108, dtype=np.float32))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], "conv", strides=[1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4, 6, 6) if name == "z" else (1, 3, 8, 8))
        for name in "xz"
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


GROUPS: tuple[Callable[[Path], dict[str, Reader]], ...] = (_models, _tables, _networks, _pictures, _explorations)
"""What makes the readers of a group by name; files that several need lie in the given folder."""
