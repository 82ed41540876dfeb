"""From a trace to a result: images, batches, settings, provenance, progress."""

import pytest

import zapsim
from tests.builders import LAYERS, arch, trace_header, write_trace
from zapsim.arch.load import find_arch, load_arch
from zapsim.arch.policy import PRESETS, preset
from zapsim.counts import Counts
from zapsim.errors import ConfigError, PolicyError, TraceError, ZapsimError
from zapsim.simulation import ENGINES, run_layer, simulate
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import OperatingPoint

pytestmark = pytest.mark.kernels
ARCH = arch("weight-stationary")


@pytest.fixture
def trace(tmp_path):
    return Trace(write_trace(tmp_path / "tiny.safetensors", trace_header(images=3, points=("t=0", "t=0.5"))))


def test_layers_are_what_run_layer_says(trace):
    result = simulate(ARCH, trace, PRESETS["zap"], images=[1])
    for found, layer in zip(result.layers, trace.layers("t=0", [1]), strict=True):
        assert found.comparison.policy == run_layer(ARCH, layer, PRESETS["zap"])
        assert found.comparison.baseline == run_layer(ARCH, layer, PRESETS["dense"])


def test_images_are_summed_one_after_the_other(trace):
    singles = [simulate(ARCH, trace, PRESETS["zap"], images=[image]).total for image in range(3)]
    total = simulate(ARCH, trace, PRESETS["zap"]).total
    assert total.policy.counts == sum((one.policy.counts for one in singles), Counts())
    assert total.policy.cycles.total == sum(one.policy.cycles.total for one in singles)
    assert total.policy.total_energy_pj == pytest.approx(sum(one.policy.total_energy_pj for one in singles))


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_batches_cover_every_image_once(trace, batch):
    steps = []
    result = simulate(ARCH, trace, PRESETS["zap"], batch=batch, progress=lambda name, _: steps.append(name))
    dense = 3 * sum(layer.shape.macs for layer in LAYERS)
    assert result.total.policy.counts.macs_dense == result.total.baseline.counts.macs_dense == dense
    assert steps == [layer.shape.name for layer in LAYERS] * -(-3 // batch)
    assert result.provenance["batch"] == batch


def test_the_operating_point_is_chosen(trace):
    first, other = simulate(ARCH, trace, PRESETS["zap"]), simulate(ARCH, trace, PRESETS["zap"], point="t=0.5")
    assert (first.operating_point, other.operating_point) == ("t=0", "t=0.5")
    assert first.total.policy.demanded_macs != other.total.policy.demanded_macs
    assert (first.patterns, first.thresholds) == (("1/2",), (0.25,))


def test_settings_say_why_a_layer_has_no_predictor(tmp_path):
    off = OperatingPoint(name="off", predictors={}, quality={}, quality_note="")
    header = trace_header(operating_points=(off, *trace_header().operating_points))
    trace = Trace(write_trace(tmp_path / "trace", header))
    assert [layer.predictor for layer in simulate(ARCH, trace, PRESETS["zap"], point="t=0").layers] == [
        "not predicted: first convolution",
        "pattern 1/2, threshold 0.25",
        "not predicted: no ReLU follows",
    ]
    without = simulate(ARCH, trace, PRESETS["zap"], point="off")
    assert without.layers[1].predictor == "not predicted: no predictor at this operating point"
    assert without.patterns == without.thresholds == ()
    assert without.total.policy == without.total.baseline


def test_provenance(trace):
    found = simulate(ARCH, trace, PRESETS["zap"]).provenance
    assert found["zapsim"] == zapsim.__version__
    assert (found["arch_sha256"], found["trace_sha256"]) == (ARCH.hash, trace.hash)
    assert (found["trace"], found["seed"], found["batch"]) == ("tiny.safetensors", 7, 1)
    assert found["policy"] == {"outputs": "skip", "inputs": "dense", "knowledge": "predictor"}
    assert {"numpy", "numba", "python"} <= set(found)


def test_the_same_twice(trace):
    assert simulate(ARCH, trace, PRESETS["zap"]) == simulate(ARCH, trace, PRESETS["zap"])


@pytest.mark.parametrize("dataflow", ENGINES)
def test_every_dataflow_runs_the_policies_that_it_serves(trace, dataflow):
    spec = arch(dataflow)
    served = [name for name, policy in PRESETS.items() if ENGINES[dataflow].served.outputs >= {policy.outputs}]
    for name in sorted({"dense", "gate-input", "zap-gate", "zap", "zap-perfect", "oracle"} & set(served)):
        result = simulate(spec, trace, preset(name, "dense"))
        for layer, traced in zip(result.layers, LAYERS, strict=True):
            for side in (layer.comparison.baseline, layer.comparison.policy):
                assert side.counts.macs_dense == 3 * traced.shape.macs
                assert 0 < side.active_pes <= 30


@pytest.mark.parametrize(("images", "found"), [([3], "3"), ([0, -1], "-1"), ([], "is chosen")])
def test_images_that_are_not_there(trace, images, found):
    with pytest.raises(TraceError) as caught:
        simulate(ARCH, trace, PRESETS["zap"], images=images)
    assert str(caught.value) == f"{trace.path}: no image {found}; it holds 0 to 2"


def test_mistakes_stop_the_run(trace):
    with pytest.raises(PolicyError):
        simulate(ARCH, trace, PRESETS["early-exit"])
    bare = arch("weight-stationary", energy={"technology": "none", "actions": {}})
    with pytest.raises(ConfigError, match=r"^tiny: energy\.actions\.macs_executed: missing"):
        simulate(bare, trace, PRESETS["zap"])


# --- the public function --------------------------------------------------------------------------------------------


def test_names_paths_and_objects_give_the_same(trace):
    spec = load_arch("eyeriss", ["array.rows=16", "predictor.granularity=tile"])
    expected = zapsim.simulate(spec, trace, preset("oracle", spec.inputs))
    changes = {"array.rows": 16, "predictor.granularity": "tile"}
    assert zapsim.simulate("eyeriss", str(trace.path), policy="oracle", overrides=changes) == expected
    texts = [f"{path}={value}" for path, value in changes.items()]
    file = find_arch("eyeriss")
    assert zapsim.simulate(file, trace.path, PRESETS["oracle"], overrides=texts).arch == "eyeriss"
    assert zapsim.simulate(file, trace.path, "oracle", overrides=texts) == expected
    assert zapsim.simulate("eyeriss", trace).policy == "zap"


def test_a_preset_leaves_inputs_as_the_architecture_sets_them(trace):
    assert zapsim.simulate("eyeriss", trace, "zap").baseline == "gate-input"
    assert zapsim.simulate("eyeriss", trace, PRESETS["zap"]).baseline == "dense"


@pytest.mark.parametrize(
    ("arch", "options", "message"),
    [
        ("eyeris", {}, "eyeris: no such architecture (did you mean 'eyeriss'?)"),
        ("eyeriss", {"policy": "zapp"}, "unknown policy 'zapp' (did you mean 'zap'?)"),
        ("eyeriss", {"overrides": {"array.rosw": 16}}, "array.rosw: unknown key (did you mean 'rows'?)"),
        ("eyeriss", {"overrides": ["array.rows"]}, "expected PATH=VALUE such as 'array.rows=16', got 'array.rows'"),
        ("eyeriss", {"overrides": {"array.rows": None}}, "array.rows"),
        ("eyeriss", {"batch": 0}, "batch must be at least 1, got 0"),
        ("eyeriss", {"engine": "evnt"}, "unknown timeline engine 'evnt' (did you mean 'event'?)"),
        (ARCH, {"overrides": {"array.rows": 16}}, "tiny: overrides need the name or path of an architecture"),
    ],
)
def test_mistakes_name_what_came(trace, arch, options, message):
    with pytest.raises(ZapsimError) as caught:
        zapsim.simulate(arch, trace, **options)
    assert message in str(caught.value)


def test_a_trace_that_is_not_there(tmp_path):
    with pytest.raises(TraceError) as caught:
        zapsim.simulate("eyeriss", str(tmp_path / "none"))
    assert str(caught.value) == f"{tmp_path / 'none'}: no such trace file"


def test_a_named_layer_must_be_one_of_the_network(trace):
    name = LAYERS[-1].shape.name
    spec = arch("weight-stationary", predictor={"unit": "ideal", "layers": [name, f"{name}x"]})
    with pytest.raises(ConfigError, match=rf"predictor\.layers: the network has no layer '{name}x' \(did you mean"):
        simulate(spec, trace, PRESETS["zap"])
    spec = arch("weight-stationary", predictor={"unit": "ideal", "layers": ["quite another"]})
    with pytest.raises(ConfigError, match=rf"no layer 'quite another'; its layers are .*{name}$"):
        simulate(spec, trace, PRESETS["zap"])
