"""Spaces: what a file means, and what is refused before any work."""

import pytest

from tests.builders import TracedLayer, conv, trace_header, write_trace
from tests.explore_support import labelled_trace, load, space_of
from zapsim.errors import ZapsimError
from zapsim.exploration.load import load_space
from zapsim.exploration.strategies import check_size
from zapsim.metrics import Known


def fault(folder, **changes) -> str:
    with pytest.raises(ZapsimError) as found:
        load(folder, **changes)
    line = str(found.value)
    assert "\n" not in line
    return line


def test_designs_and_their_choices(tmp_path):
    space = load(tmp_path)
    assert space.lattice.size == 12
    assert space.chosen((0, 1, 0, 2, 0)) == {
        "arch": "eyeriss", "trace": "tiny", "point": "t1", "policy": "zap", "array.rows": 12, "predictor.lanes": 1,
    }  # fmt: skip
    spec = space.archs[0].spec(space.patches((0, 1, 0, 2, 0)))
    assert (spec.array.rows, spec.predictor.lanes, spec.array.cols) == (12, 1, 14)


def test_quantities_are_in_base_units(tmp_path):
    sizes = {"from": "32 KiB", "to": "128 KiB", "steps": 3, "log": True}
    space = load(tmp_path, parameters={"buffers.glb.size": sizes, "clock": ["100 MHz", "0.2 GHz"]})
    assert space.parameters[0].values == (32768, 65536, 131072)
    assert space.parameters[1].values == (1e8, 2e8)
    assert space.lattice.axes[3].ordered


def test_parameters_that_only_some_architectures_have(tmp_path):
    parameters = {"array.rows": [6, 12], "array.spads.psum": ["16 words", "24 words"], "array.lanes": [4, 8, 16]}
    space = load(tmp_path, arch=["eyeriss", "tpu_128x128", "lanes_256"], point="t0", parameters=parameters)
    assert space.lattice.size == 2 * 2 + 2 + 3
    lanes = next(design for design in space.lattice.walk() if design[0] == 2)
    assert space.chosen(lanes)["array.rows"] is None
    assert space.chosen(lanes)["array.lanes"] == 4


def test_when(tmp_path):
    flows = {"values": ["weight-stationary", "input-stationary"], "when": {"arch": "systolic_16x16"}}
    lanes = {"values": [1, 9, 27], "when": {"policy": ["zap"], "point": "t1"}}
    space = load(
        tmp_path, arch=["eyeriss", "systolic_16x16"], policy=["dense", "zap"],
        parameters={"array.dataflow": flows, "predictor.lanes": lanes},
    )  # fmt: skip
    assert space.lattice.size == (1 + 2) * (1 * 3 + 1 + 2)  # arrays × (zap at t1 with lanes, zap at t0, dense at both)


def test_sections_as_values(tmp_path):
    space = load(tmp_path, parameters={"array": [{"rows": 6, "cols": 28}, {"rows": 12, "cols": 14}]})
    assert space.parameters[0].values == ("rows=6, cols=28", "rows=12, cols=14")
    spec = space.archs[0].spec(space.patches((0, 0, 0, 0)))
    assert (spec.array.rows, spec.array.cols) == (6, 28)


def test_set_changes_all_designs(tmp_path):
    space = load(tmp_path, set={"clock": "50 MHz"}, arch=["eyeriss", "tpu_128x128"])
    assert {variants.base.clock for variants in space.archs} == {5e7}
    line = fault(tmp_path, set={"array.rosw": 3})
    assert line.startswith("space: set.array.rosw: space: set: array.rosw: unknown key (did you mean 'rows'?)")


def test_constraints_on_choices_are_seen_without_simulating(tmp_path):
    constraints = ["array.rows * array.cols <= 150", "accuracy_drop <= 1.0", "cycles < 10", "area_mm2 > 0"]
    space = load(tmp_path, constraints=constraints, objectives=["cycles"])
    assert [one.known for one in space.constraints] == [
        Known.FROM_CHOICES,
        Known.FROM_CHOICES,
        Known.FROM_RUN,
        Known.FROM_ARCH,
    ]
    left = [space.chosen(design) for design in space.lattice.walk() if not space.excludes(design)]
    assert {(one["point"], one["array.rows"]) for one in left} == {("t0", 6), ("t0", 9)}


