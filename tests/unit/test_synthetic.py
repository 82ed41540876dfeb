"""Synthetic traces: shares as asked, correlation as asked, the word `synthetic` in every output, faults in one line."""

import json

import numpy as np
import pytest

import zapsim
from zapsim.cli import main
from zapsim.errors import WorkloadError, ZapsimError
from zapsim.tracefile.reader import Trace
from zapsim.workload import ConvShape, Workload
from zapsim.workloads.rates import Rates, rates_of, read_rates
from zapsim.workloads.source import load_workload
from zapsim.workloads.synthetic import Likeness, synthesise

pytestmark = pytest.mark.kernels


def conv(name: str, C: int, size: int, K: int) -> ConvShape:
    return ConvShape(name, C, size, size, K, 3, 3, padding=(1, 1, 1, 1))


NET = Workload(
    "net",
    (
        conv("a", 3, 24, 16),
        conv("b", 16, 24, 24),
        conv("c", 24, 12, 32),  # behind a pooling
        conv("d", 8, 12, 16),  # not behind c
        conv("small", 16, 3, 16),
        ConvShape("fc", 144, 1, 1, 10, 1, 1),
    ),
)


def made(tmp_path, rates, **options) -> Trace:
    path = tmp_path / "made.safetensors"
    synthesise(NET, rates, path, **options)
    return Trace(path)


@pytest.mark.parametrize("density", [0.02, 0.4, 0.9])
@pytest.mark.parametrize("likeness", [Likeness(), Likeness(0.3, 0.5)], ids=str)
def test_shares_are_as_asked(tmp_path, density, likeness):
    trace = made(tmp_path, Rates(density), likeness=likeness)
    layers = {layer.shape.name: layer for layer in trace.layers()}
    for layer in layers.values():
        if layer.shape.name != "fc":
            assert layer.ofmap_nonzero.count() == round(density * layer.shape.outputs)
    assert [name for name, layer in layers.items() if layer.mask is not None] == ["b", "c", "d"]
    assert [layer.unpredicted for layer in trace.header.layers] == [
        "first layer", None, None, None, "output map of 3×3 is too small", "no ReLU",
    ]  # fmt: skip


@pytest.mark.parametrize(("pattern", "skipped"), [("1/2", 0.3), ("1/3", 0.5), ("1/2", 0.0), ("1/2r", 0.5)])
def test_what_is_skipped_is_as_asked(tmp_path, pattern, skipped):
    """The zeros go first, so that a predictor is wrong only if more is skipped than is zero."""
    for layer in made(tmp_path, Rates(0.6, skipped), pattern=pattern).layers():
        if layer.mask is None:
            continue
        outputs = layer.shape.outputs
        assert layer.mask.count() == outputs - round(skipped * outputs)
        outside = ~layer.pattern_outputs().unpack()
        zeros = int((outside & ~layer.ofmap_nonzero.unpack()).sum())
        wrong = layer.ofmap_nonzero.without(layer.mask).count()
        assert wrong == max(round(skipped * outputs) - zeros, 0)


def test_without_a_share_a_predictor_is_never_wrong(tmp_path):
    for layer in made(tmp_path, Rates(0.5)).layers():
        if layer.mask is not None:
            assert np.array_equal(layer.mask.unpack(), (layer.pattern_outputs() | layer.ofmap_nonzero).unpack())


def test_ifmaps_follow_from_the_ofmaps_before_them(tmp_path):
    """A picture is full; a map that is skipped arrives as zero; pooling keeps the largest; a classifier takes all."""
    layers = {layer.shape.name: layer for layer in made(tmp_path, Rates(0.4, 0.4)).layers()}

    def arrives(name: str) -> np.ndarray:
        layer = layers[name]
        kept = layer.ofmap_nonzero if layer.mask is None else layer.ofmap_nonzero & layer.mask
        return kept.unpack()[0]

    assert layers["a"].ifmap_nonzero.is_full()
    assert np.array_equal(layers["b"].ifmap_nonzero.unpack()[0], arrives("a"))
    pooled = arrives("b").reshape(12, 2, 12, 2, 24).any(axis=(1, 3))
    assert np.array_equal(layers["c"].ifmap_nonzero.unpack()[0], pooled)
    assert layers["d"].ifmap_nonzero.count() / (12 * 12 * 8) == pytest.approx(arrives("c").mean(), abs=0.05)
    assert np.array_equal(
        layers["fc"].ifmap_nonzero.unpack().reshape(-1), arrives("small").transpose(2, 0, 1).reshape(-1)
    )


