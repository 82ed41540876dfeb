"""The exception tree, and what messages share: suggestions and quoted values."""

import pytest

from zapsim import errors
from zapsim.errors import ConfigError, ZapsimError, did_you_mean, shown


def test_every_error_is_a_zapsim_error():
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    assert len(classes) > 5
    assert all(issubclass(item, ZapsimError) for item in classes)


def test_config_error_keeps_its_faults_apart():
    assert ConfigError("one").faults == ("one",)
    several = ConfigError(fault for fault in ("one", "two"))
    assert several.faults == ("one", "two")
    assert str(several) == "one\ntwo"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("rowz", " (did you mean 'rows'?)"), ("rows", " (did you mean 'rows'?)"), ("qqq", ""), ("", "")],
)
def test_did_you_mean(word, hint):
    assert did_you_mean(word, ["rows", "cols"]) == hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (False, "false"),
        ({"a": 1}, "a section"),
        ([1], "a list"),
        (3, "3"),
        (2.5, "2.5"),
        (float("nan"), "nan"),
        (2**201, "a number of over 60 digits"),
        ("x", "'x'"),
        ("µ", "'µ'"),
        ("a\nb", "'a\\nb'"),
        ("\x1b[31m", "'\\x1b[31m'"),
        ("x" * 61, f"'{'x' * 60}…'"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text
