"""MACs that switch, against a walker over real convolution windows and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import gating_walker
from tests.reference.systolic_cases import masks, shapes
from zapsim.arrays.gating import expected_window_nonzero, outputs_per_pixel, switching_macs, window_nonzero
from zapsim.tracefile.packed import PackedMap
from zapsim.workload import ConvShape

pytestmark = [pytest.mark.kernels, pytest.mark.reference]


def ifmaps(data: st.DataObject, shape: ConvShape) -> np.ndarray:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return rng.random((shape.N, shape.H, shape.W, shape.C)) < data.draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))


@given(st.data())
def test_windows_equal_the_walkers(data: st.DataObject) -> None:
    shape = data.draw(shapes(largest=3))
    nonzero = ifmaps(data, shape)
    window = window_nonzero(shape, PackedMap.from_bool(nonzero))
    assert window.shape == (shape.N, shape.P, shape.Q, shape.groups)
    for n, y, x, group in np.ndindex(window.shape):
        first_filter = group * shape.K_per_group
        assert window[n, y, x, group] == gating_walker.nonzero_products(shape, nonzero, (n, y, x, first_filter))


@given(st.data())
def test_expected_windows_are_those_of_a_map_without_zeros(data: st.DataObject) -> None:
    shape = data.draw(shapes(largest=4))
    full = window_nonzero(shape, PackedMap.full(shape.N, shape.H, shape.W, shape.C))
    assert (expected_window_nonzero(shape, 0.0) == full).all()
    zeros = data.draw(st.floats(0, 1))
    some = expected_window_nonzero(shape, zeros)
    assert int(some.sum()) == int(np.floor(full.sum() * (1 - zeros) + 0.5))
    assert (np.abs(some - full * (1 - zeros)) < 1.0 + 1e-9).all()
    assert not expected_window_nonzero(shape, 1.0).any()


@given(st.data())
def test_switching_macs_equal_the_walkers(data: st.DataObject) -> None:
    shape = data.draw(shapes(largest=3))
    kept = data.draw(masks(shape)) if data.draw(st.booleans()) else None
    nonzero = ifmaps(data, shape) if data.draw(st.booleans()) else None
    outputs = None if kept is None else outputs_per_pixel(PackedMap.from_bool(kept), shape.groups)
    window = None if nonzero is None else window_nonzero(shape, PackedMap.from_bool(nonzero))
    assert switching_macs(shape, outputs, window) == gating_walker.switching_macs(shape, kept, nonzero)


def test_by_hand() -> None:
    # A 2×3 ifmap with zero rows above and below; a 2×2 filter, one column of padding on the right only.
    shape = ConvShape("hand", C=1, H=2, W=3, K=2, R=2, S=2, padding=(1, 1, 0, 1))
    nonzero = np.array([[1, 0, 1], [1, 1, 0]], dtype=bool).reshape(1, 2, 3, 1)
    window = window_nonzero(shape, PackedMap.from_bool(nonzero))
    assert window[0, :, :, 0].tolist() == [[1, 1, 1], [3, 2, 1], [2, 1, 0]]
    assert switching_macs(shape, None, window) == 2 * 12
    kept = np.zeros((1, 3, 3, 2), dtype=bool)
    kept[0, 1, 0] = True
    kept[0, 2, 1, 1] = True
    outputs = outputs_per_pixel(PackedMap.from_bool(kept), 1)
    assert switching_macs(shape, outputs, window) == 2 * 3 + 1
    assert switching_macs(shape, outputs, None) == 3 * 4
    assert switching_macs(shape, None, None) == shape.macs == 72


def test_without_zeros_and_padding_everything_switches() -> None:
    shape = ConvShape("full", C=6, H=5, W=5, K=4, R=3, S=3, groups=2)
    window = window_nonzero(shape, PackedMap.full(1, 5, 5, 6))
    assert switching_macs(shape, None, window) == shape.macs


def test_padding_never_switches() -> None:
    shape = ConvShape("padded", C=1, H=3, W=3, K=1, R=3, S=3, padding=(1, 1, 1, 1))
    window = window_nonzero(shape, PackedMap.full(1, 3, 3, 1))
    assert window[0, :, :, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_counts_of_large_layers_do_not_wrap() -> None:
    # 2**33 MACs: more than 32 bits hold.
    shape = ConvShape("large", C=2**14, H=16, W=16, K=2**11, R=1, S=1)
    window = window_nonzero(shape, PackedMap.full(1, 16, 16, 2**14))
    outputs = outputs_per_pixel(PackedMap.full(1, 16, 16, 2**11), 1)
    assert switching_macs(shape, outputs, window) == switching_macs(shape, None, window) == shape.macs == 2**33
    assert switching_macs(shape, outputs, None) == shape.macs
