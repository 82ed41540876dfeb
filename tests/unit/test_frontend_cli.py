"""`zapsim train` and `zapsim trace` from end to end on a tiny network."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zapsim.cli import main
from zapsim.frontend.skipping import operating_point
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.tuning.operating_points import save_points
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

NET = """
import torch
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU())
    return Network(model, "tiny", "random", Preprocessing(12, 14, (128, 128, 128), (64, 64, 64)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    (tmp_path / "tiny_net.py").write_text(NET)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        coarse.resize((70, 50), Image.Resampling.BICUBIC).save(tmp_path / "photos" / name)
    (tmp_path / "others").mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "others" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAIN = shlex.split("train --network tiny_net:net --images photos --crops 16 --epochs 2 --batch 4 --device cpu")
TRACE = shlex.split("trace --network tiny_net:net --predictors p.safetensors --images photos/a.png --device cpu")


def test_train_and_trace(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "photos" / "broken.png").write_bytes(b"broken")
    assert main([*TRAIN, "--threads", "1", "--out", "p.safetensors"]) == 0
    printed = capsys.readouterr()
    assert "first convolution of the network" in printed.out
    assert "with --threads 1: another number of threads sums in another order" in printed.out
    assert "1 pictures did not decode and were left out: broken.png" in printed.err

    evaluate = ["--eval-images", "others", "--eval-crops", "12"]
    assert main([*TRACE, "--threshold", "0.3", "0", *evaluate, "--out", "out/t.safetensors"]) == 0
    printed = capsys.readouterr()
    assert "relative_output_error" in printed.out
    assert "measured on 12 random crops of 0.png, 1.png, 2.png, 3.png, 4.png, 5.png, seed 1" in printed.out
    trace = Trace("out/t.safetensors")
    assert [point.name for point in trace.header.operating_points] == ["t0.3", "t0"]
    assert trace.header.provenance["predictors"]["training"]["arguments"]["crops"] == 16
    assert str(folder) not in trace.header.model_dump_json()


def test_the_same_commands_give_the_same_bytes(folder: Path):
    for name in ("one", "two"):
        (folder / name).mkdir()
        assert main([*TRAIN, "--out", "p.safetensors"]) == 0
        assert main([*TRACE, "--threshold", "0.3", "--out", f"{name}/t.safetensors"]) == 0
    assert (folder / "one/t.safetensors").read_bytes() == (folder / "two/t.safetensors").read_bytes()


def test_methods_from_training_to_the_trace(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*TRAIN, "--method", "zap", "logistik", "--out", "p.safetensors"]) == 2
    assert "unknown method 'logistik' (did you mean 'logistic'?)" in capsys.readouterr().err
    assert not (folder / "p.safetensors").exists()
    assert main([*TRAIN, "--method", "neighbours", "logistic", "--out", "p.safetensors"]) == 0
    printed = capsys.readouterr().out
    assert "nothing to train" in printed
    assert "2/logistic" in printed
    for method, message in (
        ("zap", "holds predictors of method neighbours, logistic, not of 'zap'"),
        ("best", "curves"),
    ):
        assert main([*TRACE, "--threshold", "0.3", "--method", method, "--out", "t.safetensors"]) == 2
        assert message in capsys.readouterr().err
    assert not (folder / "t.safetensors").exists()
    assert main([*TRACE, "--threshold", "0.3", "--out", "t.safetensors"]) == 0
    assert Trace("t.safetensors").operating_point().predictors["2"].method == "neighbours"
    assert main([*TRACE, "--threshold", "0.3", "--method", "logistic", "--out", "t.safetensors"]) == 0
    assert Trace("t.safetensors").operating_point().predictors["2"].method == "logistic"


def test_patterns_by_layer_and_a_checkpoint(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*TRAIN, "--pattern", "1/4", "2=2/5", "--out", "p.safetensors"]) == 0
    assert "2/5" in capsys.readouterr().out
    assert main([*TRACE, "--threshold", "0.3", "--out", "t.safetensors"]) == 0
    trace = Trace("t.safetensors")
    assert trace.operating_point().predictors["2"].pattern == "2/5"
    assert trace.header.provenance["predictors"]["training"]["arguments"]["pattern"] == ["1/4", "2=2/5"]
    assert not list(folder.glob("*checkpoint*"))
    (folder / "c").write_bytes(b"foreign")
    assert main([*TRAIN, "--checkpoint", "c", "--out", "q.safetensors"]) == 2
    assert "c: not a whole safetensors file" in capsys.readouterr().err


