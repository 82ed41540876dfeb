"""What is wrong in an architecture file, one line each: path, expectation, and what came."""

from pathlib import Path
from typing import get_args

import pytest

from zapsim.arch.load import load_arch
from zapsim.arch.spec import ArchSpec
from zapsim.counts import Counts
from zapsim.errors import ConfigError

TOP = "base, name, description, array, word, clock, buffers, dram, inputs, predictor, clock_gating, energy, area"
ACTIONS = ", ".join(
    [
        *(name for name in Counts().as_dict() if name not in {"macs_skipped", "macs_lost"}),
        *("pe_idle_cycles", "pe_control_cycles", "cycles"),
    ]
)

DATAFLOWS = ", ".join(
    dataflow
    for array in get_args(ArchSpec.model_fields["array"].annotation)
    for dataflow in get_args(array.model_fields["dataflow"].annotation)
)
INPUTS = ", ".join(get_args(ArchSpec.model_fields["inputs"].annotation))


def faults(folder: Path, text: str, base: str | None = "eyeriss") -> list[str]:
    path = folder / "a.yaml"
    path.write_text((f"base: {base}\n" if base else "") + text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_arch(path)
    assert str(caught.value) == "\n".join(caught.value.faults)
    assert "pydantic" not in str(caught.value)
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("buffers: {glb: {size: 108K}}",
         "buffers.glb.size: expected a size such as '108 KiB', got '108K' (units: B, kB, MB, GB, KiB, MiB, GiB)"),
        ("buffers: {glb: {size: 0 KiB}}", "buffers.glb.size: must be more than 0"),
        ("word: 16", "word: expected a width such as '16 bit', got 16 (units: bit, bits)"),
        ("word: .nan", "line 2, column 7: expected a finite number in decimal, got '.nan' (in quotes if it is text)"),
        ("clock: .inf", "line 2, column 8: expected a finite number in decimal, got '.inf' (in quotes if it is text)"),
        ("clock: 0 Hz", "clock: must be more than 0"),
        ("clock: -1 MHz", "clock: expected a frequency such as '200 MHz', got '-1 MHz', which is negative"),
        ("clock: yes", "line 2, column 8: YAML 1.1 reads 'yes' as true; write true, a number, or in quotes as text"),
        ("clock: [1]", "clock: expected a frequency such as '200 MHz', got a list (units: Hz, kHz, MHz, GHz)"),
        ("predictor: {latency: 8}",
         "predictor.latency: expected a latency in cycles such as '8 cycles', got 8 (units: cycle, cycles)"),
        ("array: {rows: 16.5}", "array.rows: expected a whole number, got 16.5"),
        ("array: {rows: yes}", "line 2, column 15: YAML 1.1 reads 'yes' as true; write true, a number, or in quotes as text"),  # noqa: E501
        ("array: {rows: true}", "array.rows: expected a whole number, got true"),
        ("array: {rows: 010}", "line 2, column 15: YAML 1.1 reads '010' as 8; write 10 or 8 in decimal, or in quotes as text"),  # noqa: E501
        ("array: {rows: 1:20}", "line 2, column 15: YAML 1.1 reads '1:20' as 80; write 80 in decimal, or in quotes as text"),  # noqa: E501
        ("dram: {refresh: true}", "dram.refresh: expected a number, got true"),
        ("array: {rows: '16'}", "array.rows: expected a whole number, got '16'"),
        ("array: {rows: .inf}", "line 2, column 15: expected a finite number in decimal, got '.inf' (in quotes if it is text)"),  # noqa: E501
        ("array: {rows: .nan}", "line 2, column 15: expected a finite number in decimal, got '.nan' (in quotes if it is text)"),  # noqa: E501
        ("array: {rows: -3}", "array.rows: expected at least 1, got -3"),
        ("array: {rows: }", "array.rows: expected a whole number, got nothing"),
        ("array: {rows: 2_000_000}", "array.rows: expected at most 1,000,000, got 2000000"),
        ("array: {rows: {a: 1}}", "array.rows: expected a whole number, got a section"),
        (f"array: {{rows: 0x{'f' * 5000}}}", f"line 2, column 15: YAML 1.1 reads '0x{'f' * 58}…' in another base than ten; "  # noqa: E501
         "write it in decimal, or in quotes as text"),
        (f"array: {{rows: {'9' * 500}}}", "line 2, column 15: a number of 500 digits is out of range"),
        ("array: {rows: !!int ''}", "line 2, column 15: tags (tag:yaml.org,2002:int) are not read; write the value as it is"),  # noqa: E501
        ("array: {<<: 3}", "line 2: merge keys (<<) are not read; write the section out, or use base:"),
        ("name: 3", "name: expected text in quotes, got 3"),
        ("array: {rowz: 3}", "array.rowz: unknown key (did you mean 'rows'?); keys of this section: dataflow, rows, "
         "cols, spads, buses, balance, psums, masks, mapping"),
        ("rows: 3", f"rows: unknown key (did you mean 'array.rows'?); keys at the top level: {TOP}"),
        ("array: {drain: serial}", "array.drain: unknown key (only with dataflow: weight-stationary, "
         "output-stationary, input-stationary); keys of this section: dataflow, rows, cols, spads, buses, "
         "balance, psums, masks, mapping"),
        ("flux_capacitor: 3", f"flux_capacitor: unknown key; keys at the top level: {TOP}"),
        ("sources: {clock: me}", "sources: unknown key; a value's source stands beside it, as in "
         "{value: 2 pJ, source: ...}"),
        ("sources:", "sources: unknown key; a value's source stands beside it, as in {value: 2 pJ, source: ...}"),
        ("array: {dataflow: row-stationery}", f"array.dataflow: expected one of: {DATAFLOWS}, got 'row-stationery' "
         "(did you mean 'row-stationary'?)"),
        ("array: {dataflow: 3}", f"array.dataflow: expected one of: {DATAFLOWS}, got '3'"),
        ("inputs: sparse", f"inputs: expected one of: {INPUTS}, got 'sparse'"),
        ("predictor: {unit: dedicatd}",
         "predictor.unit: expected one of: dedicated, array, ideal, got 'dedicatd' (did you mean 'dedicated'?)"),
        ("dram: {compression: no}", "line 2, column 21: YAML 1.1 reads 'no' as false; write false, a number, or in quotes as text"),  # noqa: E501
        ("predictor: 3",
         "predictor: expected a section with the keys unit, layers, arithmetic, lanes, latency, weights, granularity, "
         "got 3"),
        ("dram:",
         "dram: expected a section with the keys preset, bandwidth, latency, burst, refresh, compression, got nothing"),
        ("energy: {actions: 3}", "energy.actions: expected a section, got 3"),
        ("energy: {actions: {macs_execute: 1 pJ}}",
         "energy.actions.macs_execute: unknown action (did you mean 'macs_executed'?)"),
        ("energy: {actions: {warp: 1 pJ}}", f"energy.actions.warp: unknown action; known: {ACTIONS}"),
        ("energy: {actions: {macs_executed: 1}}",
         "energy.actions.macs_executed: expected an energy such as '2.2 pJ', got 1 (units: fJ, pJ, nJ)"),
        ("energy: {actions: {macs_gated: 3 pJ}}",
         "energy.actions.macs_gated: 3 pJ is more than the 1.51 pJ of macs_executed"),
        ("clock: {value: 1 MHz, sorce: me}",
         "clock.sorce: unknown key (did you mean 'source'?); keys of this section: value, source"),
        ("clock: {value: 1 MHz, source: 3}", "clock.source: expected the source as text, got 3"),
        ("clock: {value: 1 MHz, source: ' '}", "clock.source: expected the source as text, got ' '"),
        ("array: {source: }", "array.source: expected the source as text, got nothing"),
        ("source: me", "source: belongs in a section or beside a value, not at the top"),
    ],
)  # fmt: skip
def test_one_fault(tmp_path, text, message):
    assert faults(tmp_path, text) == [f"a.yaml: {message}"]


