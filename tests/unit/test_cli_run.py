"""``zapsim run``: what it writes and prints, and what it does not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zapsim
from tests.builders import trace_header, write_trace
from zapsim.arch.load import known_archs
from zapsim.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trace(tmp_path):
    return write_trace(tmp_path / "tiny.safetensors", trace_header(images=2, points=("t=0", "t=0.5")))


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".csv", "# tiny on photo0, photo1 · pattern 1/2 · threshold 0.25 · "),
        (".json", '{\n "$schema": "urn:zapsim:schema:result",\n "headline": "tiny on '),
        (".md", "Compared with gate-input, eyeriss under zap "),
        (".tex", "% Quality measured on: 4 pictures\n"),
        (".txt", "Compared with gate-input, eyeriss under zap "),
        (".JSON", '{\n "$schema": "urn:zapsim:schema:result",\n "headline": "tiny on '),
        ("", "Compared with gate-input, eyeriss under zap "),
    ],
)
def test_the_ending_of_out_chooses_the_format(capsys, trace, suffix, start):
    out = trace.parent / f"result{suffix}"
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--out", str(out)]) == 0
    assert out.read_text().startswith(start)
    assert capsys.readouterr() == ("", f"wrote {out}\n")


def test_format_wins_over_the_ending(capsys, trace):
    out = trace.parent / "result.txt"
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--out", str(out), "--format", "json"]) == 0
    json.loads(out.read_text())


def test_plot(capsys, trace):
    pytest.importorskip("matplotlib")
    plot = trace.parent / "plot.png"
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--plot", str(plot), "--format", "csv"]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    out, err = capsys.readouterr()
    assert out.startswith("# tiny on")
    assert err == f"wrote {plot}\n"


@pytest.mark.kernels
def test_options_reach_the_simulation(capsys, trace):
    def result(*arguments):
        assert main(["run", "--trace", str(trace), "--format", "json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    plain = result("--arch", "systolic_16x16")
    assert (plain["policy"], plain["baseline"], plain["images"]) == ("zap", "dense", ["photo0", "photo1"])
    small = result("--arch", "systolic_16x16", "--set", "array.rows=4", "--policy", "oracle", "--images", "1")
    assert (small["policy"], small["images"]) == ("oracle", ["photo1"])
    assert small["provenance"]["arch_sha256"] != plain["provenance"]["arch_sha256"]
    assert small["provenance"]["trace_sha256"] == plain["provenance"]["trace_sha256"]
    assert small["provenance"]["seed"] == 7
    assert result("--arch", "systolic_16x16", "--point", "t=0.5")["operating_point"] == "t=0.5"
    together = result("--arch", "systolic_16x16", "--batch", "2")
    assert together["total"]["policy"]["counts"]["macs_executed"] == plain["total"]["policy"]["counts"]["macs_executed"]
    assert together["total"]["baseline"]["total_cycles"] < plain["total"]["baseline"]["total_cycles"]


@pytest.mark.kernels
@pytest.mark.parametrize("arch", ["eyeriss", "systolic_16x16", "tpu_128x128"])
def test_totals_are_sums_and_macs_are_conserved(capsys, trace, arch):
    for policy in ("dense", "gate-input", "zap-gate", "zap", "zap-perfect", "oracle"):
        assert main(["run", "--trace", str(trace), "--format", "json", "--arch", arch, "--policy", policy]) == 0
        result = json.loads(capsys.readouterr().out)
        for side in ("baseline", "policy"):
            total, layers = result["total"][side], [layer[side] for layer in result["layers"]]
            for name, count in total["counts"].items():
                assert count == sum(layer["counts"][name] for layer in layers)
            assert total["total_cycles"] == sum(layer["total_cycles"] for layer in layers)
            assert total["total_energy_pj"] == pytest.approx(sum(layer["total_energy_pj"] for layer in layers))
            counts = total["counts"]
            dense = result["total"]["columns"]["macs"]
            assert counts["macs_executed"] + counts["macs_gated"] + counts["macs_skipped"] == dense


# --- the program ----------------------------------------------------------------------------------------------------


def test_run_sim_is_zapsim_run(trace):
    arguments = ["--arch", "eyeriss.yaml", "--trace", str(trace)]
    script = subprocess.run(
        [sys.executable, ROOT / "run_sim.py", *arguments], capture_output=True, cwd=ROOT, check=True
    )
    code = "import sys; from zapsim.cli import main; sys.exit(main(sys.argv[1:]))"
    module = subprocess.run(
        [sys.executable, "-c", code, "run", *arguments], capture_output=True, cwd=trace.parent, check=True
    )
    assert script.stdout == module.stdout
    assert script.stdout.startswith(b"Compared with gate-input, eyeriss under zap ")
    assert script.stderr == module.stderr == b""


def test_running_imports_no_torch(trace):
    """Simulating needs no torch, and a mistake shows no traceback."""
    code = (
        "import sys; import zapsim, zapsim.cli; assert 'numba' not in sys.modules;"
        "from zapsim.cli import main; status = main(sys.argv[1:]);"
        "assert not {'torch', 'matplotlib', 'zapsim.frontend'} & set(sys.modules); sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, "run", "--arch", "eyeriss", "--format", "csv", "--trace"]
    found = subprocess.run([*command, str(trace)], capture_output=True, cwd=trace.parent, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    wrong = subprocess.run([*command, "none"], capture_output=True, cwd=trace.parent, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("zapsim: none: no such trace file; shipped: ")


@pytest.mark.parametrize("command", [(), ("run",), ("train",), ("trace",), ("trace-info",)])
def test_help_has_examples(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"\n  zapsim {command[0] if command else 'run'} " in text


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"zapsim {zapsim.__version__}\n"


def test_area(capsys):
    assert main(["area", "--arch", "eyeriss", "--set", "predictor.unit=ideal"]) == 0
    heading, row, note = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "mm²", "mac", "spads", "noc", "glb", "predictor", "masks", "process"]
    assert note == "predictor and masks synthesised (docs/models/rtl.md): eyeriss"
    assert row.split()[:2] == ["eyeriss", "12.22"]
    assert "0 (0.0%)" in row
    assert main(["area"]) == 0
    table = capsys.readouterr().out.partition("\npredictor and masks synthesised")[0]
    assert all(f"\n{name} " in table for name in known_archs())


def test_archs(capsys):
    assert main(["archs"]) == 0
    out = capsys.readouterr().out
    for name in known_archs():
        assert any(line.split()[0] == name for line in out.splitlines())


def test_interrupted(capsys, trace, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("zapsim.simulation.simulate", interrupt)
    assert main(["run", "--arch", "eyeriss", "--trace", str(trace)]) == 130
    assert capsys.readouterr().err == "zapsim: interrupted\n"
