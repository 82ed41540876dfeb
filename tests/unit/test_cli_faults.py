"""``zapsim run`` with every mistake: one line on stderr, exit code 2, nothing written, no traceback."""

import numpy as np
import pytest

from tests.builders import map_name, tamper, trace_header, write_trace
from zapsim.arch.load import known_archs
from zapsim.arch.policy import PRESETS
from zapsim.cli import main


@pytest.fixture
def trace(tmp_path):
    return write_trace(tmp_path / "tiny.safetensors", trace_header(images=2, points=("t=0", "t=0.5")))


def fault(capsys, *arguments) -> str:
    """Run the command line, which must fail with one line on stderr and nothing on stdout; return that line."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("zapsim: ")
    return err.removeprefix("zapsim: ").rstrip("\n")


def run_fault(capsys, trace, *arguments) -> str:
    """Return the one line after a run that must write neither result nor plot."""
    before = sorted(trace.parent.iterdir())
    out, plot = trace.parent / "result.csv", trace.parent / "plot.png"
    line = fault(capsys, "run", "--trace", trace, "--out", out, "--plot", plot, *arguments)
    assert sorted(trace.parent.iterdir()) == before
    return line


def test_missing_trace(capsys, tmp_path):
    path = tmp_path / "none.safetensors"
    assert run_fault(capsys, path, "--arch", "eyeriss") == f"{path}: no such trace file"


def test_unknown_architecture_lists_the_known_ones(capsys, trace):
    known = ", ".join(known_archs())
    assert run_fault(capsys, trace, "--arch", "eyeris") == (
        f"eyeris: no such architecture (did you mean 'eyeriss'?); expected a file, or one of: {known}"
    )
    path = trace.parent / "none.yaml"
    assert (
        run_fault(capsys, trace, "--arch", path) == f"{path}: no such architecture; expected a file, or one of: {known}"
    )


def test_unknown_key(capsys, trace):
    chip = trace.parent / "chip.yaml"
    chip.write_text("base: eyeriss.yaml\narray: {rosw: 16}\n")
    assert run_fault(capsys, trace, "--arch", chip).startswith(
        "chip.yaml: array.rosw: unknown key (did you mean 'rows'?); keys of this section: "
    )
    line = run_fault(capsys, trace, "--arch", "eyeriss", "--set", "array.colls=3")
    assert line.startswith("--set: array.colls: unknown key (did you mean 'cols'?); keys of this section: ")


def test_wrong_unit(capsys, trace):
    chip = trace.parent / "chip.yaml"
    chip.write_text("base: eyeriss.yaml\nbuffers: {glb: {size: 108 K}}\n")
    assert run_fault(capsys, trace, "--arch", chip) == (
        "chip.yaml: buffers.glb.size: expected a size such as '108 KiB', got '108 K' "
        "(units: B, kB, MB, GB, KiB, MiB, GiB)"
    )
    assert run_fault(capsys, trace, "--arch", "eyeriss", "--set", "clock=200") == (
        "--set: clock: expected a frequency such as '200 MHz', got 200 (units: Hz, kHz, MHz, GHz)"
    )


def test_all_faults_of_a_file_a_line_each(capsys, trace):
    chip = trace.parent / "chip.yaml"
    chip.write_text("base: eyeriss.yaml\nclock: 200\nword: 2 bytes\n")
    assert main(["run", "--arch", str(chip), "--trace", str(trace)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("zapsim: chip.yaml: ") for line in lines)


def test_mask_of_another_shape(capsys, trace):
    mask = map_name("t=0", 0, "conv2", "mask")

    def smaller(maps):
        maps[mask] = np.ascontiguousarray(maps[mask][:2])

    tamper(trace, maps=smaller)
    expected = f"{trace}: map {mask} must be U8 (3, 5, 2) by its layer's shape, got U8 (2, 5, 2)"
    assert run_fault(capsys, trace, "--arch", "eyeriss") == expected


def test_truncated_trace(capsys, trace):
    trace.write_bytes(trace.read_bytes()[:-5])
    assert run_fault(capsys, trace, "--arch", "eyeriss").startswith(f"{trace}: not a whole safetensors file (")


def test_tampered_trace(capsys, trace):
    """The last map of all is found only after other layers ran; still nothing is written."""
    name = map_name("t=0", 1, "fc", "ifmap_nonzero")

    def flip(maps):
        maps[name][0, 0, 0] ^= 1

    tamper(trace, maps=flip, seal=False)
    expected = f"{trace}: map {name} does not match its digest: the file was damaged or changed"
    assert run_fault(capsys, trace, "--arch", "eyeriss") == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--point", "t=1"), "{trace}: no operating point 't=1' (did you mean 't=0'?); it has: t=0, t=0.5"),
        (("--images", "0", "2"), "{trace}: no image 2; it holds 0 to 1"),
        (("--batch", "0"), "--batch must be at least 1, got 0"),
        (("--policy", "zapp"), f"unknown policy 'zapp' (did you mean 'zap'?); known: {', '.join(PRESETS)}"),
        (("--policy", "early-exit"),
         "policy early-exit: a row-stationary array does not support outputs = early-exit; "
         "it supports: dense, gate, skip"),
        (("--set", "rows"), "--set: expected PATH=VALUE such as 'array.rows=16', got 'rows'"),
    ],
)  # fmt: skip
def test_other_mistakes(capsys, trace, arguments, line):
    assert run_fault(capsys, trace, "--arch", "eyeriss", *arguments) == line.format(trace=trace)


def test_a_layer_that_does_not_fit(capsys, trace):
    line = run_fault(capsys, trace, "--arch", "eyeriss", "--set", "array.spads.filter=1 words")
    assert "conv1" in line


def test_what_cannot_be_written_is_refused_before_anything_runs(capsys, trace, monkeypatch):
    monkeypatch.setattr("zapsim.simulation.simulate", None)
    nowhere = trace.parent / "none"
    for option, path, text in (
        ("--out", nowhere / "r.csv", f"cannot be written (there is no directory {nowhere})"),
        ("--out", trace.parent, "cannot be written (is a directory)"),
        ("--plot", nowhere / "r.png", f"cannot be written (there is no directory {nowhere})"),
        ("--plot", trace.parent / "r.gif", "a plot's name must end in one of .png, .svg, .pdf"),
    ):
        assert fault(capsys, "run", "--arch", "eyeriss", "--trace", trace, option, path) == f"{path}: {text}"


def test_an_output_may_not_replace_what_is_read_or_another_output(capsys, trace, monkeypatch):
    monkeypatch.setattr("zapsim.simulation.simulate", None)
    run = ("run", "--arch", "eyeriss", "--trace", trace)
    for command in (run, ("explain", *run[1:])):
        assert fault(capsys, *command, "--out", trace) == f"{trace}: cannot be written (it is read in the same run)"
    twice = trace.parent / "result.json"
    line = fault(capsys, *run, "--out", twice, "--timeline", twice)
    assert line == f"{twice}: cannot be written (two results would go there)"


def test_an_unknown_option_is_refused_with_the_one_that_was_meant(capsys, trace):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--arch", "eyeriss", "--trace", str(trace), "--polcy", "zap"])
    out, err = capsys.readouterr()
    assert out == ""
    line = "zapsim run: unrecognized arguments: --polcy zap (did you mean '--policy'?)"
    assert err == f"{line} (zapsim run --help shows the options)\n"