def test_constraints_see_sections_and_later_parameters(tmp_path):
    parameters = {"array": [{"rows": 6, "cols": 28}, {"rows": 12, "cols": 14}], "array.cols": [7, 14]}
    space = load(tmp_path, point="t0", parameters=parameters, constraints=["array.rows * array.cols <= 84"])
    left = [design[3:] for design in space.lattice.walk() if not space.excludes(design)]
    assert left == [(0, 0), (0, 1), (1, 0)]


def test_exact_policies_lose_no_accuracy(tmp_path):
    space = load(tmp_path, policy=["dense", "oracle", "zap"], constraints=["accuracy_drop <= 0"])
    left = {space.chosen(design)["policy"] for design in space.lattice.walk() if not space.excludes(design)}
    assert left == {"dense", "oracle"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"parameters": {"array.rosw": [1]}}, "space: parameters.array.rosw: unknown key (did you mean 'rows'?)"),
        ({"parameters": {"array.rows": []}}, "space: parameters.array.rows: no values, so there is no design"),
        ({"parameters": {"array.rows": [0]}}, "space: parameters.array.rows: expected at least 1, got 0"),
        ({"parameters": {"buffers.glb.size": ["64K"]}}, "space: parameters.buffers.glb.size: expected a size such as"),
        ({"parameters": {"array.dataflow": ["row"]}}, "space: parameters.array.dataflow: expected one of: "),
        ({"parameters": {"array.rows.x": [3]}}, "space: parameters.array.rows.x: array.rows is a value, not a section"),
        ({"parameters": {"name": ["a"]}}, "space: parameters.name: changes no result"),
        ({"parameters": {"array": [{"rosw": 1}]}}, "space: parameters.array.rosw: unknown key (did you mean 'rows'?)"),
        (
            {"parameters": {"clock": {"from": "1 MHz", "to": "2 MHz", "step": 2}}},
            "space: parameters.clock: step: unknown key (did you mean 'steps'?); a range has: from, to, steps, log",
        ),
        (
            {"parameters": {"clock": {"values": ["1 MHz"], "when": {"polcy": "zap"}}}},
            "space: parameters.clock: when.polcy: unknown (did you mean 'policy'?); keys of this section: ",
        ),
        (
            {"parameters": {"clock": {"values": ["1 MHz"], "when": {"policy": "dense"}}}},
            "space: parameters.clock: when.policy: expected one of: zap, got 'dense'",
        ),
        ({"policy": "zapp"}, "space: policy: unknown policy 'zapp' (did you mean 'zap'?); known: "),
        ({"point": "t3"}, "space: point: no operating point 't3'; known: t0, t1"),
        ({"arch": "eyeris"}, "eyeris: no such architecture (did you mean 'eyeriss'?)"),
        ({"arch": ["eyeriss", "eyeriss.yaml"]}, "space: arch: two architectures are called eyeriss"),
        ({"objectives": ["cylces"]}, "space: objectives.0: 'cylces': unknown name (did you mean 'cycles'?); expected "),
        ({"objectives": ["cycles < 3"]}, "space: objectives.0: 'cycles < 3' is a condition; make it a constraint"),
        ({"objectives": ["array.dataflow"]}, "space: objectives.0: 'array.dataflow' is text, not a number"),
        ({"objectives": ["cycles + point"]}, "space: objectives.0: 'cycles + point': text cannot be used as a number"),
        ({"constraints": ["array.dataflow > 3"]}, "space: constraints.0: 'array.dataflow > 3': text cannot"),
        (
            {"parameters": {"array.rows": {"values": [6, 9], "when": {"array.rows": 6}}}},
            "space: parameters: array.rows: 'when' refers to itself in a circle",
        ),
        ({"objectives": ["3 + 4"]}, "space: objectives.0: '3 + 4' is the same for all designs"),
        ({"objectives": ["cycles", "cycles"]}, "space: objectives: the same one twice"),
        ({"objectives": [{"maximize": "cycles"}]}, "space: objectives.0: expected an expression, or {maximise: EXPR"),
        ({"constraints": ["array.row <= 3"]}, "space: constraints.0: 'array.row': unknown name (did you mean 'array"),
        ({"constraints": ["cycles"]}, "space: constraints.0: expected a condition such as 'accuracy_drop <= 1.0'"),
        (
            {"constraints": ["energy <= 5"]},
            "space: constraints.0: 'energy <= 5': a number for energy needs a unit: such as 1 mJ, or compare energy",
        ),
        ({"record": "cycle_savings"}, "space: record: unknown metric 'cycle_savings' (did you mean 'cycle_saving'?)"),
        ({"strategy": "gird"}, "space: strategy.name: expected one of: grid, random, sobol, search, got 'gird'"),
        ({"budget": {"minutes": 0}}, "space: budget.minutes: expected more than 0"),
        ({"images": [7]}, "tiny.safetensors: no image 7; it holds 0 to 0"),
        ({"parametrs": {}}, "space: parametrs: unknown key (did you mean 'parameters'?); keys at the top level: "),
    ],
)  # fmt: skip
def test_refused(tmp_path, changes, line):
    found = fault(tmp_path, **changes)
    assert line in found if "images" in changes else found.startswith(line)


