"""The page on architecture files names every key, and what it shows loads."""

from pathlib import Path

import pytest
import yaml

from zapsim.arch.arrays import __dict__ as array_names
from zapsim.arch.load import known_archs, load_arch
from zapsim.arch.spec import __dict__ as spec_names
from zapsim.arch.tables import ENERGY_ACTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture-files.md").read_text(encoding="utf-8")
SECTIONS = [
    item for item in {**array_names, **spec_names}.values() if isinstance(item, type) and hasattr(item, "model_fields")
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_is_named(section):
    keys = [key for key in section.model_fields if key != "sources"]
    assert [key for key in keys if f"`{key}`" not in PAGE and f".{key}" not in PAGE and f"`{key}." not in PAGE] == []


def test_every_action_is_named():
    assert [action for action in ENERGY_ACTIONS if f"`{action}`" not in PAGE] == []


def test_the_example_loads(tmp_path):
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "my_chip.yaml"
    path.write_text(example, encoding="utf-8")
    arch = load_arch(path)
    assert (arch.name, arch.array.rows, arch.array.cols, arch.clock) == ("my_chip", 24, 14, 250e6)
    assert arch.sources["clock"] == yaml.safe_load(example)["clock"]["source"]


@pytest.mark.parametrize("name", known_archs())
def test_every_shipped_file_is_in_the_folder_s_readme(name):
    assert f"`{name}.yaml`" in (ROOT / "arch_configs" / "README.md").read_text(encoding="utf-8")
