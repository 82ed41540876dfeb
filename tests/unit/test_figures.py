"""Figures: every kind is drawn, looks as before, keeps its text apart, and has TrueType fonts and the same bytes."""

import json

import pytest

pytest.importorskip("matplotlib")

from dataclasses import replace

import numpy as np

import zapsim
from tests.figure_support import TOLERANCE, assert_looks_as_before, text_faults
from zapsim.cli import main
from zapsim.comparison import Comparison, Outcome
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS
from zapsim.errors import MissingExtraError, ZapsimError
from zapsim.report.figures.comparison import draw_comparison
from zapsim.report.figures.curves import evaluated_curves, point_curve
from zapsim.report.figures.layer_bars import layer_bars, panel_name, short_name
from zapsim.report.figures.masks import channel_maps
from zapsim.report.figures.pareto import DrawnFront, draw_pareto
from zapsim.report.figures.pareto_page import front_page
from zapsim.report.figures.timeline import _busy
from zapsim.report.figures.waterfall import Waterfall
from zapsim.report.style import LOOKS, WIDTHS, Layout, check_plot, new_figure, signed, styled
from zapsim.results import RunResult
from zapsim.workloads.synthetic import SYNTHETIC_NOTE

TRACE = "traces/digits_cnn.safetensors"
RUN = ["run", "--trace", TRACE, "--images", "0", "--arch"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of what the commands write about one picture of digits, by kind."""
    folder = tmp_path_factory.mktemp("figures")
    paths = {name: folder / f"{name}.json" for name in ("lanes_256", "eyeriss", "timeline", "explanation")}
    run = [*RUN, "eyeriss", "--out", str(paths["eyeriss"]), "--timeline", str(paths["timeline"])]
    assert main(run) == 0
    assert main([*RUN, "lanes_256", "--out", str(paths["lanes_256"])]) == 0
    explain = ["explain", "--arch", "eyeriss", "--trace", TRACE, "--images", "0", "--format", "json"]
    assert main([*explain, "--out", str(paths["explanation"])]) == 0
    points = [
        {"name": f"e{error}", "quality": {"macs_saved": saved, "summed_error": error, "expected_cycle_saving": cycles}}
        for error, saved, cycles in ((0.1, 0.2, 0.05), (0.2, 0.3, 0.1), (0.4, 0.35, 0.2))
    ]
    paths["points"] = folder / "digits.points.json"
    paths["points"].write_text(json.dumps({"kind": "zapsim operating points", "points": points}))
    paths["evaluation"] = folder / "evaluation.json"
    networks = [
        {"method": method, "macs_saved": saved, "top1_accuracy": value, "top1_accuracy_low": value - 0.02,
         "top1_accuracy_high": value + 0.01, "top1_accuracy_unmodified": 0.97}
        for method, saved, value in (
            ("perfect", 0.4, 0.97), ("e0.1", 0.1, 0.965), ("e0.2", 0.2, 0.95), ("random 3%", 0.1, 0.9)
        )
    ]  # fmt: skip
    paths["evaluation"].write_text(json.dumps({"networks": networks, "layers": [], "measured": ""}))
    return {name: str(path) for name, path in paths.items()}


DRAWN = {
    "savings": ("savings", ["eyeriss"], {}),
    "savings_of_two": ("savings", ["eyeriss", "lanes_256"], {"width": "page", "title": "Two arrays, " * 12}),
    "energy": ("energy", ["lanes_256"], {}),
    "energy_of_two": ("energy", ["eyeriss", "lanes_256"], {}),
    "waterfall": ("waterfall", ["explanation"], {}),
    "roofline": ("roofline", ["eyeriss", "lanes_256"], {"width": "page"}),
    "utilisation": ("utilisation", [TRACE], {"arch": "eyeriss", "image": 0}),
    "masks": ("masks", [TRACE], {"layers": ["conv3"], "channels": [2]}),
    "curves": ("curves", ["evaluation"], {}),
    "curves_of_points": ("curves", ["points"], {"width": "page"}),
    "timeline": ("timeline", ["timeline"], {}),
    "timeline_of_a_layer": ("timeline", ["timeline"], {"layers": ["conv3"], "cycles": (0, 20_000), "width": "page"}),
}


def drawn(files, name, **changes):
    kind, sources, options = DRAWN[name]
    return zapsim.plot(kind, *(files.get(source, source) for source in sources), **{**options, **changes})


@pytest.mark.parametrize("name", DRAWN)
def test_every_kind(request, files, tmp_path, name):
    """One figure: its size, its text, its picture."""
    figure = drawn(files, name)
    assert figure.get_figwidth() == WIDTHS[DRAWN[name][2].get("width", "column")]
    texts, faults = text_faults(figure)
    assert texts
    assert faults == []
    assert_looks_as_before(request, figure, name, tmp_path)


@pytest.mark.parametrize("name", ["savings", "roofline", "utilisation"])
def test_fonts_are_truetype(files, tmp_path, name):
    drawn(files, name, out=tmp_path / "figure.pdf")
    pdf = (tmp_path / "figure.pdf").read_bytes()
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf


def test_pictures_that_differ_are_noticed(files, tmp_path):
    from matplotlib.testing.compare import compare_images

    for name, missing in (("whole", False), ("less", True)):
        figure = drawn(files, "savings")
        if missing:
            max(figure.axes[0].patches, key=lambda bar: bar.get_height()).remove()
        figure.savefig(tmp_path / f"{name}.png", dpi=60)
    assert compare_images(str(tmp_path / "whole.png"), str(tmp_path / "less.png"), tol=TOLERANCE)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_figure_has_the_same_bytes(files, tmp_path, suffix):
    import matplotlib

    with matplotlib.rc_context({"font.size": 14, "axes.facecolor": "red"}):  # the user's own settings
        drawn(files, "savings", out=tmp_path / f"one.{suffix}")
        assert matplotlib.rcParams["font.size"] == 14
    drawn(files, "savings", out=tmp_path / f"two.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one.{suffix}", f"two.{suffix}"]


def test_no_two_looks_are_alike():
    for aspect in ("colour", "marker", "line"):
        assert len({getattr(look, aspect) for look in LOOKS}) == len(LOOKS)
    assert len({look.hatch for look in LOOKS}) == len(LOOKS)


def test_text_that_is_covered_or_cut_is_noticed():
    @styled
    def faulty():
        figure = new_figure(Layout(), 1.0)
        figure.text(0.5, 0.5, "one thing")
        figure.text(0.52, 0.5, "another")
        figure.text(0.9, 0.1, "beyond the edge")
        return figure

    _, faults = text_faults(faulty())
    assert faults == ["outside: beyond the edge", "overlap: one thing / another"]


# --- what figures show ----------------------------------------------------------------------------------------------


def outcome(cycles, energy, macs=100):
    energies = dict.fromkeys(COMPONENTS, 0.0) | {"mac": energy}
    return Outcome(Cycles(compute=cycles), Counts(macs_executed=macs, macs_skipped=100 - macs), energies, macs, 0, 1)


@pytest.fixture(scope="module")
def result(files):
    with open(files["eyeriss"], encoding="utf-8") as file:
        return RunResult.from_json(file.read())


def test_layers_that_save_nothing_are_one(result):
    layer = result.layers[0]
    same = Comparison(outcome(100, 5.0), outcome(100, 5.0))
    saving, losing = (Comparison(outcome(100, 5.0), outcome(cycles, 5.0)) for cycles in (90, 101))
    comparisons = (same, saving, same, losing, same)
    layers = tuple(
        replace(layer, shape=replace(layer.shape, name=f"conv{index}"), comparison=one)
        for index, one in enumerate(comparisons)
    )
    bars = layer_bars(replace(result, layers=layers), Layout())
    assert [bar.name for bar in bars] == ["conv1", "conv3", "3 other layers"]
    assert bars[-1].comparison.baseline.cycles.total == 300
    alone = layer_bars(replace(result, layers=layers[:2]), Layout())
    assert [bar.name for bar in alone] == ["conv0", "conv1"]  # one layer keeps its name


def test_no_more_layers_than_fit(result):
    layer = result.layers[0]
    layers = tuple(
        replace(layer, shape=replace(layer.shape, name=f"c{index}"),
                comparison=Comparison(outcome(1000, 5.0), outcome(1000 - 2 * index, 5.0)))
        for index in range(1, 41)
    )  # fmt: skip
    bars = layer_bars(replace(result, layers=layers), Layout())
    assert [bar.name for bar in bars] == [*(f"c{index}" for index in range(23, 41)), "22 other layers"]
    assert sum(bar.comparison.baseline.cycles.total for bar in bars) == 40_000
    assert text_faults(zapsim.plot("savings", replace(result, layers=layers)))[1] == []


def test_names():
    assert short_name("conv3_1") == "conv3_1"
    assert short_name("features.denseblock4.denselayer16.conv2") == "…ock4.denselayer16.conv2"
    assert [signed(value) for value in (-1.25, 0.0, 3)] == ["−1.2", "+0.0", "+3.0"]


def test_panels_are_named_by_what_differs(result):
    other = replace(result, policy="oracle")
    assert panel_name(result, [result]) == ""
    assert panel_name(other, [result, other]) == "oracle"
    assert panel_name(result, [result, replace(result, arch="b")]) == result.arch


def test_synthetic_masks_are_named_in_the_figure(result):
    synthetic = replace(result, quality_note=SYNTHETIC_NOTE)
    for kind in ("savings", "energy", "roofline"):
        texts, faults = text_faults(zapsim.plot(kind, synthetic, title="with a title"))
        assert "synthetic masks" in [text for text, _ in texts]
        assert faults == []
    real, _ = text_faults(zapsim.plot("savings", result))
    assert "synthetic masks" not in [text for text, _ in real]


def test_steps_of_a_waterfall_come_back_from_the_file(files):
    with open(files["explanation"], encoding="utf-8") as file:
        record = json.load(file)
    waterfall = Waterfall.from_record(record)
    assert sum(step.share for step in waterfall.cycles) == pytest.approx(record["saved"]["cycles"])
    assert waterfall.arch == "eyeriss"
    assert Waterfall.from_record({**record, "quality_note": SYNTHETIC_NOTE}).note == "synthetic masks"


def test_a_trace_is_run_where_an_architecture_is_named(files):
    figure = zapsim.plot("waterfall", TRACE, arch="eyeriss", image=0)
    expected = zapsim.plot("waterfall", files["explanation"])
    bars = [[bar.get_width() for bar in axes.patches] for one in (figure, expected) for axes in one.axes]
    assert bars[:2] == bars[2:]


def test_hits_and_misses_by_hand():
    trace = zapsim.Trace(TRACE)
    (maps,) = channel_maps(trace, ["conv3"], [2])
    layer = next(layer for layer in trace.layers(None, [0]) if layer.shape.name == "conv3")
    mask, nonzero = layer.mask.unpack()[0, :, :, 2], layer.ofmap_nonzero.unpack()[0, :, :, 2]
    counts = np.bincount(maps.classes.ravel(), minlength=5).tolist()
    later = ~layer.pattern_positions()
    by_hand = [later & ~mask & ~nonzero, later & mask & nonzero, later & mask & ~nonzero, later & ~mask & nonzero]
    assert counts == [int((~later).sum()), *(int(one.sum()) for one in by_hand)]
    assert sum(counts) == mask.size


def test_curves_have_families_and_the_worse_is_above():
    records = [{"method": name, "macs_saved": 0.1, "top1_accuracy": 0.9}
               for name in ("e0.1", "perfect", "e0.1-finetuned", "random-finetuned", "random 2%")]  # fmt: skip
    names = [curve.name for curve in evaluated_curves(records)]
    assert names == ["predictors", "perfect", "predictors, finetuned", "random"]
    assert point_curve("x", [{"macs_saved": 0.5, "note": "text"}]).points == ({"macs_saved": 0.5},)


def test_busy_shares_by_hand():
    begins, ends = np.array([0, 6, 8]), np.array([2, 8, 9])
    assert _busy(begins, ends, np.array([0.0, 4.0, 8.0, 12.0])).tolist() == [0.5, 0.5, 0.25]


# --- fronts ---------------------------------------------------------------------------------------------------------


def front(note=""):
    rows = [
        {"id": f"{index:032x}", "arch": arch, "policy": policy, "latency_ms": latency, "energy_mj": energy}
        for index, (arch, policy, latency, energy) in enumerate([
            ("a", "zap", 1.0, 9.0), ("b", "zap", 2.0, 5.0), ("a", "dense", 40.0, 1.0), ("b", "dense", 50.0, 8.0)
        ])
    ]  # fmt: skip
    goals = [("latency_ms", False), ("energy_mj", False)]
    return DrawnFront("space", rows, rows[:3], goals, ("arch", "policy"), note)


def test_a_front(request, tmp_path):
    figure = draw_pareto([front("synthetic masks")], Layout(title="a title"))
    texts, faults = text_faults(figure)
    assert faults == []
    assert {"a title", "synthetic masks", "time, ms", "energy, mJ", "policy zap", "front"} <= {
        text for text, _ in texts
    }
    assert figure.axes[0].get_xscale() == "log"
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[1, 9], [2, 5], [40, 1]]
    assert_looks_as_before(request, figure, "pareto", tmp_path)


def test_fronts_must_have_the_same_two_goals():
    other = replace(front(), goals=[("latency_ms", False), ("area_mm2", False)])
    with pytest.raises(ZapsimError, match="different objectives"):
        draw_pareto([front(), other], Layout())
    with pytest.raises(ZapsimError, match="needs two objectives"):
        draw_pareto([replace(front(), goals=[("latency_ms", False)])], Layout())


def test_the_interactive_page_says_what_the_figure_says():
    pytest.importorskip("plotly")
    page = front_page(replace(front("synthetic masks"), title="<b>space"))
    assert "<title>&lt;b&gt;space, synthetic masks</title>" in page


def test_a_comparison():
    records = [
        {"layer": name, "latency_ms_a": 1.0, "latency_ms_b": 2.0, "energy_mj_a": 3.0, "energy_mj_b": 4.0}
        for name in ("conv1", "conv2", "total")
    ]
    figure = draw_comparison(records, ("A: one", "B: other"), Layout("page"), "synthetic masks")
    texts, faults = text_faults(figure)
    assert faults == []
    assert {"A: one", "B: other", "time, ms", "energy, mJ", "conv1", "conv2"} <= {text for text, _ in texts}


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["saving", "{eyeriss}"], "unknown kind of figure 'saving' (did you mean 'savings'?); expected one of: "),
        (["savings", "{timeline}"], "{timeline}: is a timeline; plot savings needs a result, which `zapsim run "),
        (["waterfall", "{eyeriss}"], "is a result; plot waterfall needs an explanation, which `zapsim explain"),
        (["pareto", "{eyeriss}"], "is a result; plot pareto needs the folder of an exploration, which `zapsim explore"),
        (["pareto", "{folder}"], "{folder}: holds no exploration; `zapsim explore SPACE --out DIR` makes one"),
        (["savings", "{folder}/none.json"], "{folder}/none.json: cannot be read (No such file or directory)"),
        (["savings", "setup.cfg"], "setup.cfg: nothing that a figure can be drawn from: expected JSON of run, "),
        (["savings", "{damaged}"], "{damaged}: not a result of `zapsim run --format json`"),
        (["timeline", "{broken}"], "{broken}: not a timeline of this version ('tid' is missing); `zapsim run"),
        (["savings", TRACE], "is a trace: give --arch to run it, or a result of `zapsim run"),
        (["utilisation", TRACE], "plot utilisation: give --arch, the accelerator on which the trace runs"),
        (["masks", TRACE, TRACE], "plot masks: expected one source, got 2"),
        (["masks", TRACE, "--layer", "conv9"], "no predicted layer 'conv9' (did you mean 'conv"),
        (["masks", TRACE, "--layer", "conv3", "--channel", "999"], "layer conv3: expected a channel of 0 to "),
        (["masks", TRACE, "--channel", "1", "2", "3"], "expected a channel per layer (2) or one for all, got 3"),
        (["masks", TRACE, "--picture", "setup.cfg"], "setup.cfg: cannot be read as a picture"),
        (["masks", TRACE, "--arch", "eyeriss"], "arch has no meaning for this kind of figure; it takes channels,"),
        (["timeline", "{timeline}", "--layer", "conv9"], "the timeline has no layer 'conv9'"),
        (["timeline", "{timeline}", "--cycles", "9", "3"], "nothing happens from cycle 9 to 3"),
        (["roofline", "{eyeriss}", "--arch", "lanes_256"], "lanes_256: is not what the result of eyeriss ran on"),
        (["curves", "{points}", "{evaluation}"], "the operating points have no measure of quality in common"),
        (["savings", "{eyeriss}", "--width", "pag"], "width: expected column or page, got 'pag' (did"),
        (["savings", "{eyeriss}", "--out", "{folder}/x.gif"], "x.gif: a plot's name must end in one of .png, .svg"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_with_a_remedy(files, tmp_path, capsys, arguments, message):
    damaged, broken = tmp_path / "damaged.json", tmp_path / "broken.json"
    damaged.write_text('{"layers": [], "total": {}, "provenance": {}}')
    broken.write_text('{"traceEvents": [{"ph": "X"}]}')
    places = {**files, "folder": tmp_path, "damaged": damaged, "broken": broken}
    out = [] if "--out" in arguments else ["--out", "{folder}/figure.png"]
    before = sorted(tmp_path.iterdir())
    capsys.readouterr()
    assert main(["plot", *(argument.format(**places) for argument in (*arguments, *out))]) == 2
    stderr = capsys.readouterr().err
    assert message.format(**places) in stderr
    assert stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_figure_replaces_nothing_that_it_is_drawn_from(files, capsys):
    assert main(["plot", "masks", TRACE, "--picture", "docs/x.png", "--out", "docs/x.png"]) == 2
    assert "docs/x.png" in capsys.readouterr().err


def test_a_result_of_an_unknown_architecture_needs_it(result):
    changed = replace(result, provenance={**result.provenance, "arch_sha256": "0" * 64})
    with pytest.raises(ZapsimError, match="does not say how fast array and DRAM are: give its --arch and --set"):
        zapsim.plot("roofline", changed)


def test_without_matplotlib(result, tmp_path, monkeypatch):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda _name: None)
    for draw in (lambda: check_plot(tmp_path / "savings.png"), lambda: zapsim.plot("savings", result)):
        with pytest.raises(MissingExtraError) as caught:
            draw()
        assert str(caught.value) == "plots need matplotlib: pip install 'zapsim[report]'"