def test_all_faults_at_once(tmp_path):
    with pytest.raises(ZapsimError) as found:
        load(tmp_path, objectives=["cylces", "energy"], constraints=["1 +"], record=["none"])
    assert len(str(found.value).splitlines()) == 3


def test_accuracy_needs_labels(tmp_path):
    labelled_trace(tmp_path / "tiny.safetensors", labels=False)
    line = fault(tmp_path, objectives=["cycles", "accuracy_drop"])
    assert line == (
        "space: objectives.1: accuracy_drop: not known of trace tiny at operating point t0 "
        "(measured there: top1_agreement); accuracy needs labelled pictures when the trace is made"
    )
    load(tmp_path, objectives=["cycles", "accuracy_drop"], policy="oracle")


def test_traces_of_different_networks(tmp_path):
    write_trace(tmp_path / "other.safetensors", trace_header((TracedLayer(shape=conv("only"), relu=True),)))
    line = fault(tmp_path, trace=[str(tmp_path / "other.safetensors"), space_of(tmp_path)["trace"]])
    assert line == "space: trace: the traces have different layers, so their results cannot be compared"


def test_paths_are_relative_to_the_file(tmp_path):
    labelled_trace(tmp_path / "tiny.safetensors")
    file = tmp_path / "my.yaml"
    file.write_text("arch: eyeriss\ntrace: tiny.safetensors\nparameters: {array.rows: [6]}\nobjectives: cycles\n")
    assert load_space(file).name == "my"
    file.write_text("arch: eyeriss\ntrace: other.safetensors\nparameters: {array.rows: [6]}\nobjectives: cycles\n")
    with pytest.raises(ZapsimError, match="no such trace file"):
        load_space(file)


def test_large_grids_are_asked_for(tmp_path):
    many = {path: {"from": 1, "to": 60, "steps": 60} for path in ("array.rows", "array.cols", "predictor.lanes")}
    space = load(tmp_path, parameters=many)
    with pytest.raises(
        ZapsimError, match=r"the grid has 432,000 designs \(2 × 60 × 60 × 60\); evaluate all with --yes"
    ):
        check_size(space, consent=False)
    check_size(space, consent=True)
    check_size(load(tmp_path, parameters=many, budget={"points": 5}), consent=False)
    random = load(tmp_path, parameters=many, strategy="random")
    with pytest.raises(ZapsimError, match="random over 432,000 designs needs a budget"):
        check_size(random, consent=False)
