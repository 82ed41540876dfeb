"""`zapsim adapt`, and evaluating and tracing with the weights that it wrote."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.builders import write_idx
from zapsim.cli import main
from zapsim.frontend.data.images import load_crops
from zapsim.frontend.network.graph import trace_graph
from zapsim.frontend.network.network import load_network
from zapsim.frontend.skipping import predicting
from zapsim.frontend.training.adaptation import recalibrate
from zapsim.frontend.training.adapted_weights import load_adapted
from zapsim.frontend.training.predictor import load_predictors
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

NET = """
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8),
        nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 12 * 12, 6))
    return Network(model, "tiny", "random", Preprocessing(12, 12, (128.0,), (64.0,), "L"))
"""
COMMON = "--network adapt_net:net --device cpu --predictors p.safetensors --images images-idx3-ubyte"
LABELS = "--labels labels-idx1-ubyte"


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, its predictors, two points, and weights for them of both kinds."""
    folder = tmp_path_factory.mktemp("adapting")
    random = np.random.default_rng(0)
    (folder / "adapt_net.py").write_text(NET)
    coarse = random.integers(0, 256, (40, 4, 4))
    write_idx(folder / "images-idx3-ubyte", coarse.repeat(3, axis=1).repeat(3, axis=2))
    write_idx(folder / "labels-idx1-ubyte", random.integers(0, 6, 40))
    coarse = random.integers(0, 256, (40, 4, 4))
    write_idx(folder / "train-idx3-ubyte", coarse.repeat(3, axis=1).repeat(3, axis=2))
    train = "train --network adapt_net:net --device cpu --images train-idx3-ubyte --crops 32 --epochs 1 --batch 8"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in (
            f"{train} --out p.safetensors",
            f"tune {COMMON} --crops 20 --error 0.1 0.3 --out points.json",
            f"adapt {COMMON} --points points.json --crops 32 --batch 16 --out recalibrated.safetensors",
            f"adapt {COMMON} {LABELS} --points points.json --point e0.3 --threshold 0.5 --finetune --lr 0.01 "
            "--epochs 2 --batch 8 --out finetuned.safetensors",
        ):
            assert main(shlex.split(command)) == 0, command
    return folder


