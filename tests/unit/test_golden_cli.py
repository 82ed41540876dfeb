"""What every command prints, held to the texts of tests/golden/cli/ (``pytest --overwrite`` rewrites them)."""

import platform
import re

import numba
import numpy as np
import pytest
import yaml

import zapsim
from tests.builders import trace_header, write_trace
from tests.explore_support import space_of
from zapsim.cli import main

COMMANDS = (
    "demo", "run", "explain", "plot", "explore", "pareto", "compare", "train", "tune", "adapt", "eval", "trace",
    "reorder", "trace-info", "archs", "area", "energy", "validate", "workloads", "inspect", "synthesise", "schema",
    "doctor",
)  # fmt: skip

PRINTED = {
    "run": "run --arch eyeriss --trace {trace}",
    "run_oracle_csv": "run --arch systolic_16x16 --trace {trace} --policy oracle --format csv",
    "run_json": "run --arch lanes_256 --trace {trace} --images 0 --format json",
    "run_markdown": "run --arch tpu_128x128 --trace {trace} --format markdown",
    "run_latex": "run --arch eyeriss_45nm --trace {trace} --policy zap-gate --format latex",
    "explain": "explain --arch eyeriss --trace {trace}",
    "explain_csv": "explain --arch systolic_16x16 --trace {trace} --format csv",
    "explain_json": "explain --arch lanes_256 --trace {trace} --format json",
    "explain_markdown": "explain --arch eyeriss --trace {trace} --format markdown",
    "compare_architectures": "compare eyeriss lanes_256 --trace {trace}",
    "compare_results": "compare {result} {result}",
    "area": "area",
    "area_of_a_variant": "area --arch eyeriss --set predictor.lanes=36",
    "archs": "archs",
    "trace-info": "trace-info {trace}",
    "validate": "validate eyeriss_alexnet eyeriss_vgg16",
    "explore": "explore {space} --out {folder}/again --workers 1",
    "pareto": "pareto {folder}/explored",
    "compare_designs": "compare {folder}/explored eyeriss --trace {trace}",
    "refusal_of_a_misspelt_key": "run --arch eyeriss --trace {trace} --set array.row=16",
    "refusal_of_a_policy": "run --arch eyeriss --trace {trace} --policy early-exit",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Paths that the commands take: a trace, a JSON result, a space and the folder of its exploration."""
    folder = tmp_path_factory.mktemp("golden")
    header = trace_header(images=2, points=("t=0", "t=0.5"))
    points = [  # the error of the traced pictures stands beside that of others
        point.with_quality({"traced_top1_agreement": 0.5, **point.quality}, point.quality_note)
        for point in header.operating_points
    ]
    header = header.model_copy(update={"operating_points": tuple(points)})
    trace = write_trace(folder / "small.safetensors", header)
    result = folder / "result.json"
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--out", str(result)]) == 0
    space = folder / "space.yaml"
    space.write_text(yaml.safe_dump(space_of(folder, objectives=["latency", "area"], policy=["zap", "dense"])))
    assert main(["explore", str(space), "--out", str(folder / "explored"), "--workers", "1"]) == 0
    return {"trace": str(trace), "result": str(result), "space": str(space), "folder": str(folder)}


def without_what_varies(text: str, places: dict[str, str]) -> str:
    """Replace paths, versions, hashes and seconds."""
    for place in sorted(places.values(), key=len, reverse=True):
        text = text.replace(place, place.removeprefix(places["folder"]).lstrip("/") or "FOLDER")
    for version in (zapsim.__version__, platform.python_version(), numba.__version__, np.__version__):
        text = text.replace(version, "VERSION")
    text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", text)
    text = re.sub(r"\b[0-9a-f]{12,63}\b", "HASH", text)
    text = re.sub(r"(arch|safetensors) [0-9a-f]{8}\b", r"\1 HASH", text)
    text = re.sub(r"in [0-9.,]+ (s|min)\b", "in TIME", text)
    return re.sub(r"[0-9.,]+ (designs )?(a|per) (second|s|minute)\b", "RATE", text)


@pytest.mark.parametrize("name", PRINTED)
def test_prints(golden, capsys, places, name):
    capsys.readouterr()
    main(PRINTED[name].format(**places).split())
    out, err = capsys.readouterr()
    text = f"--- stdout\n{out}--- stderr\n{err}"
    golden(f"cli/{name}.txt", without_what_varies(text, places))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(golden, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0
    golden(f"cli/help{'_' if command else ''}{command}.txt", capsys.readouterr().out)


def test_every_command_has_its_help_here(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    ([a-z][a-z-]*)(?:  |$)", capsys.readouterr().out, flags=re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
