"""docs/exploring.md and the examples say what the explorer does."""

from pathlib import Path

import pytest
import yaml

from tests.explore_support import labelled_trace
from zapsim.exploration.expression import FUNCTIONS
from zapsim.exploration.load import load_space
from zapsim.exploration.space_file import STRATEGIES, SpaceFile
from zapsim.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exploring.md").read_text(encoding="utf-8")


def test_the_page_names_every_key():
    assert [key for key in SpaceFile.model_fields if f"`{key}`" not in PAGE] == []
    assert [name for name in STRATEGIES if f"`{name}`" not in PAGE] == []
    assert [name for name in FUNCTIONS if f"`{name}`" not in PAGE] == []


def test_the_page_has_every_metric_with_its_column():
    for metric in METRICS.values():
        if "." in metric.name:
            continue
        column = "the same" if metric.column == metric.name else f"`{metric.column}`"
        assert f"| `{metric.name}` | {column} | {metric.meaning} |" in PAGE


def test_the_page_s_space_is_one(tmp_path):
    (tmp_path / "traces").mkdir()
    (tmp_path / "spaces").mkdir()
    labelled_trace(tmp_path / "traces" / "vgg8_fashion_1_2.safetensors")
    text = next(part for part in PAGE.split("```yaml\n")[1:]).split("```")[0]
    (tmp_path / "spaces" / "space.yaml").write_text(text)
    space = load_space(tmp_path / "spaces" / "space.yaml")
    assert space.lattice.size > 1000
    assert yaml.safe_load(text).keys() <= SpaceFile.model_fields.keys()


@pytest.mark.parametrize("name", ["eyeriss_vgg16", "codesign_fashion"])
def test_examples_are_spaces(name):
    path = ROOT / "examples" / f"{name}.yaml"
    space = load_space(path)
    assert f"{space.lattice.size:,} designs" in path.read_text(encoding="utf-8") or name == "codesign_fashion"
    assert space.lattice.size >= 10_000


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "spaces").glob("*.yaml")), ids=lambda path: path.stem)
def test_spaces_of_the_benchmark_have_500_designs(path):
    assert load_space(path).lattice.size == 500
