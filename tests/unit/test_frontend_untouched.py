"""The model is given back as it was, whatever happens during a forward pass."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.quality import measure_quality
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.training import TrainingOptions, train_predictors

pytestmark = pytest.mark.frontend

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def fingerprint(model: nn.Module) -> tuple[object, ...]:
    modules = [(name, type(module), module.training, sorted(vars(module))) for name, module in model.named_modules()]
    hooks = [len(getattr(module, kind)) for module in model.modules() for kind in HOOKS]
    gradients = [(one.requires_grad, one.grad is None) for one in model.parameters()]
    return modules, hooks, gradients


def assert_untouched(model: nn.Module, use: Callable[[], None]) -> None:
    model[3].train(False)  # flags differ between modules, and must come back one by one
    before, state = fingerprint(model), copy.deepcopy(model.state_dict())
    use()
    assert fingerprint(model) == before
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    inputs = torch.randn(2, 1, 16, 16)
    assert model(inputs).requires_grad


def test_after_graph_training_and_evaluation():
    network = small_network()

    def use() -> None:
        graph = small_graph(network)
        trained = train_predictors(network.model, graph, smooth_images(8), TrainingOptions(epochs=1, batch=4))
        points = uniform_points([0.3], trained.predictors)
        measure_quality(network, graph, trained.predictors, points, smooth_images(4))

    assert_untouched(network.model, use)


def test_after_a_forward_pass_that_raises():
    network = small_network()
    graph = small_graph(network)

    def use() -> None:
        def explode(*_: object) -> None:
            raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="middle"), frozen(network.model), Interception(graph, explode):
            network.model(torch.randn(1, 1, 16, 16))

    assert_untouched(network.model, use)


def test_after_training_stopped_by_nan_which_names_the_layer():
    network = small_network()
    graph = small_graph(network)
    network.model[2].weight.data[3] = float("nan")

    with pytest.raises(FrontendError, match="layer 2: its activations are not finite"):
        train_predictors(network.model, graph, smooth_images(8), TrainingOptions(epochs=1, batch=4))
    assert network.model.training
    assert torch.is_grad_enabled()


def test_another_control_flow_is_noticed():
    network = small_network()
    graph = small_graph(network)
    with pytest.raises(FrontendError, match="another convolution than before as number 1"), Interception(graph, print):
        network.model(torch.randn(1, 1, 20, 20))


def test_an_in_place_relu_whose_result_is_ignored_is_changed_too():
    class Ignoring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            self.relu(y)
            return y

    network = small_network()
    network = type(network)(Ignoring(), "ignoring", "random", network.preprocessing)
    graph = small_graph(network)
    with frozen(network.model), Interception(graph, lambda _site, ofmap: torch.zeros_like(ofmap)):
        assert not network.model(torch.randn(1, 1, 16, 16)).any()
