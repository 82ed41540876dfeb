"""Training, calibration and test by photograph: what is refused, what is warned of, what is asked and achieved."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.frontend_support import GREY, small_network, smooth_images
from zapsim.cli import main
from zapsim.errors import FrontendError
from zapsim.frontend import api
from zapsim.frontend.data.image_set import ImageSet
from zapsim.frontend.data.images import load_crops, load_images
from zapsim.frontend.data.photographs import describe_photographs, described_photographs
from zapsim.frontend.splits import OverlapWarning
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.tuning.operating_points import load_points
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

NET = """
import torch
from torch import nn
from zapsim.frontend.network import Network
from zapsim.frontend.data.preprocessing import Preprocessing
def net():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16 * 16, 5))
    return Network(model, "tiny", "random", Preprocessing(16, 16, (128.0,), (64.0,), "L"))
"""
COMMON = "--network split_net:net --device cpu"
TUNE = f"tune {COMMON} --predictors p.safetensors --crops 24 --error 0.1"
EVAL = f"eval {COMMON} --predictors p.safetensors"


def save(folder: Path, images: ImageSet, suffix: str = ".png") -> None:
    folder.mkdir()
    for index, pixels in enumerate(images.pixels):
        Image.fromarray(np.kron(pixels[..., 0], np.ones((2, 2), np.uint8))).save(folder / f"{index}{suffix}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures of three splits, predictors, and points for an error of 0.1."""
    folder = tmp_path_factory.mktemp("splits")
    (folder / "split_net.py").write_text(NET)
    for seed, name in enumerate(("train", "calibrate", "test")):
        save(folder / name, smooth_images(8, seed))
    save(folder / "few", smooth_images(5, 9))
    save(folder / "renamed", smooth_images(8, 0), ".bmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = f"train {COMMON} --images train --crops 32 --epochs 2 --out p.safetensors"
        for command in (train, f"{TUNE} --images calibrate --out points.json"):
            assert main(shlex.split(command)) == 0
    return folder


@pytest.fixture
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


# Which photographs an image set is of


def test_crops_know_their_photograph_under_any_name_and_in_any_format(folder: Path):
    crops = load_crops([folder / "train"], GREY, 20, seed=0)
    digests = dict(zip(crops.names, crops.photographs(), strict=True))
    assert len(set(digests.values())) == 8
    again = load_images([folder / "renamed"], GREY)
    assert {Path(name).stem: one for name, one in digests.items()} == {
        Path(name).stem: one for name, one in zip(again.names, again.photographs(), strict=True)
    }
    assert not set(digests.values()) & set(load_images([folder / "test"], GREY).photographs())
    # What is taken from a set keeps its photographs.
    for part in (crops.first(7), crops.sample(7, seed=1), crops.part(3, 10, "some")):
        assert part.photographs() == tuple(digests[name] for name in part.names)
    left = crops.without(frozenset(digests[name] for name in ("0.png", "1.png")))
    assert set(left.names) == {f"{index}.png" for index in range(2, 8)}


def test_an_image_of_its_own_is_a_photograph_and_files_may_name_others(tmp_path: Path):
    images = smooth_images(6)
    assert len(set(images.photographs())) == 6
    for kind in (np.array([3, 3, 3, 8, 8, 8]), np.array(["cat", "cat", "cat", "dog", "dog", "dog"])):
        np.savez(tmp_path / "crops.npz", images=images.pixels, photographs=kind)
        first, *_, last = load_images([tmp_path / "crops.npz"], GREY).photographs()
        assert load_images([tmp_path / "crops.npz"], GREY).photographs() == (first,) * 3 + (last,) * 3
        assert first != last
    np.savez(tmp_path / "crops.npz", images=images.pixels, photographs=np.zeros(5, int))
    with pytest.raises(FrontendError, match=r"crops\.npz: photographs must be integers or texts \(6,\)"):
        load_images([tmp_path / "crops.npz"], GREY)


def test_thousands_of_photographs_take_little_room_in_a_file():
    random = np.random.default_rng(0)
    digests = {random.bytes(6).hex() for _ in range(5000)}
    described = json.loads(json.dumps({"data": {"photographs": describe_photographs(digests)}}))
    assert described_photographs(described) == digests
    assert described["data"]["photographs"]["count"] == len(digests)
    assert len(json.dumps(described)) < 9 * len(digests)
    for other in ({}, {"data": "x"}, {"data": {"photographs": {"digests": "?"}}}):
        assert described_photographs(other) == frozenset()


# Refusals and warnings


@pytest.mark.parametrize("images", ["train", "renamed", "calibrate renamed"])
def test_thresholds_are_not_chosen_on_photographs_of_the_training(
    folder: Path, capsys: pytest.CaptureFixture[str], images: str
):
    assert main(shlex.split(f"{TUNE} --images {images} --out never.json")) == 2
    count = 16 if " " in images else 8
    assert capsys.readouterr().err == (
        f"zapsim: 8 of the {count} photographs to tune on are photographs of the training, where predictors err less "
        "than elsewhere; give others, leave these out (--unseen), or allow it (--allow-overlap)\n"
    )
    assert not (folder / "never.json").exists()


def test_they_can_be_left_out_or_allowed(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{TUNE} --images calibrate train --unseen --out left.json")) == 0
    file = load_predictors(folder / "p.safetensors")
    calibrate = frozenset(load_images([folder / "calibrate"], GREY).photographs())
    assert {point.calibrated_on for point in load_points(folder / "left.json", file)} == {calibrate}
    assert capsys.readouterr().err == ""
    assert main(shlex.split(f"{TUNE} --images calibrate train --allow-overlap --out both.json")) == 0
    assert "8 of the 16 photographs to tune on are photographs of the training" in capsys.readouterr().err
    assert json.loads((folder / "both.json").read_text())["provenance"]["photographs_of_the_training"] == 8
    assert main(shlex.split(f"{TUNE} --images train --unseen --out never.json")) == 2
    assert "none of 8 pictures is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"{TUNE} --images few", "5 photographs to tune on, but fewer than 6 say nothing of others; give at least 6"),
        (f"{TUNE} --images calibrate/0.png", "1 photograph to tune on, but fewer than 6 say nothing"),
        (f"{TUNE} --images calibrate --check few", "5 photographs to check on, but fewer than 6 say nothing"),
        (f"{EVAL} --images few --threshold 0", "5 photographs to measure on, but fewer than 6 say nothing of others"),
        (f"{EVAL} --images test --count 3 --threshold 0", "3 photographs to measure on, but fewer than 6"),
        (
            f"trace {COMMON} --predictors p.safetensors --images test/0.png --threshold 0 --eval-images few",
            "5 photographs to measure the quality on, but fewer than 6 say nothing of others; give at least 6",
        ),
        (f"{EVAL} --images test --points points.json --reference e0.2", "'e0.2' is not evaluated (did you mean 'e0.1'"),
    ],
)
def test_what_says_nothing_is_refused_with_the_least_number(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
):
    assert main(shlex.split(f"{command} --out never")) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (folder / "never").exists()


