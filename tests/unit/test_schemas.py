"""JSON Schemas of files: those that are published are those of the code, and they say what the loaders say."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.builders import trace_header, write_trace
from tests.unit.test_report_formats import RESULT
from zapsim.arch.load import load_arch
from zapsim.cli import main
from zapsim.cli._schemas import SCHEMAS, schema_text
from zapsim.errors import ConfigError
from zapsim.exploration.space_file import check_space
from zapsim.results import RunResult
from zapsim.shipped import shipped_folder, shipped_names
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft202012Validator]:
    """The published schemas; `points` among them, which takes torch to make."""
    files = {kind: json.loads((ROOT / "schemas" / f"{kind}.json").read_text(encoding="utf-8")) for kind in SCHEMAS}
    for schema in files.values():
        Draft202012Validator.check_schema(schema)
    return {kind: Draft202012Validator(schema) for kind, schema in files.items()}


def faults(validator: Draft202012Validator, document: object) -> list[str]:
    return [error.json_path for error in validator.iter_errors(document)]


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_published_schemas_are_those_of_the_code(kind, capsys, request):
    if kind == "points":
        pytest.importorskip("torch")
    path = ROOT / "schemas" / f"{kind}.json"
    if request.config.getoption("--overwrite"):
        path.write_text(schema_text(kind), encoding="utf-8")
    assert main(["schema", kind]) == 0
    assert capsys.readouterr().out == path.read_text(encoding="utf-8"), "write it again with pytest --overwrite"


@pytest.mark.parametrize(("folder", "kind"), [("arch_configs", "architecture"), ("examples", "space")])
def test_shipped_files_name_their_schema_and_keep_to_it(validators, folder, kind):
    for name in shipped_names(folder, ".yaml"):
        path = shipped_folder(folder) / f"{name}.yaml"
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == f"# yaml-language-server: $schema=../schemas/{kind}.json"
        assert faults(validators[kind], read(path)) == [], name
        assert (path.parent / first.partition("=")[2]).is_file()


ARCH_CHANGES = [
    ("array", {"dataflow": "row-stationary", "rowz": 3}),
    ("array", {"rows": 0}),
    ("array", {"rows": {"value": 12, "sources": "x"}}),
    ("clock", 200),
    ("clock", "200 mHz"),
    ("inputs", "gated"),
    ("clocks", "200 MHz"),
    ("energy", {"actions": {"glb_read": "1 pJ"}}),
    ("energy", {"actions": {"glb_reads": "1 pJ for 3 KiB"}}),
    ("energy", {"scale": {"method": "squared"}}),
    ("area", {"parts": {"mac": "1 um2"}}),
    ("dram", {"compression": "zip"}),
    ("predictor", {"layers": 3}),
    ("sources", {}),
]


@pytest.mark.parametrize(("key", "value"), ARCH_CHANGES)
def test_what_the_loader_refuses_in_an_architecture_the_schema_refuses(validators, tmp_path, key, value):
    document = {"base": "eyeriss", key: value}
    path = tmp_path / "chip.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError):
        load_arch(path)
    assert faults(validators["architecture"], document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("array", {"rows": 24, "source": "here"}),
        ("array", {"mapping": {"pinned": {"conv1": {"A": dict.fromkeys("mnepqrt", 1)}}}}),
        ("buffers", {"glb": {"size": {"value": "64 KiB", "source": "here"}}}),
        ("predictor", {"layers": ["conv1"]}),
        ("predictor", {"layers": "paying"}),
        ("energy", {"actions": {"glb_reads": {"value": "9 pJ at 64 KiB", "source": "here"}, "cycles": "1 nJ"}}),
        ("clock", "1.5e3 kHz"),
        ("area", {"density": {"memory": 0.5}}),
    ],
)
def test_what_the_loader_takes_in_an_architecture_the_schema_takes(validators, tmp_path, key, value):
    document = {"base": "eyeriss", key: value}
    path = tmp_path / "chip.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    load_arch(path)
    assert faults(validators["architecture"], document) == []


def test_without_a_base_the_sections_are_needed(validators):
    assert faults(validators["architecture"], {"name": "chip"}) == ["$"]


SPACE = {"arch": "eyeriss", "trace": ["a", "b"], "parameters": {"array.rows": [6, 12]}, "objectives": "latency"}


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"strategy": "sobol", "policy": ["zap", "oracle"], "budget": {"minutes": 0.5}}, True),
        ({"strategy": {"name": "search", "population": 8}}, True),
        ({"parameter": {}}, False),
        ({"strategy": "sobel"}, False),
        ({"strategy": {"name": "search", "population": 3}}, False),
        ({"arch": 3}, False),
        ({"budget": {"points": 0}}, False),
        ({"images": []}, False),
    ],
)
def test_space_files(validators, change, valid):
    document = SPACE | change
    if valid:
        check_space(document, "space")
    else:
        with pytest.raises(ConfigError):
            check_space(document, "space")
    assert (faults(validators["space"], document) == []) is valid


def test_results_begin_with_their_schema_and_keep_to_it(validators, tmp_path):
    trace = Trace(write_trace(tmp_path / "tiny.safetensors", trace_header(images=2)))
    for result in (
        RESULT,
        simulate("eyeriss", trace),
        simulate("eyeriss", trace, overrides=["energy.include_dram=false"]),
    ):
        record = json.loads(result.to_json())
        assert next(iter(record)) == "$schema"
        assert faults(validators["result"], record) == []
        del record["total"]["policy"]["cycles"]["ramp"]
        record["headlin"] = ""
        assert sorted(faults(validators["result"], record)) == ["$", "$.total.policy.cycles"]


def test_results_without_a_schema_are_read():
    record = json.loads(RESULT.to_json())
    del record["$schema"]
    assert RunResult.from_json(json.dumps(record)) == RESULT
