"""What does not follow from the picture alone is refused or undone, and the network comes back bit for bit."""

import copy
import random
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.wild.networks import SmallNetwork, graph_of
from zapsim.errors import FrontendError
from zapsim.frontend.network.forward import frozen

pytestmark = pytest.mark.frontend


def remembers(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    last, model.last = getattr(model, "last", 0), y
    return y + last


def counts(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    model.calls += 1
    return y * model.calls


def trains_its_norm(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    return model.norm.train()(y)


def norms_by_hand(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(y, None, None, training=True)


def shrinks_a_weight(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    model.body.weight.data.mul_(0.9)
    return y


def drops_out(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    return model.drop.train()(y)


class Stateful(SmallNetwork):
    def __init__(self, use) -> None:
        super().__init__(functional.relu)
        self.use, self.norm, self.drop = use, nn.BatchNorm2d(8), nn.Dropout2d()
        self.register_buffer("calls", torch.zeros(()))
        self.history, self.queue, self.number = [1], deque([2]), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.use(self, functional.relu(self.body(functional.relu(self.stem(x))))))


REFUSED = {
    "functional dropout": (lambda _, y: functional.dropout(y, 0.5), "random: dropout in the network's own forward"),
    "a dropout left on": (drops_out, "random: dropout2d in module 'drop'|random: feature_dropout"),
    "noise": (lambda _, y: y + torch.rand_like(y), "random: rand_like"),
    "numpy": (lambda _, y: y * np.random.rand(), "counts, remembers or draws"),  # noqa: NPY002 (others do)
    "random": (lambda _, y: y * random.random(), "counts, remembers or draws"),
    "memory": (remembers, "counts, remembers or draws"),
    "a counter": (counts, "counts, remembers or draws"),
    "batch normalisation left on": (trains_its_norm, "batch normalisation in module 'norm' uses the batch's own"),
    "functional batch normalisation": (norms_by_hand, "batch normalisation in the network's own forward uses"),
    "weights": (shrinks_a_weight, "changes weight 'body.weight'"),
}


def contents(model: nn.Module) -> tuple[object, ...]:
    attributes = [(name, dict(vars(module))) for name, module in model.named_modules()]
    return attributes, copy.copy(model.history), copy.copy(model.queue), torch.get_rng_state().tolist()


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_and_the_network_is_untouched(kind):
    use, message = REFUSED[kind]
    model = Stateful(use)
    before, state = contents(model), copy.deepcopy(model.state_dict())
    with pytest.raises(FrontendError, match=message) as error:
        graph_of(model.train())
    assert str(error.value).isprintable()
    model.train()
    assert contents(model) == before
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def keeps_books(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
    """Change all that can be changed without any influence on the output."""
    model.calls += 1
    model.number += 1
    model.history.append(y.mean())
    model.queue.appendleft(3)
    model.seen = y
    torch.rand(3)
    return y


def test_what_has_no_influence_is_undone():
    model = Stateful(keeps_books).eval()
    state = torch.get_rng_state()
    graph = graph_of(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert graph.site("body").unpredicted is None
    with frozen(model):
        for _ in range(3):
            model(model.example())
        assert model.number == 3
    assert (model.calls, model.number, model.history, list(model.queue)) == (0, 0, [1], [2])
    assert not hasattr(model, "seen")


def test_a_buffer_that_is_replaced_comes_back():
    def replaces(model: nn.Module, y: torch.Tensor) -> torch.Tensor:
        model.calls = model.calls + 1
        model.body.weight.data = model.body.weight.data.clone()
        return y

    model = Stateful(replaces).eval()
    buffer, memory = model.calls, model.body.weight.data_ptr()
    graph_of(model)
    assert model.calls is buffer
    assert model.body.weight.data_ptr() == memory
