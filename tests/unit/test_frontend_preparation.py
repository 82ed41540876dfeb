"""``--size``, ``--mean`` and ``--std`` of the commands that run a network: they replace what the network says."""

import json

import numpy as np
import pytest

from tests.optional import require
from zapsim.cli import main
from zapsim.errors import FrontendError

require("torch", "pip install -c constraints.txt -e '.[frontend]'")
Image = require("PIL.Image", "pip install -c constraints.txt -e '.[frontend]'")

from zapsim.frontend.network.network import NamedNetwork  # noqa: E402 (needs torch)
from zapsim.tracefile.reader import Trace  # noqa: E402

pytestmark = pytest.mark.frontend
TRAIN = "train --network mynet:make_model --images a.png --crops 2 --epochs 1 --batch 2 --out p.safetensors"
TRACE = "trace --network mynet:make_model --predictors p.safetensors --images a.png --threshold 0 --out t.safetensors"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save("a.png")
    return tmp_path


def test_they_reach_the_network(here, capsys):
    changed = "--size 24 --mean 100 110 120 --std 50 60 70"
    assert main(f"{TRAIN} {changed}".split()) == 0
    assert main(f"{TRACE} {changed}".split()) == 0
    header = Trace("t.safetensors").header
    assert (header.layers[0].shape.H, header.layers[-1].shape.H) == (24, 6)
    recorded = json.dumps(header.provenance)
    assert '"mean": [100.0, 110.0, 120.0]' in recorded
    assert '"size": 24' in recorded
    other = Trace("t.safetensors").header.images[0].sha256
    assert main(f"{TRACE} --size 24".split()) == 0
    assert Trace("t.safetensors").header.images[0].sha256 != other  # of the tensor that the network saw


def test_what_is_not_given_stays():
    own = NamedNetwork("mynet:make_model").load().preprocessing
    assert (own.size, own.resize) == (64, 72)
    changed = NamedNetwork("mynet:make_model", size=128, std=(1.0, 2.0, 3.0)).load().preprocessing
    assert (changed.size, changed.resize, changed.mean, changed.std) == (128, 144, own.mean, (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"size": 0}, "size of the network's input: must be at least 1, got 0"),
        ({"mean": (1.0,)}, "preprocessing: RGB input needs 3 means and deviations, got 1 and 3"),
        ({"std": (1.0, 0.0, 1.0)}, "preprocessing: standard deviations must be positive"),
    ],
)
def test_values_that_cannot_be_used(options, fault):
    with pytest.raises(FrontendError, match=fault):
        NamedNetwork("mynet:make_model", **options).load()


def test_a_fault_is_one_line_and_nothing_is_written(here, capsys):
    assert main(f"{TRAIN} --size 0".split()) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "zapsim: size of the network's input: must be at least 1, got 0\n")
    assert [path.name for path in here.iterdir()] == ["a.png"]
