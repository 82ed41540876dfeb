"""Checks of figures: where their text is, which fonts their files have, and that they look as they did."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from unittest.mock import patch

import pytest

from zapsim.report.style import in_style

GOLDEN = Path(__file__).parent / "golden" / "figures"
TOLERANCE = 3.0
"""Root of the mean squared difference of pixels, of 255: a missing bar makes more, other edges of letters less."""


def text_faults(figure):
    """List texts that lie outside the figure or on one another; only texts that are drawn count."""
    from matplotlib.text import Text

    drawn, draw = [], Text.draw

    def recorded(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            drawn.append((self.get_text(), self.get_window_extent(renderer)))
        return draw(self, renderer, *args, **kwargs)

    with in_style(), patch.object(Text, "draw", recorded):
        figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    faults = [
        f"outside: {text}" for text, box in drawn
        if min(box.x0, box.y0) < -0.5 or box.x1 > width + 0.5 or box.y1 > height + 0.5
    ]  # fmt: skip
    return drawn, faults + [
        f"overlap: {one} / {other}" for (one, a), (other, b) in combinations(drawn, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]  # fmt: skip


def assert_looks_as_before(request: pytest.FixtureRequest, figure, name: str, folder: Path) -> None:
    """Compare a figure, small, with its picture in tests/golden/figures (``pytest --overwrite`` draws that anew)."""
    from matplotlib.testing.compare import compare_images

    picture = folder / f"{name}.png"
    with in_style():
        figure.savefig(picture, dpi=60, metadata={"Software": None})
    if request.config.getoption("overwrite"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / picture.name).write_bytes(picture.read_bytes())
    fault = compare_images(str(GOLDEN / picture.name), str(picture), tol=TOLERANCE)
    assert fault is None, fault
