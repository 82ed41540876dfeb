"""``zapsim inspect``: layers, why (not) predicted, the share of the MACs; and what it refuses at once."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.optional import require
from zapsim.cli import main

torch = require("torch", "pip install -c constraints.txt -e '.[frontend]'")

pytestmark = pytest.mark.frontend

MODULE = """\
import torch
from torch import nn

def plain(width=4):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(width, 2, 3), nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(2, 5),
    )

instance = plain()
number = 3

def with_arguments(classes, width=4):
    return plain(width)

class compiled(nn.Module):  # what torch.compile returns, whose import takes many seconds
    def __init__(self):
        super().__init__()
        self._orig_mod = plain()

def scripted():
    return torch.jit.trace(plain(), torch.zeros(1, 3, 224, 224))

def half():
    return plain().half()

class Boxed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = plain()

    def forward(self, pictures):
        return Box(self.inner(pictures))

class Box:
    def __init__(self, value):
        self.value = value

class Needy(nn.Module):
    def __init__(self, classes):
        super().__init__()

def transposed():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 4, 3))
"""


@pytest.fixture
def inspect(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Return a function that inspects a source beside a module of networks: exit code, stdout, stderr."""
    (tmp_path / "inspected.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "inspected", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["inspect", *arguments])
        return status, *capsys.readouterr()

    return run


def test_a_network(inspect):
    status, out, err = inspect("inspected:plain", "--size", "8")
    assert (status, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "plain"
    assert [line.split()[0] for line in lines[2:7]] == ["0", "2", "4", "5", "9"]
    cells = [re.split(r" {2,}", line) for line in lines[2:7]]
    assert cells[0][1:] == ["3×8×8 → 4×8×8, 3×3", "0.01", "dense", "first convolution of the network"]
    assert cells[1][1:] == ["4×8×8 → 4×8×8, 3×3", "0.01", "predicted"]
    assert cells[2][1:] == ["4×8×8 → 2×6×6, 3×3", "0.00", "dense", "no ReLU behind it"]
    assert cells[4][1:] == ["2×1×1 → 5×1×1, 1×1", "0.00", "dense", "fully connected; only with --workload"]
    macs = [64 * 4 * 27, 64 * 4 * 36, 36 * 2 * 36, 36 * 2 * 18, 10]
    predicted = (macs[1] + macs[3]) / sum(macs)
    assert lines[7] == f"0.0 M MACs: {predicted:.1%} predicted, {1 - predicted:.1%} dense; all are simulated"


def test_what_is_not_simulated_has_its_share(inspect):
    status, out, _ = inspect("inspected:transposed", "--size", "8")
    assert status == 0
    assert "not simulated  transposed convolution" in out
    convolution, transposed = 36 * 4 * 27, 36 * 4 * 36
    share = transposed / (convolution + transposed)
    assert out.splitlines()[-1].endswith(f"0.0% predicted, {1 - share:.1%} dense, {share:.1%} not simulated")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            "inspected:compiled",
            "the network is compiled (torch.compile), which hides its calls: return the module that was compiled (its "
            "attribute _orig_mod)",
        ),
        ("inspected:scripted", "the network is scripted (torch.jit), which hides its calls: return the module that it"),
        ("inspected:half", "weight '0.weight' is float16, expected float32: call .float() on the network"),
        ("inspected:Boxed", "the network returns a Box, expected a tensor, or a tuple, list or dictionary of tensors"),
        (
            "inspected:instance",
            "network 'inspected:instance': instance is a network, expected a function that makes one: write `def "
            "make_model(): return instance` and name that",
        ),
        (
            "inspected:with_arguments",
            "network 'inspected:with_arguments': with_arguments needs arguments (classes), expected a function without"
            ": write `def make_model(): return with_arguments(classes=...)` and name that",
        ),
        ("inspected:Needy", "network 'inspected:Needy': Needy needs arguments (classes), expected a function without"),
        ("inspected:number", "network 'inspected:number': inspected has no function 'number'"),
        ("inspected:plane", "network 'inspected:plane': inspected has no function 'plane' (did you mean 'plain'?)"),
        ("nowhere:net", "network 'nowhere:net': no module named 'nowhere'"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
def test_what_cannot_work_is_refused_at_once(inspect, source, fault):
    status, out, err = inspect(source)
    assert (status, out) == (2, "")
    assert err.startswith(f"zapsim: {fault}")
    assert err.count("\n") == 1


def test_a_size_below_one_is_refused(inspect):
    assert inspect("inspected:plain", "--size", "0") == (2, "", "zapsim: --size must be at least 1, got 0\n")


def test_a_size_is_for_factories(inspect):
    status, out, err = inspect("vgg16", "--size", "64")
    assert (status, out) == (2, "")
    assert err == "zapsim: --size is for package.module:factory; other sources have fixed sizes\n"


def test_a_built_in_workload(inspect):
    status, out, _ = inspect("mobilenet_v1")
    assert status == 0
    assert "32×112×112 → 32×112×112, 3×3, 32 groups" in out
    assert out.splitlines()[-1] == "568.7 M MACs: 0.0% predicted, 100.0% dense; all are simulated"


def test_a_trace(inspect):
    status, out, _ = inspect("digits_cnn.safetensors")
    assert status == 0
    assert out.splitlines()[0] == "digit CNN"
    assert [line.split()[-1] for line in out.splitlines()[3:5]] == ["predicted", "predicted"]


def test_a_network_runs_dense(inspect, capsys):
    assert main(["run", "--arch", "systolic_16x16", "--workload", "inspected:plain", "--format", "csv"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# plain on shapes alone")
    assert [line.split(",")[0] for line in out.splitlines() if not line.startswith("#")][1:-1] == [
        "0",
        "2",
        "4",
        "5",
        "9",
    ]


def test_a_network_with_other_layers_is_no_workload(inspect, capsys):
    assert main(["run", "--arch", "systolic_16x16", "--workload", "inspected:transposed"]) == 2
    assert capsys.readouterr().err == (
        "zapsim: inspected:transposed: 1 layers cannot be simulated: 2 (transposed convolution); list the others in a "
        "YAML file (`zapsim inspect` shows their shapes)\n"
    )


def test_the_shipped_example_is_found_from_any_folder(inspect):
    """And one's own file of that name goes first."""
    assert inspect("mynet:make_model")[1].startswith("my network\n")
    sys.modules.pop("mynet")
    Path("mynet.py").write_text(MODULE)
    assert inspect("mynet:plain", "--size", "8")[1].startswith("plain\n")
    sys.modules.pop("mynet")
    assert not any(path.endswith("/examples") for path in sys.path)


def test_shapes_are_found_without_drawing_weights(inspect, tmp_path):
    """Unless the network looks at its values, which are then real."""
    from zapsim.frontend.inspection import inspect_network

    with (tmp_path / "inspected.py").open("a") as module:
        module.write(
            "\nclass Choosy(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.conv = nn.Conv2d(3, 4, 3)\n"
            "    def forward(self, pictures):\n"
            "        if self.conv.weight.std() < 1e-6:\n"
            "            raise ValueError('no weights were drawn')\n"
            "        return self.conv(pictures)\n"
        )
    plain, choosy = (inspect_network(f"inspected:{name}") for name in ("plain", "Choosy"))
    assert [float(net.network.model.state_dict()[key].std()) > 1e-6 for net, key in (
        (plain, "0.weight"), (choosy, "conv.weight"),
    )] == [False, True]  # fmt: skip
    assert choosy.graph.sites[0].shape.P == 222
