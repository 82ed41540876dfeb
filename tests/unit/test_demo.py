"""``zapsim demo`` and README's own-network lines: run from an empty folder, to their last line."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.optional import require
from zapsim.cli import main
from zapsim.patterns import pattern_map

ROOT = Path(__file__).parents[2]


def readme_lines() -> list[list[str]]:
    """Return README's commands for a network of one's own, each as a list of words."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Your own network, your own accelerator")[1]
    block = section.split("```sh\n")[1].split("```")[0].replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]


@pytest.mark.examples
@pytest.mark.frontend
def test_the_demonstration_then_the_lines_of_readme(tmp_path, monkeypatch, capsys):
    require("torch", "pip install -c constraints.txt -e '.[frontend]'")
    monkeypatch.chdir(tmp_path)
    first, change, *lines = readme_lines()
    assert (first, change) == (["zapsim", "demo"], ["cd", "zapsim-demo"])
    assert main(["demo", "--quick"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[2] for line in out.splitlines() if line.startswith("$ zapsim ")] == [
        "train", "tune", "eval", "trace", "run", "run", "explain",
    ]  # fmt: skip
    assert "\nDone in " in out
    assert [path.name for path in tmp_path.iterdir()] == ["zapsim-demo"]
    result = json.loads((tmp_path / "zapsim-demo/result.json").read_text())
    assert result["network"] == "my network"
    assert (tmp_path / "zapsim-demo/savings.png").stat().st_size > 5000
    page = (tmp_path / "zapsim-demo/report.html").read_text(encoding="utf-8")
    assert re.search(r'class="kind">(<[^>]*>|\s)*zapsim explain\s*<', page)
    assert len(page) < 6e6

    monkeypatch.chdir("zapsim-demo")
    assert [line[1] for line in lines] == ["train", "tune", "trace", "run"]
    for line in lines:
        assert main(line[1:]) == 0
    assert "\n total " in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zapsim-demo/notes.txt").touch()
    assert main(["demo"]) == 2
    assert "zapsim-demo: holds other things (notes.txt), which" in capsys.readouterr().err


def test_thresholds_that_skip_all_or_nothing_are_pointed_out():
    """Those of the bundled trace do neither."""
    from zapsim.cli.trace import all_or_nothing
    from zapsim.frontend.capture import LayerCounts, count_outputs
    from zapsim.tracefile.reader import Trace

    trace = Trace("digits_cnn")
    point = trace.operating_point()
    counts = count_outputs(trace, point.name)
    assert all_or_nothing(trace.header, point, counts) == ""
    none = {name: LayerCounts(counted.outputs, counted.zeros) for name, counted in counts.items()}
    assert all_or_nothing(trace.header, point, none) == "nothing"
    outside: dict[str, float] = {}
    for layer in trace.header.layers:
        if setting := point.predictors.get(layer.shape.name):
            outside[layer.shape.name] = 1 - pattern_map(setting.pattern, layer.shape.P, layer.shape.Q).mean()
    every = {
        name: LayerCounts(counted.outputs, counted.zeros, round(counted.outputs * outside.get(name, 0)))
        for name, counted in counts.items()
    }
    assert all_or_nothing(trace.header, point, every) == "everything outside the pattern"


def test_a_place_that_will_not_do_is_refused(tmp_path, monkeypatch, capsys):
    require("torch", "pip install -c constraints.txt -e '.[frontend]'")
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["demo", "--out", "file"]) == 2
    assert main(["demo", "--out", "."]) == 2
    assert capsys.readouterr() == (
        "",
        "zapsim: file: is a file, expected a folder for the demonstration; choose another with --out\n"
        "zapsim: .: holds other things (file), which the demonstration might replace; name a folder that is empty or "
        "not there with --out\n",
    )
