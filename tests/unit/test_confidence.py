"""Statistics over images: by hand, against Student's t integrated slowly, and in every format of a result."""

import csv
import json
import math

import numpy as np
import pytest

from tests.builders import arch, trace_header, write_trace
from zapsim.arch.policy import preset
from zapsim.confidence import over_images, student_t_quantile
from zapsim.report.formats import FORMATS, render
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace


def test_by_hand():
    """Mean 3, squares 4 + 1 + 0 + 1 + 4 = 10 over 4; t of 4 degrees of freedom is 2.7764."""
    found = over_images([1, 2, 3, 4, 5])
    assert (found.images, found.mean) == (5, 3.0)
    assert found.deviation == pytest.approx(math.sqrt(2.5))
    assert found.high - 3 == pytest.approx(3 - found.low) == pytest.approx(2.7764 * math.sqrt(2.5 / 5))


def test_images_that_are_alike_have_no_over_images():
    found = over_images([7.0, 7.0])
    assert (found.deviation, found.low, found.high) == (0, 7, 7)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_image_has_no_over_images(values):
    with pytest.raises(ValueError, match="at least two values"):
        over_images(values)


def test_quantiles_are_scipy_s():
    special = pytest.importorskip("scipy.special")
    freedom = np.array([*range(1, 200), 1000, 100_000])
    ours = [student_t_quantile(int(one)) for one in freedom]
    assert np.abs(special.stdtrit(freedom, 0.975) - ours).max() < 5e-5, "the table has four decimals"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    header = trace_header(images=3)
    return Trace(write_trace(tmp_path_factory.mktemp("confidence") / "tiny.safetensors", header))


def run(trace, **options):
    spec = arch()
    return simulate(spec, trace, preset("zap", spec.inputs), **options)


def test_images_one_by_one_are_those_of_their_own_runs(trace):
    together = run(trace)
    alone = [run(trace, images=[image]).total for image in range(3)]
    assert list(together.each_image) == alone
    found = together.image_statistics
    assert found["cycles"] == over_images([one.policy.cycles.total for one in alone])
    assert found["energy_saving"] == over_images([one.energy_saving for one in alone])
    assert found["macs_skipped"] == over_images([one.policy.counts.macs_skipped for one in alone])
    assert found["cycles"].mean * 3 == pytest.approx(together.total.policy.cycles.total)
    assert found["cycles"].deviation > 0, "the masks differ"


@pytest.mark.parametrize("options", [{"images": [1]}, {"batch": 3}])
def test_one_image_or_a_batch_says_nothing_of_images(trace, options):
    result = run(trace, **options)
    assert result.image_statistics == {}
    assert all("Over " not in render(result, form) for form in FORMATS)
    assert "images: mean" not in render(result, "csv")


def test_every_format_says_it(trace):
    result = run(trace)
    found = result.image_statistics
    for form in ("table", "csv", "markdown", "latex"):
        assert "Over 3 images, one by one: cycles saved " in render(result, form), form
    rows = list(csv.DictReader(line for line in render(result, "csv").splitlines() if not line.startswith("#")))
    kinds = {row["layer"]: row for row in rows[-4:]}
    assert list(kinds) == ["images: mean", "images: deviation", "images: low", "images: high"]
    assert float(kinds["images: deviation"]["cycles"]) == found["cycles"].deviation
    assert kinds["images: mean"]["bound"] == ""
    over_images = json.loads(render(result, "json"))["over_images"]
    assert over_images["energy_pj"]["low"] == found["energy_pj"].low
    assert over_images["macs_skipped"]["images"] == 3
