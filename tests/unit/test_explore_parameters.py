"""Values of a parameter: lists and ranges."""

import pytest

from zapsim.errors import ConfigError
from zapsim.exploration.parameters import label, listed_values


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([8, 12, 8], (8, 12)),
        ("zap", ("zap",)),
        ([True, 1], (True, 1)),
        ({"from": 8, "to": 64, "steps": 4, "log": True}, (8, 16, 32, 64)),
        ({"from": 1, "to": 3, "steps": 5}, (1, 2, 3)),
        ({"from": 0.5, "to": 2.0, "steps": 3}, (0.5, 1.25, 2.0)),
        (
            {"from": "32 KiB", "to": "512 KiB", "steps": 5, "log": True},
            ("32 KiB", "64 KiB", "128 KiB", "256 KiB", "512 KiB"),
        ),
        ({"from": "512 B", "to": "1 KiB", "steps": 2}, ("512 B", "1024 B")),
        ({"from": "1 pJ", "to": "2 pJ", "steps": 3}, ("1 pJ", "1.5 pJ", "2 pJ")),
        ([{"rows": 8, "cols": 8}, {"rows": 4, "cols": 16}], ({"rows": 8, "cols": 8}, {"rows": 4, "cols": 16})),
    ],
)
def test_values(given, values):
    assert listed_values(given) == values


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([], "no values"),
        (None, "no values"),
        ([[1]], "expected values or sections"),
        ([None], "expected values or sections"),
        ({"from": 1, "to": 2}, "steps: missing in a range"),
        ({"from": 1, "to": 2, "step": 3}, "step: unknown key (did you mean 'steps'?)"),
        ({"from": 1, "to": 2, "steps": 1}, "steps: expected a whole number from 2"),
        ({"from": 2, "to": 2, "steps": 2}, "to: must be more than from"),
        ({"from": 0, "to": 2, "steps": 2, "log": True}, "from: must be more than 0 with log"),
        ({"from": 1, "to": 2, "steps": 2, "log": 1}, "log: expected true or false"),
        ({"from": "1 KiB", "to": 2, "steps": 2}, "from and to: both need a unit"),
        ({"from": "1 KiX", "to": "2 KiB", "steps": 2}, "from: expected a quantity"),
    ],
)
def test_refused(given, fault):
    with pytest.raises(ConfigError) as found:
        listed_values(given)
    assert fault in str(found.value)


def test_labels():
    assert label({"rows": 8, "spads": {"psum": "24 words"}}) == "rows=8, spads=psum=24 words"
    assert [label(value) for value in (True, 8, 0.5, "8 KiB")] == ["true", "8", "0.5", "8 KiB"]