def test_zeros_are_correlated_as_asked(tmp_path):
    """Uniform: filters and pixels differ as coins do. Otherwise filters, or regions, are mostly zero or mostly not."""

    def spread(likeness: Likeness) -> tuple[float, float]:
        layer = next(
            layer for layer in made(tmp_path, Rates(0.5), likeness=likeness).layers() if layer.shape.name == "b"
        )
        maps = layer.ofmap_nonzero.unpack()[0]
        return float(maps.mean(axis=(0, 1)).std()), float(maps.mean(axis=2).std())

    uniform, by_filter, by_pixel = spread(Likeness()), spread(Likeness(channel=0.5)), spread(Likeness(space=0.5))
    assert uniform[0] == pytest.approx(0.5 / 24, rel=0.5)
    assert uniform[1] == pytest.approx(0.5 / np.sqrt(24), rel=0.2)
    assert by_filter[0] > 8 * uniform[0]
    assert by_pixel[1] > 1.8 * uniform[1]
    assert by_pixel[0] < 2 * uniform[0]


def test_the_seed_makes_the_maps(tmp_path):
    first, again, other = (made(tmp_path, Rates(0.5), seed=seed, images=2).hash for seed in (1, 1, 2))
    assert first == again != other
    two = made(tmp_path, Rates(0.5), images=2)
    assert [image.name for image in two.header.images] == ["synthetic maps", "synthetic maps 2"]
    (both,) = (layer for layer in two.layers() if layer.shape.name == "b")
    maps = both.ofmap_nonzero.unpack()
    assert not np.array_equal(maps[0], maps[1])


def test_correlated_zeros_cost_an_array_more_than_uniform_ones(tmp_path):
    """The busiest PE waits for nobody if zeros are spread evenly; the same shares are skipped."""
    savings = []
    for likeness in (Likeness(), Likeness(0.2, 0.5)):
        total = zapsim.simulate("eyeriss", made(tmp_path, Rates(0.4, 0.4), likeness=likeness)).total
        savings.append(total.cycle_saving)
        assert total.skippable_share == pytest.approx(savings and total.mac_saving)
    assert savings[1] < savings[0]


# --- tables of rates ------------------------------------------------------------------------------------------------


def table(tmp_path, text: str):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return path


def test_rates_by_layer(tmp_path):
    path = table(tmp_path, "layer,density,skipped\nb,0.5,0.25\nc,0.25,\nd,,0.3\n")
    rates = read_rates(path, "1/2")
    assert (rates["b"], rates["c"]) == (Rates(0.5, 0.25), Rates(0.25))
    assert (rates["d"].density, rates["d"].skipped) == (pytest.approx(0.4), 0.3)
    trace = made(tmp_path, rates)
    assert [layer.relu for layer in trace.header.layers] == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("b,,", "rates.csv: line 2: expected a density or a skipped share, got neither"),
        ("b,0,", "rates.csv: line 2: density: expected a share of more than 0 and at most 1, got 0"),
        ("b,1.5,", "rates.csv: line 2, column density: expected a share from 0 to 1, got 1.5"),
        ("b,0.5,1", "rates.csv: line 2: skipped: expected a share from 0 to 1, got 1"),
        ("b,0.5,\nb,0.5,", "rates.csv: line 3: layer b comes twice; leave one"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, row, fault):
    with pytest.raises(ZapsimError) as caught:
        read_rates(table(tmp_path, f"layer,density,skipped\n{row}\n"), "1/2")
    assert str(caught.value) == fault


def test_rates_of_an_unknown_layer(tmp_path):
    with pytest.raises(
        WorkloadError, match=r"rates: net has no layer 'smal' \(did you mean 'small'\?\); it has: a, b, c"
    ):
        made(tmp_path, {"smal": Rates(0.5)})


