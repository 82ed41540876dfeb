"""docs/architecture.md: its files exist, and its packages are ordered as the import contracts say; all links."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("traces/*.md"), *ROOT.glob("arch_configs/*.md")}
)
DRAWING = PAGE.split("```")[1]
WALK = PAGE.split("## From YAML to table")[1].split("## Where else")[0]


def layers() -> list[list[str]]:
    """Return the layers of the import contract, highest first; brackets mark modules that may be missing."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["importlinter:contract:layers"]["layers"].split("\n")
    return [[name.strip() for name in line.split("|")] for line in lines if line.strip()]


@pytest.mark.parametrize(("text", "least"), [(PAGE, 30), (GLOSSARY, 15)], ids=["architecture", "glossary"])
def test_files_exist(text, least):
    paths = re.findall(r"`((?:zapsim|tests|arch_configs)/[\w/.]*|run_sim\.py|setup\.cfg)`", text)
    assert len(paths) > least
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_drawing_has_the_layers_of_the_contract():
    drawn = [set(re.findall(r"\b[a-z]+\b", line)) for line in DRAWING.splitlines()]
    rows = []
    for layer in layers():
        names = {name for name in layer if not name.startswith("(")}
        if names:
            assert any(names <= line for line in drawn), f"no line of the drawing has {sorted(names)}"
            rows.append(next(row for row, line in enumerate(drawn) if names <= line))
    assert rows == sorted(rows)


def test_the_walk_passes_every_file_once_and_in_order():
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", WALK, flags=re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    first_files = re.findall(r"^\d+\. `([\w/.]+)`", WALK, flags=re.MULTILINE)
    assert len(first_files) == len(set(first_files)) == len(steps)


@pytest.mark.parametrize("room", ["row_stationary", "systolic", "lanes"])
def test_rooms_have_files_of_the_same_names(room):
    files = {path.name for path in (ROOT / "zapsim" / "arrays" / room).glob("*.py")}
    assert {"mapping.py", "timing.py", "tiles.py", "kernels.py"} <= files