def test_points_of_a_file(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*TRAIN, "--out", "p.safetensors"]) == 0
    file = load_predictors(Path("p.safetensors"))
    points = [operating_point(name, file.predictors, {"2": value}) for name, value in (("e1", 0.25), ("t0.3", 0.5))]
    save_points(Path("points.json"), points[:1], file, {})
    save_points(Path("clash.json"), points, file, {})
    assert main([*TRACE, "--threshold", "0.3", "--points", "points.json", "--out", "t.safetensors"]) == 0
    trace = Trace("t.safetensors")
    assert [point.name for point in trace.header.operating_points] == ["t0.3", "e1"]
    assert trace.operating_point("e1").predictors["2"].threshold == 0.25
    assert main([*TRACE, "--points", "points.json", "--out", "only.safetensors"]) == 0
    capsys.readouterr()
    assert main([*TRACE, "--threshold", "0.3", "--points", "clash.json", "--out", "never"]) == 2
    assert "clash.json: two operating points are called 't0.3'" in capsys.readouterr().err
    assert main([*TRACE, "--out", "never"]) == 2
    assert "give --threshold, --points or --adapted" in capsys.readouterr().err


def test_an_unknown_pattern_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([*TRAIN, "--pattern", "2=1/7", "--out", "p.safetensors"])
    assert "unknown pattern '1/7'; known: 1/4, 1/3" in capsys.readouterr().err


def test_mistakes_are_one_line_and_write_nothing(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*TRAIN, "--out", "p.safetensors"]) == 0
    capsys.readouterr()
    (folder / "p2.safetensors").write_bytes((folder / "p.safetensors").read_bytes()[:100])
    mistakes = {
        "no such predictor file": [*TRACE, "--threshold", "0", "--predictors", "none"],
        "not a whole safetensors file": [*TRACE, "--threshold", "0", "--predictors", "p2.safetensors"],
        "other weights": [*TRACE, "--threshold", "0", "--seed", "1"],
        "no such picture": [*TRACE, "--threshold", "0", "--images", "none.png"],
        "given twice": [*TRACE, "--threshold", "0", "0"],
        "needs --eval-images": [*TRACE, "--threshold", "0", "--eval-labels", "l"],
        "at least one thread": [*TRAIN, "--threads", "0"],
        "at least one crop": [*TRAIN, "--crops", "0"],
        "too few for batches": [*TRAIN, "--crops", "3"],
        "one for all layers": [*TRAIN, "--pattern", "1/2", "1/3"],
        "two patterns for layer 2": [*TRAIN, "--pattern", "2=1/2", "2=1/3"],
        "no such convolution": [*TRAIN, "--pattern", "conv9=1/2"],
        "no module named": [*TRAIN, "--network", "nothing:net"],
    }
    for out in ("photos", "tiny_net.py/out"):
        assert main([*TRAIN, "--out", out]) == 2
        assert "folder" in capsys.readouterr().err
    for message, command in mistakes.items():
        assert main([*command, "--out", "never"]) == 2, message
        printed = capsys.readouterr()
        assert message in printed.err
        assert len(printed.err.splitlines()) == 1
    assert not (folder / "never").exists()


@pytest.mark.parametrize("command", ["train", "trace"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"zapsim {command} --network" in capsys.readouterr().out
