"""Weights, checkpoints and outputs of every type: right, or refused in one line."""

from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from tests.wild.networks import SmallNetwork, graph_of
from zapsim.errors import FrontendError
from zapsim.frontend.network.calls import tensors_in
from zapsim.frontend.network.contract import output_differences
from zapsim.frontend.network.weights import load_weights, weights_digest
from zapsim.frontend.quality import Tally

pytestmark = pytest.mark.frontend


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_are_refused(dtype):
    model = SmallNetwork(functional.relu).to(dtype)
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(FrontendError, match=rf"'stem.weight' is {kind}, expected float32: call .float\(\)"):
        graph_of(model)


def test_a_convolution_in_another_precision_is_refused():
    class Autocast(SmallNetwork):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return super().forward(x).float()

    with pytest.raises(FrontendError, match="a convolution in module 'stem' computes in bfloat16"):
        graph_of(Autocast(functional.relu))


def test_a_lazy_module_is_refused():
    with pytest.raises(FrontendError, match=r"weight '2.weight' has no shape yet.* run the network once"):
        graph_of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.LazyConv2d(4, 3)))


class Returning(SmallNetwork):
    def __init__(self, wrap) -> None:
        super().__init__(functional.relu)
        self.wrap = wrap

    def forward(self, x: torch.Tensor):
        return self.wrap(super().forward(x))


Pair = namedtuple("Pair", "map label")
TAKEN = {
    "tuple": lambda y: (y, y * 2),
    "dictionary": lambda y: {"out": y, "aux": [y, None]},
    "ordered dictionary": lambda y: OrderedDict(out=y),
    "named tuple": lambda y: Pair(y, 5),
    "vector": lambda y: y.mean((1, 2, 3)),
    "integers": lambda y: (y > 0).long(),
    "booleans": lambda y: (y, y > 0),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_outputs_are_compared(kind):
    model = Returning(TAKEN[kind])
    graph = graph_of(model)
    assert graph.site("body").unpredicted is None
    with torch.no_grad():
        expected, outputs = (list(tensors_in(model(model.example(2) * scale))) for scale in (1, 1.5))
    tally = Tally()
    tally.add(expected, outputs, None)
    differences = [(b.double() - a.double()).square().sum() for a, b in zip(expected, outputs, strict=True)]
    norm = sum(float(a.double().square().sum()) for a in expected)
    error = (float(sum(differences)) / norm) ** 0.5
    assert tally.figures()["relative_output_error"] == pytest.approx(error)


REFUSED = {
    "object": (lambda y: SimpleNamespace(logits=y), "returns a SimpleNamespace, expected a tensor, or a tuple"),
    "object in a tuple": (lambda y: (y, {1, 2}), "returns a set"),
    "number": (lambda y: float(y.mean()), "returns no tensor"),
    "nothing": (lambda y: None, "returns no tensor"),
    "a mean": (lambda y: y.mean(), r"output 1 of the network has shape \(\) for 1 image"),
    "boxes": (lambda y: (y, y.nonzero()), r"output 2 of the network has shape \(\d+, 4\) for 1 image"),
    "complex": (torch.fft.fft, "output 1 of the network is complex"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_outputs_are_refused(kind):
    wrap, message = REFUSED[kind]
    with pytest.raises(FrontendError, match=message):
        graph_of(Returning(wrap))


def test_outputs_that_change_their_size_are_refused():
    with pytest.raises(FrontendError, match=r"are \(1, 3\) without skipping and \(1, 2\) with it"):
        output_differences([torch.zeros(1, 3)], [torch.zeros(1, 2)])


class ExtraState(SmallNetwork):
    def get_extra_state(self) -> dict[str, object]:
        return {"scale": torch.ones(2), "words": ["a", 1]}

    def set_extra_state(self, state: object) -> None:
        del state


def test_extra_state_is_hashed_and_stays_the_models_own(tmp_path):
    model = ExtraState(functional.relu)
    assert weights_digest(model) == weights_digest(ExtraState(functional.relu))
    state = model.state_dict()
    torch.save({name: value + 1 if isinstance(value, torch.Tensor) else value for name, value in state.items()},
               tmp_path / "with.pth")  # fmt: skip
    load_weights(model, tmp_path / "with.pth")
    torch.save({"stem.bias": torch.zeros(8)}, tmp_path / "few.pth")
    with pytest.raises(FrontendError, match=r"missing stem.weight, .* and 1 more$"):
        load_weights(model, tmp_path / "few.pth")


CHECKPOINTS = {
    "int8": lambda value: (value * 10).to(torch.int8),
    "int64": lambda value: value.long(),
    "bool": lambda value: value > 0,
    "float8": lambda value: value.to(torch.float8_e4m3fn),
    "complex": lambda value: value.to(torch.complex64),
    "quantised": lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_of_integers_are_refused(tmp_path, kind):
    model = SmallNetwork(functional.relu)
    before = weights_digest(model)
    state = model.state_dict()
    state["body.weight"] = CHECKPOINTS[kind](state["body.weight"])
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(FrontendError, match=r"body.weight is \w+, expected float32 \(a quantised checkpoint"):
        load_weights(model, tmp_path / "w.pth")
    assert weights_digest(model) == before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_checkpoints_of_other_precision_are_loaded(tmp_path, dtype):
    model = SmallNetwork(functional.relu)
    state = {name: value.to(dtype) for name, value in model.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.body.weight, state["body.weight"].float())


class Parametrised(SmallNetwork):
    """conv2 runs before conv1, and its weight is computed."""

    def __init__(self, parametrise) -> None:
        super().__init__(functional.relu)
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 1), parametrise(nn.Conv2d(8, 8, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(functional.relu(self.conv1(functional.relu(self.conv2(functional.relu(self.stem(x)))))))


PARAMETRISED = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": lambda conv: parametrizations.orthogonal(conv, "weight"),
    "pruned": lambda conv: prune.l1_unstructured(conv, "weight", 0.5),
}


@pytest.mark.parametrize("kind", PARAMETRISED)
def test_layers_with_computed_weights_keep_their_names(kind):
    graph = graph_of(Parametrised(PARAMETRISED[kind]))
    assert [(site.name, site.shape.R) for site in graph.sites[1:3]] == [("conv2", 3), ("conv1", 1)]
    assert graph.unsimulated == ()


def test_a_convolution_without_a_module_takes_no_modules_name():
    class Functional(SmallNetwork):
        def __init__(self) -> None:
            super().__init__(functional.relu)
            self.conv1, self.free = nn.Conv2d(8, 8, 1), nn.Parameter(torch.randn(8, 8, 3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = functional.conv2d(functional.relu(self.stem(x)), self.free)
            return self.tail(functional.relu(self.conv1(functional.relu(x))))

    assert [site.name for site in graph_of(Functional()).sites] == ["stem", "functional_conv1", "conv1", "tail"]
