"""docs/adding-a-dataflow.md: its files, put where the page says, are an engine that keeps the rules."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from numba.core import config

from tests.builders import arch, conv, random_layer, with_mask
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Demand
from zapsim.timing.layer import LayerTiming, time_layer
from zapsim.tracefile.model import LayerTrace
from zapsim.tracefile.packed import PackedMap

pytestmark = pytest.mark.kernels

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-dataflow.md"
BLOCKS = dict(re.findall(r"```python\n# zapsim/(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
FILE = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0])
POLICIES = ("dense", "gate-input", "zap-gate", "zap", "zap-perfect", "oracle")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """Put the page's files into packages of zapsim, from a folder of their own; return the modules by package."""
    root = tmp_path_factory.mktemp("zapsim")
    packages = {}
    try:
        for name, code in BLOCKS.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(code, encoding="utf-8")
            packages[name.split("/")[0]] = importlib.import_module("zapsim." + name.split("/")[0])
        for name, package in packages.items():
            package.__path__.append(str(root / name))
        with pytest.MonkeyPatch.context() as patch:  # machine code of a file that is gone tomorrow is not kept
            patch.setattr(config, "CACHE_DIR", str(root / "machine_code"))
            modules = {name: importlib.import_module(f"zapsim.{name}.vector") for name in packages}
        yield modules
    finally:
        for name, package in packages.items():
            package.__path__.remove(str(root / name))
            sys.modules.pop(f"zapsim.{name}.vector", None)
            vars(package).pop("vector", None)


@pytest.fixture(scope="module")
def spec(page: dict[str, ModuleType]) -> ArchSpec:
    """Return an architecture with a vector unit of 4 lanes."""
    assert page["arch"].VectorArray.model_validate(FILE["array"]).lanes == 8
    return arch().model_copy(update={"array": page["arch"].VectorArray(dataflow="vector", lanes=4)})


@pytest.fixture
def layer(rng: np.random.Generator) -> LayerTrace:
    """Return a grouped layer with 7 filters a group: a block of 4 and one of 3."""
    return random_layer(rng, conv(N=2, C=6, K=14, groups=2), correlated=True)


def run(page: dict[str, ModuleType], spec: ArchSpec, layer: LayerTrace, policy: str) -> LayerTiming:
    return time_layer(page["timing"].VectorEngine(), spec, layer, preset(policy, "gate"))


def test_the_page_shows_what_it_promises() -> None:
    assert list(BLOCKS) == [f"{package}/vector.py" for package in ("arch", "mapping", "kernels", "timing")]


def test_the_page_s_architecture_file_is_whole(tmp_path: Path) -> None:
    """With an array that is shipped in place of the page's."""
    changed = FILE | {"array": {"dataflow": "weight-stationary", "rows": 4, "cols": 4}}
    path = tmp_path / "vector_8.yaml"
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert load_arch(str(path)).name == "vector_8"


@pytest.mark.parametrize("policy", POLICIES)
def test_macs_are_conserved(page: dict[str, ModuleType], spec: ArchSpec, layer: LayerTrace, policy: str) -> None:
    timing = run(page, spec, layer, policy)
    assert timing.counts.macs_dense == layer.shape.macs
    assert min(timing.counts.as_dict().values()) >= 0
    assert timing.counts.macs_lost == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_all_ones_is_dense(page: dict[str, ModuleType], spec: ArchSpec, layer: LayerTrace, policy: str) -> None:
    full = PackedMap.full(*layer.mask.shape)
    ones = with_mask(layer, full).model_copy(update={"ofmap_nonzero": full})
    inputs = "gate-input" if policy != "dense" else "dense"
    assert run(page, spec, ones, policy) == run(page, spec, ones, inputs)


def test_cycles_are_those_of_a_walk(page: dict[str, ModuleType], spec: ArchSpec, layer: LayerTrace) -> None:
    engine, shape = page["timing"].VectorEngine(), layer.shape
    result = engine.time_stage(shape, spec, engine.map_layer(shape, spec), Demand(layer.mask))
    pixels = layer.mask.unpack().reshape(-1, shape.K)
    compute = loaded = 0
    for first, end in ((0, 4), (4, 7), (7, 11), (11, 14)):
        needed = sum(1 for pixel in pixels if any(pixel[first:end]))
        compute += needed * shape.macs_per_output
        loaded += (end - first) * shape.macs_per_output if needed else 0
    assert (result.cycles.compute, result.cycles.filter_load) == (compute, loaded)


def test_skipping_pays_where_whole_blocks_are_skipped(
    page: dict[str, ModuleType], spec: ArchSpec, layer: LayerTrace
) -> None:
    dense, oracle = (run(page, spec, layer, policy) for policy in ("gate-input", "oracle"))
    assert oracle.cycles.total < dense.cycles.total
    dead = layer.model_copy(update={"ofmap_nonzero": PackedMap.from_bool(np.zeros((*layer.mask.shape[:3], 14), bool))})
    assert run(page, spec, dead, "oracle").cycles.total == 0
