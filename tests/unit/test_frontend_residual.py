"""Residual connections: prediction behind the sum's ReLU, and which of the summed convolutions it belongs to."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.graph import ConvSite, Graph, trace_graph
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.way import NO_RELU, SUM_OF_ANOTHER_SHAPE, USED_ELSEWHERE
from zapsim.frontend.networks.mobilenet import mobilenet_v2
from zapsim.frontend.networks.resnet import resnet18, resnet34, resnet50

pytestmark = pytest.mark.frontend

Sum = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def in_place(made: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    made += other
    return made


SUMS: dict[str, Sum] = {
    "a + b": lambda made, other: made + other,
    "b + a": lambda made, other: other + made,
    "torch.add": torch.add,
    "alpha": lambda made, other: torch.add(made, other, alpha=0.5),
    "method": lambda made, other: made.add(other),
    "+=": in_place,
}


class Block(nn.Module):
    """A stem, then conv, ReLU, conv, BN, sum with the block's input, ReLU (one module, called three times)."""

    def __init__(self, add: Sum, project: bool = False) -> None:
        super().__init__()
        self.stem, self.conv1, self.conv2 = (nn.Conv2d(c, 4, 3, padding=1) for c in (3, 4, 4))
        self.norm = nn.BatchNorm2d(4)
        self.projection = nn.Conv2d(4, 4, 1) if project else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.add = add

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(x))
        made = self.norm(self.conv2(self.relu(self.conv1(x))))
        return self.relu(self.add(made, self.projection(x)))


def graph_of(model: nn.Module, size: tuple[int, int] = (8, 8)) -> Graph:
    return trace_graph(model, torch.randn(1, 3, *size))


@pytest.mark.parametrize("add", SUMS.values(), ids=SUMS)
def test_every_way_to_write_a_sum(add: Sum):
    model = Block(add).eval()
    graph = graph_of(model)
    assert [(site.name, site.relu_call, site.added) for site in graph.sites] == [
        ("stem", 0, False),
        ("conv1", 1, False),
        ("conv2", 2, True),
    ]
    assert graph.site("conv2").norm_calls == (0,)
    keep = torch.rand(4, 8, 8) > 0.5

    def mask(site: ConvSite, ofmap: torch.Tensor) -> torch.Tensor | None:
        return ofmap * keep if site.name == "conv2" else None

    inputs = torch.randn(2, 3, 8, 8)
    with frozen(model):
        expected = model(inputs)
        with Interception(graph, on_ofmap=mask):
            found = model(inputs)
    torch.testing.assert_close(found, expected * keep, rtol=0, atol=0)


@pytest.mark.parametrize("add", [SUMS["a + b"], SUMS["b + a"]])
def test_of_two_convolutions_the_one_on_the_main_path_is_predicted(add: Sum):
    graph = graph_of(Block(add, project=True))
    assert graph.site("conv2").unpredicted is None
    assert graph.site("projection").unpredicted == "added to conv2, behind which their sum is predicted"
    assert graph.site("projection").relu_call is None


class Parallel(nn.Module):
    """Sums of equally deep convolutions: the one with more MACs an output counts, then the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.small, self.large, self.twin = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, (1, 9))
        self.pad = nn.ZeroPad2d((4, 4, 0, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return (self.small(x) + self.large(x) + self.twin(self.pad(x))).relu()


def test_a_sum_of_three_convolutions():
    assert [site.unpredicted is None for site in graph_of(Parallel()).sites] == [False, False, True, False]


class Refused(nn.Module):
    """Sums that allow no prediction: doubled, used before the ReLU, of another shape, and without a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.twice, self.used, self.wider, self.last = (nn.Conv2d(c, 4, 1) for c in (3, 4, 4, 4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        doubled = self.twice(x)
        x = (doubled + doubled).relu()
        total = self.used(x) + x
        x = total.relu() + total
        x = (self.wider(x.mean(dim=(2, 3), keepdim=True)) + x).relu()
        return self.last(x) + x


def test_sums_that_allow_no_prediction_have_reasons():
    reasons = {site.name: site.unpredicted for site in graph_of(Refused()).sites[1:]}
    assert reasons == {
        "twice": USED_ELSEWHERE,
        "used": USED_ELSEWHERE,
        "wider": SUM_OF_ANOTHER_SHAPE,
        "last": NO_RELU,
    }


@pytest.mark.parametrize(("make", "per_block", "blocks"), [(resnet18, 2, 8), (resnet34, 2, 16), (resnet50, 3, 16)])
def test_resnets_predict_all_but_stem_and_projections(make: Callable[[], nn.Module], per_block: int, blocks: int):
    graph = graph_of(make(), size=(128, 96))
    projections = [site for site in graph.sites if "downsample" in site.name]
    assert len(projections) == (4 if per_block == 3 else 3)
    for site in projections:
        main = site.name.replace("downsample.0", f"conv{per_block}")
        assert site.unpredicted == f"added to {main}, behind which their sum is predicted"
    large = [site for site in graph.sites if min(site.shape.P, site.shape.Q) >= 4 and site not in projections]
    assert {site.name for site in large} - {site.name for site in graph.eligible} == {"conv1"}
    assert sum(site.added for site in graph.sites if site not in projections) == blocks


def test_mobilenet_v2_has_no_relu_behind_its_sums():
    graph = graph_of(mobilenet_v2(), size=(160, 160))
    reasons = [site.unpredicted for site in graph.sites]
    assert reasons.count(NO_RELU) + reasons.count(USED_ELSEWHERE) == 17
    assert len(graph.eligible) == 52 - 17 - 1
    assert not any(site.added for site in graph.eligible)
