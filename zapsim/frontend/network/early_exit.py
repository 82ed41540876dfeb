"""When each output of a convolution could stop: MACs until its partial sum can only stay negative.

Source: Akhlaghi et al., "SnaPEA: Predictive Early Activation for Reducing Computation in Deep Convolutional Neural
Networks", ISCA 2018, exact mode. The inputs of a convolution behind a ReLU are not negative. If the weights of a
filter are put in another order, positive ones first, a partial sum rises and then only falls; once it is negative
after the last positive weight, the ReLU behind will make it zero, and the rest need not be computed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zapsim.frontend.network.calls import Conv2dCall
from zapsim.kernels.early_exit import falling_macs
from zapsim.tracefile.records import ExitCounts, count_dtype
from zapsim.workload import ConvShape

_STRIP_BYTES = 64 * 2**20
"""Windows of the ifmap that are laid out at a time (a strip has at least one ofmap row)."""


def early_exit_macs(call: Conv2dCall, shape: ConvShape) -> ExitCounts:
    """Return the MACs that each output of a convolution takes if it may stop early.

    The sign is checked after every MAC, from the last positive weight on (after the first MAC if there is no positive
    weight). From these counts those of any coarser check follow exactly: the sum only falls, so that with a check
    every c MACs, an output stops at the first multiple of c that is not before the count (or at its end). Negative
    weights come in order of falling magnitude (equal ones as they stand in the filter), zeros last.

    Call it with what really arrives at the convolution, and only where a ReLU follows directly. A batch normalisation
    between them must be folded into weights and bias first. Where anything else is added before the ReLU, the sign is
    not known here (use :func:`full_macs`).

    Parameters
    ----------
    call
        The convolution: ifmap (N, C, H, W), weights, bias (where the sums start; None: at 0) and geometry.
    shape
        The layer; its N must be the ifmap's.

    Returns
    -------
    ExitCounts
        (N, P, Q, K), 1 to C/groups · R · S, of the type that a trace holds. If the ifmap has a negative value (as a
        network's first one may), no sign is known early and every output takes all its MACs. Sums are kept in 64-bit
        floating point: an accelerator that rounds otherwise may stop a few outputs at another MAC.

    Notes
    -----
    A strip of ofmap rows is laid out at a time, so that memory does not grow with the layer (about 100 MB).
    """
    if bool((call.ifmap < 0).any()):
        return full_macs(shape)
    weights = call.weight.detach().to("cpu", torch.float64).reshape(shape.K, -1)
    bias = torch.zeros(shape.K) if call.bias is None else call.bias.detach()
    starts = bias.to("cpu", torch.float64)
    counts = np.empty((shape.N * shape.P * shape.Q, shape.K), dtype=_numpy_type(shape))
    for first, group, windows in _strips(call, shape):
        filters = slice(group * shape.K_per_group, (group + 1) * shape.K_per_group)
        counts[first : first + len(windows), filters] = _strip_macs(windows, weights[filters], starts[filters], shape)
    return counts.reshape(shape.N, shape.P, shape.Q, shape.K)


def conv_exit_macs(conv: nn.Conv2d, ifmap: torch.Tensor, shape: ConvShape) -> ExitCounts:
    """Return :func:`early_exit_macs` of a convolution module and its ifmap (N, C, H, W)."""
    stride, dilation = (int(conv.stride[0]), int(conv.stride[1])), (int(conv.dilation[0]), int(conv.dilation[1]))
    call = Conv2dCall(ifmap, conv.weight, conv.bias, stride, shape.padding, dilation, conv.groups)
    return early_exit_macs(call, shape)


def full_macs(shape: ConvShape) -> ExitCounts:
    """Return the counts (N, P, Q, K) of a layer in which no output can stop early."""
    return np.full((shape.N, shape.P, shape.Q, shape.K), shape.macs_per_output, dtype=_numpy_type(shape))


def _numpy_type(shape: ConvShape) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if count_dtype(shape) == "U16" else np.uint32


def _strips(call: Conv2dCall, shape: ConvShape) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Yield strips of ofmap rows: first pixel's number, group, and float64 (pixels of the strip, C/groups · R · S)."""
    top, bottom, left, right = shape.padding
    padded = functional.pad(call.ifmap.detach().to("cpu"), (left, right, top, bottom))
    rows = max(1, _STRIP_BYTES // (8 * shape.macs_per_output * shape.Q))
    for n in range(shape.N):
        for group in range(shape.groups):
            channels = padded[n, group * shape.C_per_group : (group + 1) * shape.C_per_group]
            windows = _windows(channels, shape)
            for y in range(0, shape.P, rows):
                strip = windows[:, :, :, y : y + rows].permute(3, 4, 0, 1, 2).reshape(-1, shape.macs_per_output)
                yield (n * shape.P + y) * shape.Q, group, strip.to(torch.float64)


def _windows(channels: torch.Tensor, shape: ConvShape) -> torch.Tensor:
    """Return a view (channels, R, S, P, Q) of a padded map (channels, rows, columns)."""
    channel, row, col = channels.stride()
    return channels.as_strided(
        (shape.C_per_group, shape.R, shape.S, shape.P, shape.Q),
        (channel, row * shape.dilation[0], col * shape.dilation[1], row * shape.stride[0], col * shape.stride[1]),
        channels.storage_offset(),
    )


def _strip_macs(windows: torch.Tensor, weights: torch.Tensor, starts: torch.Tensor, shape: ConvShape) -> ExitCounts:
    """Return counts (pixels, filters) of windows (pixels, MACs), weights (filters, MACs) and where sums start."""
    ordered, order = torch.sort(weights, dim=1, stable=True)
    sums = torch.addmm(starts, windows, weights.clamp(min=0).T)
    counts = np.empty(tuple(sums.shape), dtype=_numpy_type(shape))
    rising = (weights > 0).sum(dim=1)
    falling_macs(windows.numpy(), order.numpy(), ordered.numpy(), rising.numpy(), sums.numpy(), counts)
    return counts