def test_everything_missing(tmp_path):
    keys = ["description", "array", "word", "clock", "buffers", "dram", "predictor", "energy"]
    assert faults(tmp_path, "name: a", base=None) == [f"a.yaml: {key}: missing" for key in keys]


def test_missing_inside_sections(tmp_path):
    text = "array: {rows: 3}\nbuffers: {}\npredictor: {unit: dedicated}\ndram: {compression: rlc}\n"
    found = faults(tmp_path, text, base=None)
    assert f"a.yaml: array.dataflow: missing, expected one of: {DATAFLOWS}" in found
    assert "a.yaml: buffers.glb: missing" in found
    assert "a.yaml: dram.bandwidth: missing" in found
    assert "a.yaml: predictor.lanes: missing, a dedicated unit needs it (MACs per cycle)" in found


@pytest.mark.parametrize("unit", ["array", "ideal"])
def test_only_a_dedicated_predictor_needs_lanes(tmp_path, unit):
    path = tmp_path / "a.yaml"
    path.write_text(f"base: eyeriss\npredictor: {{unit: {unit}}}\n", encoding="utf-8")
    assert load_arch(path).predictor.unit == unit


def test_faults_inside_a_pinned_mapping(tmp_path):
    text = "array: {mapping: {pinned: {conv1: {m: 0, n: 1, e: 1, p: 1, q: 1, r: 1, tt: 1}}}}"
    assert faults(tmp_path, text) == [
        "a.yaml: array.mapping.pinned.conv1.m: expected at least 1, got 0",
        "a.yaml: array.mapping.pinned.conv1.t: missing",
        "a.yaml: array.mapping.pinned.conv1.tt: unknown key (did you mean 't'?); keys of this section: "
        "m, n, e, p, q, r, t",
    ]


