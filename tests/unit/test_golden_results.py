"""Every shipped architecture under every policy, held to the digests of tests/golden/results_by_architecture.json.

A digest covers the numbers and layer names of the JSON result in their order; headline, versions and hashes are left
out, so that a digest changes only if a result does. Refusals are held to their message. ``pytest --overwrite`` rewrites
the file.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.policy import PRESETS, preset
from zapsim.errors import ZapsimError
from zapsim.report.formats import render
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.slow

TRACES = Path(__file__).parents[2] / "traces"
GOLDEN = Path(__file__).parents[1] / "golden" / "results_by_architecture.json"

WORKLOADS = {"vgg16": ("vgg16_hed_chelsea.safetensors", [0]), "digits": ("digits_cnn.safetensors", [0, 1, 2])}

VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "by tile": ("predictor.granularity=tile",),
    "predictor on the array": ("predictor.unit=array",),
    "predictor on the array by tile": ("predictor.unit=array", "predictor.granularity=tile"),
    "slow DRAM": ("dram.preset=eyeriss-link",),
    "fast DRAM": ("dram.preset=hbm2",),
    "no prefetch": ("buffers.prefetch.ifmap=0", "buffers.prefetch.filter=0", "buffers.prefetch.ofmap=0"),
}
OF_ARRAY: dict[str, dict[str, tuple[str, ...]]] = {
    "row-stationary": {
        "filter-sort": ("array.balance=filter-sort",),
        "row-pairing": ("array.balance=row-pairing",),
        "for energy": ("array.mapping.objective=energy",),
    },
    "stages apart": {
        "stages apart": (),
        "stages apart for energy": ("array.mapping.objective=energy",),
        "filter-deal": ("array.balance=filter-deal",),
        "compact psums": ("array.psums=compact",),
        "compact psums, filter-deal": ("array.psums=compact", "array.balance=filter-deal"),
        "compact psums, row-pairing": ("array.psums=compact", "array.balance=row-pairing"),
        "compact psums, one mapping": ("array.psums=compact", "array.mapping.stages=together"),
        "masks on the ifmap bus": ("array.masks=ifmap-bus",),
    },
    "systolic": {
        "output-stationary": ("array.dataflow=output-stationary",),
        "input-stationary": ("array.dataflow=input-stationary",),
        "input-stationary by tile": ("array.dataflow=input-stationary", "predictor.granularity=tile"),
        "by density": ("array.channel_order=by-density",),
        "grouped": ("array.pixel_order=grouped",),
        "output-stationary, folds kept": ("array.dataflow=output-stationary", "array.fold_boundary=kept"),
        "serial drain, shrunk folds": (
            "array.dataflow=output-stationary", "array.drain=serial", "array.partial_folds=shrunk",
        ),
    },
    "output-lanes": {
        "queue": ("array.dispatch=queue",),
        "block queue": ("array.dispatch=block-queue",),
        "in step": ("array.sync=array",),
    },
}  # fmt: skip

BEFORE_BLOCKS = ("array.blocking=none",)
SPELLED_OUT = dict.fromkeys(("weight-stationary", "output-stationary", "input-stationary"), BEFORE_BLOCKS)
"""Options whose default has changed since the file was made, by dataflow."""


def variants(arch: str) -> dict[str, tuple[str, ...]]:
    dataflow = load_arch(arch).array.dataflow
    if dataflow != "row-stationary":
        return VARIANTS | OF_ARRAY.get(dataflow, OF_ARRAY["systolic"])
    together = VARIANTS | OF_ARRAY[dataflow]
    one_mapping = {name: (*overrides, "array.mapping.stages=together") for name, overrides in together.items()}
    return one_mapping | OF_ARRAY["stages apart"]


def leaves(value: object) -> Iterator[object]:
    """Yield numbers and layer names in the order of the JSON text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "shape":
                yield inner["name"]
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif not isinstance(value, str):
        yield value


def digest(arch: str, overrides: tuple[str, ...], policy: str, trace: Trace, images: list[int]) -> str:
    try:
        spec = load_arch(arch, (*SPELLED_OUT.get(load_arch(arch).array.dataflow, ()), *overrides))
        result = json.loads(render(simulate(spec, trace, preset(policy, spec.inputs), images=images), "json"))
    except ZapsimError as error:
        return f"{type(error).__name__}: {error}"
    numbers = [*leaves(result["layers"]), *leaves(result["total"]), *leaves(result["over_images"])]
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:16]


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("arch", known_archs())
def test_results_are_those_on_file(request, arch, workload):
    name, images = WORKLOADS[workload]
    trace = Trace(TRACES / name)
    key = f"{arch} on {workload}"
    results = {
        f"{policy}, {variant}": digest(arch, overrides, policy, trace, images)
        for policy in PRESETS
        for variant, overrides in variants(arch).items()
    }
    on_file = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if request.config.getoption("overwrite"):
        on_file = dict(sorted((on_file | {key: results}).items()))
        GOLDEN.write_text(json.dumps(on_file, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    assert results == on_file[key]
