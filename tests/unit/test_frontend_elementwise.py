"""What NumPy does in the place of torch gives what torch gives, for every type and special value."""

import pytest
import torch

from zapsim.frontend.elementwise import above, count_nonzero, nonzero, zero_skipped

pytestmark = pytest.mark.frontend

SPECIAL = torch.tensor([0.0, -0.0, 0.1, -0.1, 1.0, 1e-45, float("inf"), float("-inf"), float("nan"), 0.25])
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])


def values_of(dtype: torch.dtype) -> torch.Tensor:
    """Return special values and others, two in three of memory left out."""
    torch.manual_seed(2)
    return torch.cat([SPECIAL, torch.relu(torch.randn(50))]).to(dtype).repeat(1, 3, 1, 3)[..., ::3]


@TYPES
@pytest.mark.parametrize("threshold", [0.1, 0.25, -0.1, 0.0, 1e39, float("-inf")])
def test_comparisons_round_the_threshold_as_torch_does(dtype: torch.dtype, threshold: float):
    values = values_of(dtype)
    assert torch.equal(above(values, threshold), values > threshold)
    assert torch.equal(above(values.clone().requires_grad_(), threshold), values > threshold)


@TYPES
def test_counts_and_bits_are_those_of_torch(dtype: torch.dtype):
    values = values_of(dtype)
    assert torch.equal(nonzero(values), values != 0)
    assert count_nonzero(values) == int(values.count_nonzero()) > 0
    assert count_nonzero(values > 0) == int((values > 0).sum())


@TYPES
def test_products_with_masks_are_those_of_torch(dtype: torch.dtype):
    values = values_of(dtype).contiguous()
    mask = torch.rand(values.shape) > 0.5
    expected, result = values * mask, zero_skipped(values, mask)
    assert result is values
    torch.testing.assert_close(result, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(result.signbit(), expected.signbit())