def test_more_than_the_pattern_leaves_cannot_be_skipped(tmp_path):
    with pytest.raises(
        WorkloadError, match=r"layer b: 60.0% of the outputs cannot be skipped, since pattern 1/2 leaves"
    ):
        made(tmp_path, Rates(0.5, 0.6))
    assert list(tmp_path.iterdir()) == []


# --- the command ----------------------------------------------------------------------------------------------------

SHAPES = """\
name: little
layers:
  - {name: first, C: 3, H: 12, W: 12, K: 8, R: 3, S: 3, padding: 1}
  - {name: second, C: 8, H: 12, W: 12, K: 8, R: 3, S: 3, padding: 1}
  - {name: last, C: 1152, K: 4}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "little.yaml").write_text(SHAPES)
    return tmp_path


def test_every_output_of_a_synthetic_trace_says_so(here, capsys):
    made_by = (
        "synthesise --workload little.yaml --density 0.4 --skipped 0.3 --space 0.2 --channel 0.2 --out s.safetensors"
    )
    assert main(made_by.split()) == 0
    assert capsys.readouterr() == ("", "wrote s.safetensors\n")
    trace = "--trace s.safetensors"
    for form in ("table", "csv", "json", "markdown", "latex"):
        assert main(f"run --arch eyeriss {trace} --format {form}".split()) == 0
        assert "little (synthetic) on synthetic maps" in capsys.readouterr().out
    assert main(f"explain --arch eyeriss {trace}".split()) == 0
    assert "little (synthetic) on synthetic maps" in capsys.readouterr().out
    assert main(["trace-info", "s.safetensors"]) == 0
    assert "little (synthetic)" in capsys.readouterr().out
    assert main(f"compare eyeriss lanes_256 {trace}".split()) == 0
    assert "synthetic" in capsys.readouterr().out
    assert main(["inspect", "s.safetensors"]) == 0
    assert capsys.readouterr().out.startswith("little (synthetic)\n")
    assert main(f"run --arch eyeriss {trace} --timeline t.json --plot p.svg --format csv".split()) == 0
    capsys.readouterr()
    assert "synthetic" in (here / "t.json").read_text()
    assert "synthetic" in (here / "p.svg").read_text()


def test_masks_are_drawn_for_a_run(here, capsys):
    """The same as through a file, and every output says what they are."""
    drawn = "--workload little.yaml --density 0.4 --skipped 0.3 --channel 0.2 --seed 3"
    assert main(f"synthesise {drawn} --out s.safetensors".split()) == 0
    assert main(["run", "--arch", "lanes_256", "--trace", "s.safetensors", "--out", "of_file.json"]) == 0
    assert main(f"run --arch lanes_256 {drawn} --out drawn.json --timeline t.json --plot p.svg".split()) == 0
    of_file, of_run = (json.loads((here / name).read_text()) for name in ("of_file.json", "drawn.json"))
    assert of_file["provenance"].pop("trace") == "s.safetensors"
    assert of_run["provenance"].pop("trace") == "synthetic.safetensors"
    assert of_run == of_file
    assert of_run["network"] == "little (synthetic)"
    assert all("synthetic" in (here / name).read_text() for name in ("t.json", "p.svg"))
    for form in ("table", "csv", "markdown", "latex"):
        capsys.readouterr()
        assert main(f"run --arch lanes_256 {drawn} --format {form}".split()) == 0
        assert "little (synthetic) on synthetic maps" in capsys.readouterr().out


def test_densities_by_layer(here):
    workload = load_workload(here / "little.yaml")
    first, second = (layer.name for layer in workload.layers[:2])
    last = workload.layers[-1].name
    assert rates_of(["0.4"], workload, skipped=0.3) == Rates(0.4, 0.3)
    assert rates_of([f"{second}=0.3"], workload) == {second: Rates(0.3)}
    mixed = rates_of(["0.4", f"{second}=0.3"], workload)
    assert (mixed[first], mixed[second], mixed.get(last, Rates(1.0))) == (Rates(0.4), Rates(0.3), Rates(1.0))
    (here / "rates.csv").write_text(f"layer,skipped\n{second},0.2\n")
    assert rates_of([str(here / "rates.csv")], workload) == {second: Rates(0.6, 0.2)}


@pytest.mark.parametrize(
    ("name", "layers", "pattern", "skipped"),
    [("vgg16", 13, "1/2", 0.3674), ("alexnet", 4, "1/3", 0.1749), ("resnet18", 16, "3/5", 0.0697)],
)
def test_published_rates(name, layers, pattern, skipped):
    """Each names layers of the built-in network; the skipped share is that of the last layer in the table."""
    workload = load_workload(name)
    rates = rates_of([f"zap_{name}"], workload, pattern=pattern)
    assert len(rates) == layers
    assert set(rates) <= {layer.name for layer in workload.layers}
    assert list(rates.values())[-1].skipped == skipped


def test_rates_of_another_pattern(tmp_path):
    path = table(tmp_path, "layer,pattern,skipped\nb,1/3,0.2\nb,1/2,0.1\n")
    assert read_rates(path, "1/3")["b"].skipped == 0.2
    with pytest.raises(WorkloadError, match=r"rates.csv: has no rates of pattern 1/4; --pattern can be: '?1/3"):
        read_rates(path, "1/4")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("--density 0.4", "--density draws masks for shapes: name these with --workload"),
        ("--workload little.yaml --pattern 1/3", "--pattern is for masks that are drawn: give --density, too"),
        ("--workload little.yaml --density 0.4 0.5", "density: expected one share for all layers, got 0.4 and 0.5"),
        ("--workload little.yaml --density 0.4 x=y", "density: expected a share such as 0.4, or LAYER=0.4, or one "),
        ("--workload little.yaml --density secnd=0.4", "rates: little has no layer 'secnd' (did you mean 'second'?)"),
        ("--workload little.yaml --density none.csv", "none.csv: "),
        (
            "--workload little.yaml --density zap_vgg",
            "density: expected a share such as 0.4, LAYER=0.4, a CSV file or published rates (zap_alexnet, "
            "zap_resnet18, zap_vgg16), got 'zap_vgg' (did you mean 'zap_vgg16'?)",
        ),
        ("--workload little.yaml --size 9", "--size is for package.module:factory; the sizes of little.yaml are known"),
        ("--size 9", "--size is for --workload package.module:factory; a trace has its sizes"),
        ("--pooling 0", "--pooling must be more than 0 words per cycle, got 0"),
        ("--workload little.yaml --density 0.4 --images 0", "--workload takes the place of a trace, so that --images"),
    ],
)
def test_a_run_with_densities_that_cannot_be_used(here, capsys, options, fault):
    assert main(["run", "--arch", "eyeriss", "--out", "r.json", *options.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"zapsim: {fault}")
    assert sorted(path.name for path in here.iterdir()) == ["little.yaml"]


def test_a_front_of_a_synthetic_trace_says_so(here, capsys):
    assert main(["synthesise", "--workload", "little.yaml", "--density", "0.4", "--out", "s.safetensors"]) == 0
    space = {
        "arch": "eyeriss", "trace": "s.safetensors", "parameters": {"array.rows": [6, 12]}, "objectives": ["latency"],
    }  # fmt: skip
    (here / "space.yaml").write_text(json.dumps(space))
    assert main(["explore", "space.yaml", "--out", "explored", "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["pareto", "explored"]) == 0
    assert "synthetic" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("", "expected either --density or --rates"),
        ("--density 0.5 --rates r.csv", "expected either --density or --rates"),
        ("--rates r.csv --skipped 0.2", "--skipped goes with --density; --rates has a column of that name"),
        ("--density 0.5 --images 0", "--images must be at least 1, got 0"),
        ("--density nan", "density: expected a share of more than 0 and at most 1, got nan"),
        (
            "--density 0.5 --space 0.7 --channel 0.4",
            "correlation: expected shares of 0 or more that sum to at most 1, ",
        ),
        (
            "--density 0.5 --skipped 0.7",
            "layer second: 70.0% of the outputs cannot be skipped, since pattern 1/2 leaves ",
        ),
    ],
)
def test_options_that_cannot_be_used(here, capsys, options, fault):
    assert main(["synthesise", "--workload", "little.yaml", "--out", "s.safetensors", *options.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"zapsim: {fault}")
    assert err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["little.yaml"]
