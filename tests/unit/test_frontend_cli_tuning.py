"""`zapsim tune` and `zapsim eval` from end to end, and tracing at the points."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.builders import write_idx
from zapsim.cli import main
from zapsim.patterns import pattern_map
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

NET = """
import torch
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 12 * 12, 6))
    return Network(model, "tiny", "random", Preprocessing(12, 12, (128.0,), (64.0,), "L"))
"""
NETWORK = "--network tuning_net:net --device cpu"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    random = np.random.default_rng(0)
    (folder / "tuning_net.py").write_text(NET)
    coarse = random.integers(0, 256, (40, 4, 4))
    write_idx(folder / "images-idx3-ubyte", coarse.repeat(3, axis=1).repeat(3, axis=2))
    write_idx(folder / "labels-idx1-ubyte", random.integers(0, 6, 40))
    coarse = random.integers(0, 256, (40, 4, 4))
    write_idx(folder / "train-idx3-ubyte", coarse.repeat(3, axis=1).repeat(3, axis=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        command = f"train {NETWORK} --images train-idx3-ubyte --crops 32 --epochs 2 --batch 8 --out p.safetensors"
        assert main(shlex.split(command)) == 0
    return folder


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


TUNE = f"tune {NETWORK} --predictors p.safetensors --images images-idx3-ubyte --crops 20"
EVAL = f"eval {NETWORK} --predictors p.safetensors --images images-idx3-ubyte --count 24"


def test_tune_then_eval_then_trace(folder: Path, capsys: pytest.CaptureFixture[str]):
    budgets = "--error 0.02 0.2 --saving 0.05 --uniform 0.2 --threshold 0.25"
    assert main(shlex.split(f"{TUNE} {budgets} --out points.json")) == 0
    printed = capsys.readouterr().out
    assert "cannot be beaten" in printed
    stored = json.loads((folder / "points.json").read_text())
    assert [point["name"] for point in stored["points"]] == ["e0.02", "e0.2", "s0.05", "u0.2", "t0.25"]
    assert str(folder) not in (folder / "points.json").read_text()
    assert stored["points"][2]["quality"]["macs_saved"] >= 0.05

    labels = "--labels labels-idx1-ubyte --points points.json --baselines perfect random neighbours"
    assert main(shlex.split(f"{EVAL} {labels} --format json --out e.json --plot e.png")) == 0
    found = json.loads((folder / "e.json").read_text())
    names = [record["method"] for record in found["networks"]]
    assert names[:2] == ["perfect", "neighbours"]
    assert names[2:7] == ["e0.02", "e0.2", "s0.05", "u0.2", "t0.25"]
    assert names[7:] == [f"random {name}" for name in names[2:7]]
    assert {"top1_accuracy", "top5_accuracy", "top1_agreement", "top1_lost_low"} <= set(found["networks"][0])
    assert (folder / "e.png").stat().st_size > 1000

    trace = f"trace {NETWORK} --predictors p.safetensors --images images-idx3-ubyte --count 1 --points points.json"
    assert main(shlex.split(f"{trace} --out t.safetensors")) == 0
    assert [point.name for point in Trace("t.safetensors").header.operating_points] == names[2:7]


@pytest.mark.parametrize("pattern", ["1/2r", "1/2c", "1/3r", "1/3c"])
def test_patterns_of_rows_and_columns_go_through_the_whole_chain(folder: Path, pattern: str):
    images = "--images images-idx3-ubyte"
    chain = [
        f"train {NETWORK} --images train-idx3-ubyte --crops 16 --epochs 1 --batch 8 --pattern 1/2 2={pattern} "
        "--out r.safetensors",
        f"tune {NETWORK} --predictors r.safetensors {images} --crops 20 --threshold 0.25 --out r.json",
        f"eval {NETWORK} --predictors r.safetensors {images} --count 8 --points r.json",
        f"trace {NETWORK} --predictors r.safetensors {images} --count 1 --points r.json --out r.trace.safetensors",
    ]
    assert [main(shlex.split(command)) for command in chain] == [0, 0, 0, 0]
    layer = next(layer for layer in Trace("r.trace.safetensors").layers() if layer.shape.name == "2")
    assert layer.setting is not None
    assert layer.setting.pattern == pattern
    first = layer.pattern_outputs()
    assert first.count() == pattern_map(pattern, 12, 12).sum() * layer.shape.K
    assert not first.without(layer.mask).count()


def test_weighing_changes_the_points_and_is_written_down(folder: Path, capsys: pytest.CaptureFixture[str]):
    points = {}
    for option in ("", "--weigh"):
        assert main(shlex.split(f"{TUNE} --error 0.1 {option} --out w.json")) == 0
        points[option] = json.loads((folder / "w.json").read_text())
    printed = capsys.readouterr().out
    assert "weighted error" in printed
    assert "summed error" in printed
    weights = points["--weigh"]["provenance"]["weights"]
    assert "weights" not in points[""]["provenance"]
    assert np.mean(list(weights.values())) == pytest.approx(1)
    assert points["--weigh"]["points"][0]["predictors"] != points[""]["points"][0]["predictors"]


@pytest.mark.parametrize("form", ["table", "csv", "markdown"])
def test_tables_say_the_same_in_every_format(folder: Path, form: str, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{EVAL} --threshold 0.25 --format {form}")) == 0
    printed = capsys.readouterr().out
    assert printed.count("perfect") >= 3
    assert "easured on the first 24 of 40 images of images-idx3-ubyte, 24 images of 24 photographs" in printed or (
        form == "csv" and "# measured on the first 24 of 40 images of images-idx3-ubyte\n" in printed
    )
    if form == "csv":
        first = printed.splitlines()[1:4]
        records = list(csv.DictReader(first))
        assert records[0]["method"] == "perfect"
        assert float(records[1]["macs_saved"]) < float(records[0]["macs_saved"])


def test_a_saving_out_of_reach_leaves_the_other_points(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{TUNE} --saving 0.05 0.99 --out kept.json")) == 0
    assert "zapsim: a saving of 99.0% cannot be reached: all thresholds at 1 save" in capsys.readouterr().err
    assert [point["name"] for point in json.loads(Path("kept.json").read_text())["points"]] == ["s0.05"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"{TUNE} --out p.json", "nothing to tune for: give --error, --saving, --uniform or --threshold"),
        (f"{TUNE} --saving 0.99 --out p.json", "a saving of 99.0% cannot be reached"),
        (f"{TUNE} --error 0.1 --bins 100 --out p.json", "bins must be a power of two"),
        (f"{TUNE} --error 0.1 --crops 50 --out p.json", "50 images wanted, but 40 images"),
        (f"{EVAL}", "no operating point: give --threshold, --points or --adapted"),
        (f"{EVAL} --points tuning_net.py", "tuning_net.py: not a file of operating points"),
        (f"{EVAL} --points missing.json", "missing.json: no such file of operating points"),
        (f"{EVAL} --threshold 0 --plot e.jpg", "a plot's name must end in one of .png, .svg, .pdf"),
    ],
)
def test_mistakes_are_one_clear_line(folder: Path, capsys: pytest.CaptureFixture[str], command: str, message: str):
    assert main(shlex.split(command)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_points_of_other_predictors_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{TUNE} --error 0.1 --out other.json")) == 0
    stored = json.loads((folder / "other.json").read_text())
    (folder / "other.json").write_text(json.dumps(stored | {"predictors_sha256": "0" * 64}))
    capsys.readouterr()
    assert main(shlex.split(f"{EVAL} --points other.json")) == 2
    assert "made for other predictors of tiny than these" in capsys.readouterr().err


def test_budgets_in_errors_of_the_output(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{TUNE} --harm output --error 0.2 --out output.json")) == 0
    assert "output error" in capsys.readouterr().out
    stored = json.loads((folder / "output.json").read_text())
    assert stored["points"][0]["quality"]["summed_error"] <= 0.2
    assert stored["provenance"]["arguments"]["harm"] == "output"


def test_weights_of_output_errors_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{TUNE} --harm output --weigh --error 0.2 --out refused.json")) == 2
    assert "leave out weigh" in capsys.readouterr().err
    assert not (folder / "refused.json").exists()
