"""Looking up, reading, merging and overriding architecture files."""

from pathlib import Path

import pytest

from zapsim.arch.load import known_archs, load_arch
from zapsim.errors import ConfigError

KNOWN = ", ".join(known_archs())


def faults(name_or_path: str | Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_arch(name_or_path, overrides)
    assert all("\n" not in fault for fault in caught.value.faults)
    return list(caught.value.faults)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_known_archs():
    assert known_archs() == sorted(known_archs())
    assert {"eyeriss", "eyeriss_alexnet", "systolic_16x16", "tpu_128x128"} <= set(known_archs())


@pytest.mark.parametrize("name", ["eyeriss", "eyeriss.yaml"])
def test_bare_names_find_the_shipped_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arch = load_arch(name)
    assert (arch.name, arch.array.rows, arch.array.cols, arch.clock) == ("eyeriss", 12, 14, 200e6)


def test_a_file_wins_over_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "eyeriss.yaml", "base: tpu_128x128")
    assert load_arch("eyeriss.yaml").name == "tpu_128x128"
    assert load_arch("eyeriss").name == "eyeriss"


def test_a_folder_of_the_same_name_is_no_architecture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eyeriss").mkdir()
    assert load_arch("eyeriss").name == "eyeriss"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("eyeris", f"eyeris: no such architecture (did you mean 'eyeriss'?); expected a file, or one of: {KNOWN}"),
        ("npu.yaml", f"npu.yaml: no such architecture; expected a file, or one of: {KNOWN}"),
        ("/no/x.yaml", f"/no/x.yaml: no such architecture; expected a file, or one of: {KNOWN}"),
        ("", f".: no such architecture; expected a file, or one of: {KNOWN}"),
    ],
)  # fmt: skip
def test_unknown_architecture(name, message):
    assert faults(name) == [message]


def test_a_name_too_long_for_the_file_system_is_unknown():
    assert faults("x" * 300)[0].endswith(f": no such architecture; expected a file, or one of: {KNOWN}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml: is empty, expected keys and values such as 'clock: 200 MHz'"),
        ("# nothing", "a.yaml: is empty, expected keys and values such as 'clock: 200 MHz'"),
        ("- 1", "a.yaml: holds a list, expected keys and values such as 'clock: 200 MHz'"),
        ("eyeriss", "a.yaml: holds 'eyeriss', expected keys and values such as 'clock: 200 MHz'"),
        ("name: x\narray: {rows: 3", "a.yaml: line 2, column 16: expected ',' or '}', but got '<stream end>'"),
        ("name: a: b", "a.yaml: line 1, column 8: mapping values are not allowed here"),
        ("name: x\n---\nname: y", "a.yaml: line 2, column 1: but found another document"),
        ("name: !!python/name:os.system x", "a.yaml: line 1, column 7: tags (tag:yaml.org,2002:python/name:os.system) are not read; write the value as it "  # noqa: E501
         "is"),
        ("name: a\nclock: 1\nname: b", "a.yaml: line 3: key 'name' is given twice (first on line 1)"),
        ("3: x", "a.yaml: line 1: a key must be text, got '3' (put it in quotes)"),
        ("on: x", "a.yaml: line 1: a key must be text, got 'on' (put it in quotes)"),
        ("? [a]\n: x", "a.yaml: line 1: a key must be text, got a list or a section (put it in quotes)"),
        ("a: &a {b: 1}\nc: *a", "a.yaml: line 1, column 4: this section is used again by an alias (*); write it out"),
        ("a: &a {b: *a}", "a.yaml: line 1, column 4: this section is used again by an alias (*); write it out"),
        ("name: 2016-13-45", "a.yaml: line 1, column 7: YAML 1.1 reads '2016-13-45' as a date; put it in quotes"),
        ("name: \x07", "a.yaml: character 7: special characters are not allowed"),
        ("a: " + "[" * 1200, "a.yaml: nested too deeply"),
    ],
)  # fmt: skip
def test_files_that_are_no_architecture(tmp_path, text, message):
    assert faults(write(tmp_path, "a.yaml", text)) == [message]


def test_all_double_keys_are_named(tmp_path):
    path = write(tmp_path, "a.yaml", "name: a\nname: b\narray: {rows: 1, rows: 2}\n")
    assert faults(path) == [
        "a.yaml: line 2: key 'name' is given twice (first on line 1)",
        "a.yaml: line 3: key 'rows' is given twice (first on line 3)",
    ]


def test_unreadable_files(tmp_path):
    binary = tmp_path / "a.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert faults(binary) == [f"{binary}: not a text file (UTF-8 expected)"]


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    def deny(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "a.yaml", "name: a")
    monkeypatch.setattr(Path, "open", deny)
    assert faults(path) == [f"{path}: cannot be read (Permission denied)"]