@pytest.fixture
def folder(adapted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(adapted)
    return adapted


def test_recalibrated_weights_are_those_of_the_library(folder: Path):
    file = load_predictors(Path("p.safetensors"))
    points = load_adapted(Path("recalibrated.safetensors"), file)
    assert [weights.point.name for weights in points] == ["e0.1-recalibrated", "e0.3-recalibrated"]
    network = load_network("adapt_net:net", device="cpu")
    graph = trace_graph(network.model, network.example())
    images = load_crops([Path("images-idx3-ubyte")], network.preprocessing, 32, 3)
    method = predicting(file.predictors, points[1].point)
    expected = recalibrate(network.model, graph, method, images, batch=16)
    before = network.model.state_dict()
    for name, value in expected.items():
        assert points[1].state[name].equal(value), name
    changed = {name for name, value in expected.items() if not value.equal(before[name])}
    assert changed == {"3.running_mean", "3.running_var"}


def test_adapted_points_stand_beside_the_others(folder: Path, capsys: pytest.CaptureFixture[str]):
    options = "--points points.json --adapted recalibrated.safetensors finetuned.safetensors --baselines perfect random"
    assert main(shlex.split(f"eval {COMMON} {LABELS} {options} --format json --out e.json --plot e.svg")) == 0
    records = {one["method"]: one for one in json.loads((folder / "e.json").read_text())["networks"]}
    own = ["e0.1-recalibrated", "e0.3-recalibrated", "t0.5-finetuned", "e0.3-finetuned"]
    assert list(records) == ["perfect", "e0.1", "e0.3", "random e0.1", "random e0.3", *own]
    errors = {name: records[name]["relative_output_error"] for name in ("e0.3", "e0.3-recalibrated", "e0.3-finetuned")}
    assert len(set(errors.values())) == 3
    # All are compared with one and the same network.
    assert len({record["top1_accuracy_unmodified"] for record in records.values()}) == 1
    plot = (folder / "e.svg").read_text()
    assert "predictors, recalibrated" in plot
    assert "predictors, finetuned" in plot

    options = "--adapted finetuned.safetensors --out t.safetensors --eval-images images-idx3-ubyte"
    assert main(shlex.split(f"trace {COMMON} --count 2 {options} --eval-labels labels-idx1-ubyte")) == 0
    header = Trace("t.safetensors").header
    assert [point.name for point in header.operating_points] == own[2:]
    for point in header.operating_points:
        assert point.quality["top1_accuracy"] == records[point.name]["top1_accuracy"]
        assert point.quality["top1_accuracy_unmodified"] == records[point.name]["top1_accuracy_unmodified"]
    assert {one["how"] for one in header.provenance["adapted"].values()} == {"finetuned"}
    assert header.provenance["adapted"]["e0.3-finetuned"]["sha256"] != header.network.weights_sha256

    # Measured while it is traced, on the same images: the same.
    assert main(shlex.split(f"trace {COMMON} --adapted finetuned.safetensors --out s.safetensors")) == 0
    found = Trace("s.safetensors").header.operating_points[1].quality["top1_agreement"]
    assert found == records["e0.3-finetuned"]["top1_agreement"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"adapt {COMMON} --out a", "no operating point: give --threshold or --points"),
        (f"adapt {COMMON} --threshold 0 --lr 1 --out a", "--epochs and --lr need --finetune"),
        (f"adapt {COMMON} --threshold 0 --finetune --out a", "fine-tuning needs labelled images"),
        (f"adapt {COMMON} --threshold 0 --out a", "40 images are too few for batches of 128"),
        (f"adapt {COMMON} {LABELS} --threshold 0 --finetune --recipe paper --out a", "too few for batches of 128"),
        (f"adapt {COMMON} --point e0.1 --out a", "--point needs --points"),
        (f"adapt {COMMON} --points points.json --point e0.2 --out a", "no operating point 'e0.2' (did you mean"),
        (f"eval {COMMON} --adapted p.safetensors", "p.safetensors: a safetensors file, but no adapted weights file"),
        (f"eval {COMMON} --adapted none", "none: no such adapted weights file"),
        (
            f"eval {COMMON} --adapted finetuned.safetensors finetuned.safetensors",
            "--adapted: two operating points are called 'e0.3-finetuned'",
        ),
    ],
)
def test_mistakes_are_one_clear_line(folder: Path, capsys: pytest.CaptureFixture[str], command: str, message: str):
    assert main(shlex.split(command)) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_as_published_the_predictors_statistics_move_too_and_stay_with_the_point(folder: Path):
    adapt = f"adapt {COMMON} --points points.json --crops 32 --batch 16 --recipe paper --out paper.safetensors"
    assert main(shlex.split(adapt)) == 0
    file = load_predictors(Path("p.safetensors"))
    before = {layer: predictor.state_dict() for layer, predictor in file.predictors.items()}
    for own in load_adapted(Path("paper.safetensors"), file):
        scorers = own.scorers(file.predictors)
        for layer, predictor in scorers.items():
            after = predictor.state_dict()
            changed = {name for name in after if not after[name].equal(before[layer][name])}
            statistics = {f"{norm}.running_{of}" for norm in ("bn1", "bn2") for of in ("mean", "var")}
            assert changed == (statistics if layer in own.point.predictors else set())
        assert {name for name in own.state if "predictors" in name} == set()
    images = COMMON.replace(" --images images-idx3-ubyte", "")
    found = {}
    for name in ("recalibrated", "paper"):
        points = f"--adapted {name}.safetensors --images images-idx3-ubyte"
        assert main(shlex.split(f"eval {images} {points} --format json --out {name}.json")) == 0
        assert main(shlex.split(f"trace {images} {points} --out {name}.t.safetensors")) == 0
        networks = json.loads((folder / f"{name}.json").read_text())["networks"]
        found[name] = {one["method"]: one["top1_agreement"] for one in networks}
        # A trace runs the same predictors as an evaluation.
        traced = Trace(f"{name}.t.safetensors").header.operating_points
        assert {point.name: point.quality["top1_agreement"] for point in traced}.items() <= found[name].items()
    assert found["recalibrated"] != found["paper"]


def test_weights_for_other_predictors_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    train = "train --network adapt_net:net --device cpu --images images-idx3-ubyte --crops 32 --epochs 1 --batch 8"
    assert main(shlex.split(f"{train} --seed 9 --out q.safetensors")) == 0
    capsys.readouterr()
    other = COMMON.replace("p.safetensors", "q.safetensors")
    # Another seed makes other weights of the network, too: what is read first speaks.
    assert main(shlex.split(f"eval {other} --seed 9 --adapted finetuned.safetensors")) == 2
    assert "made for other predictors of tiny than these" in capsys.readouterr().err