PINNED = "{m: 4, n: 1, e: 1, p: 1, q: 1, r: 1, t: 1}"


def test_stages_are_pinned_by_their_names(tmp_path):
    path = tmp_path / "a.yaml"
    text = f"base: eyeriss\narray: {{mapping: {{pinned: {{conv1: {{B: {PINNED}}}, conv2: {PINNED}}}}}}}\n"
    path.write_text(text, encoding="utf-8")
    mapping = load_arch(path, ["array.mapping.pinned.conv1.B.e=7"]).array.mapping
    assert mapping.pinned_by_stage == ["conv1"]
    assert (mapping.pinned["conv1"].A, mapping.pinned["conv1"].B.e) == (None, 7)
    assert mapping.pinned["conv2"].m == 4


@pytest.mark.parametrize(
    ("pinned", "more", "fault"),
    [
        (f"{{C: {PINNED}}}", "", "array.mapping.pinned.conv1.C: unknown key; keys of this section: A, B"),
        ("{A: {m: 0, n: 1, e: 1, p: 1, q: 1, r: 1, t: 1}}", "",
         "array.mapping.pinned.conv1.A.m: expected at least 1, got 0"),
        (f"{{A: {PINNED}}}", ", stages: together",
         "array.mapping.pinned.conv1: names stages, which have one mapping with stages: together; "
         "write stages: apart, or one mapping"),
        ("3", "", "array.mapping.pinned.conv1: expected a section with the keys m, n, e, p, q, r, t, got 3"),
    ],
)  # fmt: skip
def test_stages_that_cannot_be_pinned(tmp_path, pinned, more, fault):
    assert faults(tmp_path, f"array: {{mapping: {{pinned: {{conv1: {pinned}}}{more}}}}}") == [f"a.yaml: {fault}"]


def test_only_row_stationary_arrays_have_compact_psums(tmp_path):
    found = faults(tmp_path, "array: {psums: compact}", base="systolic_16x16")
    assert len(found) == 1
    assert found[0].startswith(
        "a.yaml: array.psums: unknown key (only with dataflow: row-stationary); keys of this section: "
    )


def test_long_values_are_clipped_and_kept_on_one_line(tmp_path):
    text = f'name: ok\nclock: "a\\n{"x" * 100}"'
    shown = "a\\n" + "x" * 58 + "\\u2026"
    assert faults(tmp_path, text) == [
        f"a.yaml: clock: expected a frequency such as '200 MHz', got '{shown}' (units: Hz, kHz, MHz, GHz)"
    ]


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("lanes_256", "buffers.glb.resident=108 KiB",
         "buffers.glb.resident: 110592 B leave nothing of the 110592 B of size to work with"),
        ("lanes_256", "buffers.filters.size=1 KiB",
         "buffers.filters: belongs to a row-stationary array, not to one with dataflow: output-lanes"),
        ("eyeriss", "dram.refresh=1", "dram.refresh: expected less than 1.0, got 1"),
    ],
)  # fmt: skip
def test_memories_that_cannot_be(name, change, fault):
    with pytest.raises(ConfigError) as caught:
        load_arch(name, [change])
    assert str(caught.value) == f"--set: {fault}"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("eyeriss", "array.balance=filter-sort", "array.balance = filter-sort"),
        ("eyeriss", "array.balance=filter-deal", "array.balance = filter-deal"),
        ("eyeriss", "array.psums=compact", "array.psums = compact"),
        ("systolic_16x16", "array.pixel_order=grouped", "array.pixel_order = grouped"),
        ("systolic_16x16", "array.channel_order=by-density", "array.channel_order = by-density"),
    ],
)
def test_blocks_that_differ_between_stages_cannot_alternate(name, change, said):
    load_arch(name, [change])
    with pytest.raises(ConfigError, match=f"granularity: 'tile' needs blocks of the same outputs .* {said}"):
        load_arch(name, [change, "predictor.granularity=tile"])
    boundary = ["array.dataflow=input-stationary", "array.fold_boundary=crossed", "predictor.granularity=tile"]
    with pytest.raises(ConfigError, match=r"array\.fold_boundary = crossed"):
        load_arch("systolic_16x16", boundary)
    load_arch("systolic_16x16", boundary[1:])
