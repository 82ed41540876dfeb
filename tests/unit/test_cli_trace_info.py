"""``zapsim trace-info``: what is in a trace, in numbers that a person can check."""

import numpy as np

from tests.builders import conv, map_name, tamper, trace_header, trace_maps, write_trace
from zapsim.cli import main
from zapsim.report.trace_info import MaskSummary, summarise
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.reader import Trace
from zapsim.tracefile.records import LayerTrace, OperatingPoint, PredictorSetting, TracedLayer


def packed(values):
    return PackedMap.from_bool(np.array([values], dtype=bool))


def test_summary_by_hand():
    # Pattern 1/2 on 2×4: four outputs first; outside it one of two non-zeros and one of two zeros is skipped.
    layer = LayerTrace(
        shape=conv(C=1, H=2, W=4, K=1),
        ifmap_nonzero=packed([[[1], [0], [1], [0]], [[0], [0], [0], [0]]]),
        ofmap_nonzero=packed([[[1], [1], [0], [1]], [[0], [0], [0], [1]]]),
        mask=packed([[[1], [1], [1], [0]], [[1], [1], [0], [1]]]),
        setting=PredictorSetting(pattern="1/2", threshold=0.0),
    )
    assert summarise(layer) == MaskSummary(
        ifmap_zeros=0.75, ofmap_zeros=0.5, skipped=0.25, zeros_skipped=0.5, nonzeros_skipped=0.25
    )


def test_summary_of_layers_without_predictor_or_zeros():
    shape = conv(C=1, H=2, W=2, K=1)
    ones, none = packed(np.ones((2, 2, 1))), packed(np.zeros((2, 2, 1)))
    assert summarise(LayerTrace(shape=shape, ifmap_nonzero=ones)) == MaskSummary(0, None, None, None, None)
    setting = PredictorSetting(pattern="1/2", threshold=0.0)
    full = LayerTrace(shape=shape, ifmap_nonzero=none, ofmap_nonzero=ones, mask=ones, setting=setting)
    assert summarise(full) == MaskSummary(1, 0, 0, None, 0)
    dead = LayerTrace(shape=shape, ifmap_nonzero=none, ofmap_nonzero=none, mask=ones, setting=setting)
    assert summarise(dead) == MaskSummary(1, 1, 0, 0, None)


def info(capsys, path, *arguments) -> str:
    assert main(["trace-info", str(path), *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def row(out: str, name: str) -> str:
    """Return the line about `name`, with single spaces."""
    return next(" ".join(line.split()) for line in out.splitlines() if line.lstrip().startswith(name))


def test_header_and_layers(capsys, tmp_path):
    header = trace_header(images=2, points=("t=0", "t=0.5"), provenance={"seed": 7, "command": "zapsim trace"})
    path = write_trace(tmp_path / "tiny.safetensors", header)
    out = info(capsys, path)
    assert row(out, "trace sha256").endswith(Trace(path).hash)
    assert row(out, "network") == "network tiny: made for tests"
    assert row(out, "image 1") == "image 1 photo1: drawn"
    assert row(out, "point 't=0.5'") == "point 't=0.5' 1 predictor; top1 agreement 75.00%; 4 pictures"
    assert row(out, "seed") == "seed 7"
    assert row(out, "operating point") == "operating point 't=0'"
    assert row(out, "conv1 ").startswith("conv1 3×6×5 5×3×3 1×1 1 none: first convolution ")
    assert row(out, "conv2 ").startswith("conv2 5×6×5 11×3×3 2×1 1 1/2, t = 0.25 ")
    assert row(out, "fc ").startswith("fc 11×1×1 3×1×1 1×1 1 none: no ReLU follows ")
    assert row(out, "conv1 ").endswith("% – – –")
    skipped = {
        point: sum(
            1 - one[4].count() / (3 * 5 * 11) for one in trace_maps(header) if one[0] == point and one[3] == "mask"
        )
        for point in ("t=0", "t=0.5")
    }
    assert f" {skipped['t=0'] / 2:.1%} " in row(out, "conv2 ")
    assert f" {skipped['t=0.5'] / 2:.1%} " in row(info(capsys, path, "--point", "t=0.5"), "conv2 ")


def test_a_point_that_leaves_a_predictor_off(capsys, tmp_path):
    off = OperatingPoint(name="off", predictors={}, quality={}, quality_note="")
    header = trace_header((TracedLayer(shape=conv(), relu=True),), operating_points=(off,))
    out = info(capsys, write_trace(tmp_path / "trace", header))
    assert row(out, "point 'off'") == "point 'off' 0 predictors"
    assert " none: off " in row(out, "conv ")


def test_names_are_shown_as_they_are_and_whole(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    name = "[/x]" + "block." * 20
    header = trace_header((TracedLayer(shape=conv(name), relu=True, unpredicted="[b]why[/b]"),))
    out = info(capsys, write_trace(tmp_path / "trace", header))
    assert row(out, "[/x]").startswith(f"{name} 3×6×5 4×3×3 1×1 1 none: [b]why[/b] ")
    assert "\x1b" not in out


def fault(capsys, *arguments) -> str:
    assert main(["trace-info", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("zapsim: ").rstrip("\n")


def test_mistakes(capsys, tmp_path):
    path = write_trace(tmp_path / "trace")
    assert fault(capsys, tmp_path / "none") == f"{tmp_path / 'none'}: no such trace file"
    assert fault(capsys, path, "--point", "t=1") == (
        f"{path}: no operating point 't=1' (did you mean 't=0'?); it has: t=0"
    )
    name = map_name("t=0", 0, "fc", "ifmap_nonzero")

    def flip(maps):
        maps[name][0, 0, 0] ^= 1

    tamper(path, maps=flip, seal=False)
    expected = f"{path}: map {name} does not match its digest: the file was damaged or changed"
    assert fault(capsys, path) == expected


def test_lines_end_where_their_text_does_and_provenance_is_flat(capsys, tmp_path):
    header = trace_header(provenance={"arguments": {"crops": 4, "images": ["a.png", "b.png"]}, "note": "n" * 300})
    out = info(capsys, write_trace(tmp_path / "trace", header))
    facts = out.partition("operating point")[0].splitlines()
    assert all(line == line.rstrip() for line in facts)
    assert row(out, "arguments.crops") == "arguments.crops 4"
    assert row(out, "arguments.images") == "arguments.images a.png, b.png"
