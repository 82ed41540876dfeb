"""Uses of a raw convolution output that no ReLU covers make the convolution unpredicted, however they are written."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.wild.networks import SmallNetwork, graph_of, reason_of, scripted
from zapsim.frontend.network.forward import frozen
from zapsim.frontend.network.intercept import Interception
from zapsim.frontend.network.way import CHANGED, USED_ELSEWHERE

pytestmark = pytest.mark.frontend


def stored_by_index(raw: torch.Tensor) -> torch.Tensor:
    both = torch.zeros(len(raw), 16, *raw.shape[2:])
    both[:, 8:] = raw
    both[:, :8] = functional.relu(raw)
    return both


def copied_into_a_view(raw: torch.Tensor) -> torch.Tensor:
    both = torch.zeros(len(raw), 16, *raw.shape[2:])
    both[:, 8:].copy_(raw)
    both[:, :8] = functional.relu(raw)
    return both


def read_through_a_view(raw: torch.Tensor) -> torch.Tensor:
    flat = raw.view(len(raw), -1)
    rectified = functional.relu(raw)
    return rectified + flat.mean(1)[:, None, None, None]


def read_through_numpy(raw: torch.Tensor) -> torch.Tensor:
    return functional.relu(raw) + torch.from_numpy(np.abs(raw.numpy()))


def written_out(raw: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(raw)
    torch.mul(raw, 2, out=out)
    return functional.relu(raw) + out


def added_to_another(raw: torch.Tensor) -> torch.Tensor:
    total = torch.ones_like(raw)
    total.add_(raw)
    return functional.relu(raw) * total


def read_as_a_number(raw: torch.Tensor) -> torch.Tensor:
    return functional.relu(raw) * float(raw.max())


def scattered(raw: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(raw), 8, 12, 12).index_put_((torch.arange(len(raw)),), raw) + functional.relu(raw)


def half_rectified(raw: torch.Tensor) -> torch.Tensor:
    return torch.cat([functional.relu(raw[:, :4]), raw[:, 4:]], 1)


@scripted
def doubled(raw: torch.Tensor) -> torch.Tensor:
    return raw * 2


def read_by_a_script(raw: torch.Tensor) -> torch.Tensor:
    return functional.relu(raw) + doubled(raw)


def part_by_part(raw: torch.Tensor) -> torch.Tensor:
    copy = torch.zeros_like(raw)
    for channel in range(8):
        copy[:, channel] = raw[:, channel]
    return functional.relu(raw) + copy


class Negated(torch.autograd.Function):
    """Changes its argument in place, unseen by torch's functions."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        x.neg_()
        ctx.mark_dirty(x)
        return x


def changed_by_a_custom_function(raw: torch.Tensor) -> torch.Tensor:
    return functional.relu(Negated.apply(raw))


def changed_by_a_stride(raw: torch.Tensor) -> torch.Tensor:
    raw.as_strided((8,), (1,)).fill_(3.0)
    return functional.relu(raw)


ELSEWHERE = [
    (part_by_part, 8),
    (stored_by_index, 16),
    (copied_into_a_view, 16),
    (read_through_a_view, 8),
    (read_through_numpy, 8),
    (written_out, 8),
    (added_to_another, 8),
    (read_as_a_number, 8),
    (scattered, 8),
    (half_rectified, 8),
    (read_by_a_script, 8),
]


@pytest.mark.parametrize(("use", "channels"), ELSEWHERE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_second_use_is_seen(use, channels):
    assert reason_of(use, channels) == USED_ELSEWHERE


def row_set(raw: torch.Tensor) -> torch.Tensor:
    raw[:, :, 0] = 1.0
    return functional.relu(raw)


def masked_fill(raw: torch.Tensor) -> torch.Tensor:
    return functional.relu(raw.masked_fill_(raw < 0.1, 3.0))


def view_changed(raw: torch.Tensor) -> torch.Tensor:
    raw.view(len(raw), -1).neg_()
    return functional.relu(raw)


def data_changed(raw: torch.Tensor) -> torch.Tensor:
    raw.data.mul_(-1)
    return functional.relu(raw)


def data_replaced(raw: torch.Tensor) -> torch.Tensor:
    raw.data = torch.ones_like(raw)
    return functional.relu(raw)


def copied_over(raw: torch.Tensor) -> torch.Tensor:
    raw.copy_(torch.ones_like(raw))
    return functional.relu(raw)


def part_rectified_in_place(raw: torch.Tensor) -> torch.Tensor:
    raw[:, :4].relu_()
    return functional.relu(raw)


def out_argument(raw: torch.Tensor) -> torch.Tensor:
    torch.exp(raw, out=raw)
    return functional.relu(raw)


@pytest.mark.parametrize(
    "use",
    [
        row_set,
        view_changed,
        changed_by_a_stride,
        changed_by_a_custom_function,
        data_changed,
        data_replaced,
        copied_over,
        part_rectified_in_place,
        out_argument,
    ],
)
def test_a_change_before_the_relu_is_seen(use):
    assert reason_of(use) == CHANGED


def test_a_change_that_also_reads_is_refused():
    assert reason_of(masked_fill) in (CHANGED, USED_ELSEWHERE)


def aliased_after_the_relu(raw: torch.Tensor) -> torch.Tensor:
    view = raw.view(len(raw), -1)
    functional.relu_(raw)
    return view.view(raw.shape) * 2


def test_a_view_that_is_read_after_an_in_place_relu_sees_what_is_skipped():
    model = SmallNetwork(aliased_after_the_relu)
    graph = graph_of(model)
    assert graph.site("body").unpredicted is None
    with frozen(model), Interception(graph, lambda site, ofmap: ofmap * (site.name != "body")):
        skipped = model(model.example())
    torch.testing.assert_close(skipped, model.tail.bias[None, :, None, None].expand_as(skipped))


def test_the_networks_own_output_is_a_use():
    class Both(SmallNetwork):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            raw = self.body(functional.relu(self.stem(x)))
            return self.tail(functional.relu(raw)), raw[:, :1]

    assert graph_of(Both(functional.relu)).site("body").unpredicted == USED_ELSEWHERE


def test_what_the_network_keeps_is_a_use():
    class Keeps(SmallNetwork):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.kept = [self.body(functional.relu(self.stem(x)))]
            return self.tail(functional.relu(self.kept[0]))

    model = Keeps(functional.relu)
    assert graph_of(model).site("body").unpredicted == USED_ELSEWHERE
    assert not hasattr(model, "kept")