def test_base_is_found_beside_the_file_and_merged_deeply(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    write(tmp_path, "below.yaml", "base: eyeriss\narray: {rows: 6}\nclock: 100 MHz\n")
    top = write(tmp_path, "top.yaml", "base: below.yaml\narray: {cols: 7}\nname: top\n")
    arch = load_arch(top)
    assert (arch.name, arch.array.rows, arch.array.cols, arch.clock) == ("top", 6, 7, 100e6)
    assert arch.buffers.glb.size == 100 * 1024


def test_a_replaced_value_loses_the_source_of_the_one_below(tmp_path):
    top = write(tmp_path, "top.yaml", "base: eyeriss\narray: {rows: 6}\nclock: {value: 1 GHz, source: my chip}\n")
    sources = load_arch(top).sources
    assert "array.rows" not in sources
    assert sources["array.cols"] == "JSSC 2017, chip specifications"
    assert sources["clock"] == "my chip"


def test_faults_name_the_file_they_stand_in(tmp_path):
    write(tmp_path, "below.yaml", "base: eyeriss\nclock: 1\narray: {rows: 0}\n")
    top = write(tmp_path, "top.yaml", "base: below.yaml\narray: {cols: 0}\n")
    assert faults(top) == [
        "below.yaml: array.rows: expected at least 1, got 0",
        "top.yaml: array.cols: expected at least 1, got 0",
        "below.yaml: clock: expected a frequency such as '200 MHz', got 1 (units: Hz, kHz, MHz, GHz)",
    ]


def test_bases_that_go_round_in_a_circle(tmp_path):
    write(tmp_path, "a.yaml", "base: b.yaml")
    write(tmp_path, "b.yaml", "base: c.yaml")
    write(tmp_path, "c.yaml", "base: b.yaml")
    assert faults(tmp_path / "a.yaml") == [
        "c.yaml: base: goes round in a circle: b.yaml -> c.yaml -> b.yaml",
    ]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("[1]", "a.yaml: base: expected a file or the name of an architecture, got a list"),
        ("", "a.yaml: base: expected a file or the name of an architecture, got nothing"),
        ("' '", "a.yaml: base: expected a file or the name of an architecture, got ' '"),
        ("tpu", f"a.yaml: base: tpu: no such architecture; expected a file, or one of: {KNOWN}"),
    ],
)
def test_bases_that_are_none(tmp_path, base, message):
    assert faults(write(tmp_path, "a.yaml", f"base: {base}\n")) == [message]


def test_overrides_replace_values_in_order_and_name_their_source():
    arch = load_arch("eyeriss", ["array.rows=3", "array.rows = 24", "clock=1 GHz", "energy.actions.cycles=0 pJ"])
    assert (arch.array.rows, arch.clock, arch.energy.actions["cycles"]) == (24, 1e9, 0.0)
    for path in ("array.rows", "clock", "energy.actions.cycles"):
        assert arch.sources[path] == "set on the command line"
    assert arch.sources["array.cols"] == load_arch("eyeriss").sources["array.cols"]


def test_overrides_as_a_mapping():
    changes = {"array.rows": 16, "clock": "250 MHz", "predictor.granularity": "tile"}
    assert load_arch("eyeriss", changes) == load_arch("eyeriss", [f"{key}={value}" for key, value in changes.items()])
    assert load_arch("eyeriss", changes).array.rows == 16
    assert load_arch("eyeriss", {}) == load_arch("eyeriss")


def test_overrides_create_optional_sections(tmp_path):
    pins = [f"array.mapping.pinned.conv.{key}=1" for key in "mnepqrt"]
    arch = load_arch("eyeriss", pins)
    assert arch.array.mapping.pinned["conv"].m == 1
    assert arch.array.mapping.pinned.keys() == {"conv"}
    empty = write(tmp_path, "a.yaml", "base: eyeriss\narray: {mapping: {pinned: {}}}\n")
    assert load_arch(empty, pins).array.mapping.pinned.keys() == {"conv"}


def test_overrides_reach_names_with_dots(tmp_path):
    pin = "{m: 1, n: 1, e: 1, p: 1, q: 1, r: 1, t: 1}"
    path = write(tmp_path, "a.yaml", f"base: eyeriss\narray: {{mapping: {{pinned: {{features.0: {pin}}}}}}}\n")
    arch = load_arch(path, ["array.mapping.pinned.features.0.e=7"])
    assert arch.array.mapping.pinned["features.0"].e == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("array.rows", "--set: expected PATH=VALUE such as 'array.rows=16', got 'array.rows'"),
        ("array.rows=", "--set: expected PATH=VALUE such as 'array.rows=16', got 'array.rows='"),
        ("=3", "--set: expected PATH=VALUE such as 'array.rows=16', got '=3'"),
        ("array..rows=3", "--set: expected PATH=VALUE such as 'array.rows=16', got 'array..rows=3'"),
        ("array.rows={a: 1}", "--set: array.rows: '{a: 1}' is not one YAML value"),
        ("array.rows=~", "--set: array.rows: '~' is not one YAML value"),
        ("array.rows=[", "--set: array.rows: '[' is not one YAML value"),
        ("array.rows=2016-13-45", "--set: array.rows: YAML 1.1 reads '2016-13-45' as a date; put it in quotes"),
        ("array.rows.x=3", "--set: array.rows.x: array.rows is a value, not a section"),
        ("base=tpu_128x128", "--set: base: only a file can have one"),
        ("buffers=3", "--set: buffers: expected a section with the keys glb, filters, prefetch, got 3"),
        ("array.rows=sixteen", "--set: array.rows: expected a whole number, got 'sixteen'"),
        ("array.rowz=16", "--set: array.rowz: unknown key (did you mean 'rows'?); keys of this section: dataflow, "
         "rows, cols, spads, buses, balance, psums, masks, mapping"),
        ("sources.clock=x", "--set: sources: unknown key; a value's source stands beside it, as in "
         "{value: 2 pJ, source: ...}"),
    ],
)  # fmt: skip
def test_overrides_that_cannot_be(override, message):
    assert faults("eyeriss", override) == [message]


def test_all_faults_of_overrides_come_with_those_of_the_file(tmp_path):
    path = write(tmp_path, "a.yaml", "base: eyeriss\nword: 3\n")
    assert faults(path, "array.rows", "clock=3") == [
        "--set: expected PATH=VALUE such as 'array.rows=16', got 'array.rows'",
        "a.yaml: word: expected a width such as '16 bit', got 3 (units: bit, bits)",
        "--set: clock: expected a frequency such as '200 MHz', got 3 (units: Hz, kHz, MHz, GHz)",
    ]