def test_measuring_on_seen_photographs_is_said_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(f"{EVAL} --images test --points points.json")) == 0
    assert capsys.readouterr().err == ""
    assert main(shlex.split(f"{EVAL} --images train calibrate test --points points.json")) == 0
    assert capsys.readouterr().err == (
        "zapsim: of 24 photographs to measure on, 8 trained the predictors and 8 chose the thresholds: "
        "expect larger errors elsewhere\n"
    )
    trace = f"trace {COMMON} --predictors p.safetensors --images calibrate/0.png --points points.json"
    assert main(shlex.split(f"{trace} --out t.safetensors")) == 0
    assert "of 1 photograph to trace and measure on, 1 chose the thresholds" in capsys.readouterr().err
    recorded = Trace("t.safetensors").header.provenance
    assert recorded["calibration"]["photographs"]["count"] == 8
    assert recorded["predictors"]["training"]["data"]["photographs"]["count"] == 8
    assert main(["trace-info", "t.safetensors"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 500


def test_in_python_too():
    network, images = small_network(), smooth_images(32, labels=True)
    trained = api.train(network, smooth_images(32, 5), epochs=1)
    with pytest.raises(FrontendError, match="32 of the 32 photographs to tune on are photographs of the training"):
        api.tune(network, trained.predictors, smooth_images(32, 5), error=0.1)
    with pytest.warns(OverlapWarning, match="32 of the 32 photographs to tune on"):
        api.tune(network, trained.predictors, smooth_images(32, 5), error=0.1, allow_overlap=True)
    tuned = api.tune(network, trained.predictors, images, error=0.1)
    with pytest.warns(OverlapWarning, match="of 32 photographs to measure on, 32 chose the thresholds"):
        api.evaluate(network, trained.predictors, images, points=tuned.points)


# What is asked, and what is achieved


def test_what_is_achieved_stands_beside_what_was_asked(folder: Path, capsys: pytest.CaptureFixture[str]):
    budgets = "--saving 0.05 --threshold 0.25 --weigh"
    assert main(shlex.split(f"{TUNE} --images calibrate --check test --crops 40 {budgets} --out a.json")) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("e0.1 is expected to save ")
    assert max(len(line) for line in printed.split("MACs saved: expected")[0].splitlines()) <= 100
    assert "achieved: with all predictors at work, on 40 random crops of 0.png" in printed
    for label in ("MACs saved", "error", "output error", "same top-1"):
        assert f"achieved: {label} " in printed
    points = {point.name: point for point in load_points(folder / "a.json", load_predictors(folder / "p.safetensors"))}
    assert {name: point.quality.get("asked_summed_error") for name, point in points.items()} == {
        "e0.1": 0.1, "s0.05": None, "t0.25": None,
    }  # fmt: skip
    assert points["s0.05"].quality["asked_macs_saved"] == 0.05
    quality = points["e0.1"].quality
    assert quality["achieved_relative_output_error_low"] < quality["achieved_relative_output_error_high"]

    crops = load_crops([folder / "test"], GREY, 40, seed=4)  # those of --check
    network = "split_net:net"
    table = api.evaluate(network, "p.safetensors", crops, points="a.json", reference="t0.25", device="cpu")
    records = {record["method"]: record for record in table.records()}
    for name, point in points.items():
        for figure in ("macs_saved", "relative_output_error", "top1_agreement"):
            assert records[name][figure] == pytest.approx(point.quality[f"achieved_{figure}"]), (name, figure)
    # The budget was of weighted errors, and so is what is achieved.
    assert records["e0.1"]["summed_error"] == pytest.approx(quality["achieved_summed_error"])
    assert records["e0.1"]["summed_error"] != pytest.approx(sum(layer.error for layer in table[1].layers), rel=1e-3)
    assert (records["e0.1"]["asked_summed_error"], records["perfect"]["asked_summed_error"]) == (0.1, "")
    assert "| e0.1 |" in table.render("markdown")
    lines = table.render("table", 100).split("\nmeasured ")[0].splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("perfect ") for line in lines) > 3, "further columns follow in tables of their own"
    assert "weighted error 0.1" in table.render("markdown")
    assert "5.0% of MACs saved" in table._repr_html_()


def test_differences_to_a_row_have_intervals_of_their_own(folder: Path, capsys: pytest.CaptureFixture[str]):
    methods = "--points points.json --threshold 0.25 --baselines perfect neighbours random --format json"
    assert main(shlex.split(f"{EVAL} --images test {methods} --reference neighbours --out d.json")) == 0
    records = {one["method"]: one for one in json.loads((folder / "d.json").read_text())["networks"]}
    own, other = records["neighbours"], records["random e0.1"]
    assert {one["reference"] for one in records.values()} == {"neighbours"}
    for name in ("macs_saved", "relative_output_error", "top1_agreement"):
        assert other[f"{name}_difference"] == pytest.approx(other[name] - own[name])
        assert other[f"{name}_difference_low"] <= other[f"{name}_difference"] <= other[f"{name}_difference_high"]
        assert own[f"{name}_difference"] == ""
    assert main(shlex.split(f"{EVAL} --images test --points points.json")) == 0
    printed = capsys.readouterr().out
    assert "MACs saved − e0.1" in printed
    assert "intervals of 95 % over photographs" in printed


def test_the_error_of_the_traced_picture_stands_beside_its_cycles(folder: Path, capsys: pytest.CaptureFixture[str]):
    trace = f"trace {COMMON} --predictors p.safetensors --images test/0.png test/1.png --points points.json"
    assert main(shlex.split(f"{trace} --out own.safetensors")) == 0
    assert main(shlex.split(f"{trace} --eval-images test --eval-crops 16 --out both.safetensors")) == 0
    (own,), (both,) = (Trace(f"{name}.safetensors").header.operating_points for name in ("own", "both"))
    assert both.quality["traced_top1_agreement"] == own.quality["top1_agreement"]
    assert both.quality_note.startswith("on 16 random crops of ")
    capsys.readouterr()
    assert main(["run", "--arch", "eyeriss", "--trace", "both.safetensors", "--policy", "dense"]) == 0
    traced, others = (both.quality[name] for name in ("traced_top1_agreement", "top1_agreement"))
    expected = f"top1 agreement {traced:.2%} on the traced images, {others:.2%} on others"
    assert expected in " ".join(capsys.readouterr().out.split())
    assert main(["trace-info", "both.safetensors"]) == 0
    assert expected in capsys.readouterr().out


def test_subjects_must_be_one_for_each_image():
    with pytest.raises(FrontendError, match="6 images but 5 sources"):
        replace(smooth_images(6), sources=("a",) * 5)
