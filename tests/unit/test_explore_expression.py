"""Expressions: what they mean, and what is refused."""

import pickle

import pytest

from zapsim.errors import ConfigError
from zapsim.exploration.expression import parse

NAMES = {"rows": 8, "array.cols": 4, "kind": "zap", "share": 0.5, "absent": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rows * array.cols <= 32", True),
        ("rows * array.cols < 32", False),
        ("1 < rows <= 8 < 9", True),
        ("rows - 2 ** 3 + 7 // 2 % 2", 1),
        ("-rows / 16", -0.5),
        ("kind == 'zap' and not rows == 4", True),
        ("kind != 'zap' or share > 1", False),
        ("max(rows, array.cols, 3) + min(1, 2) + abs(-1)", 10),
        ("sqrt(array.cols) + log2(rows) + ceil(share) + floor(share)", 6.0),
        ("rows * 1e3", 8000.0),
        ("64 KiB + 1 kB", 66536.0),
        ("2.5 mJ", 2.5e9),
        ("480 MB/s / 2", 2.4e8),
        ("kind == '64 KiB'", False),
    ],
)
def test_values(text, value):
    assert parse(text).value(NAMES) == value


@pytest.mark.parametrize("text", ["absent < 3", "rows / 0", "rows + unknown", "10.0 ** 400", "sqrt(-rows)"])
def test_no_value(text):
    assert parse(text).value(NAMES) is None


def test_a_condition_that_is_settled_needs_no_more_names():
    assert parse("rows == 8 or absent == 3").value(NAMES) is True
    assert parse("absent == 3 or rows == 8").value(NAMES) is None


def test_text_is_no_number():
    with pytest.raises(ConfigError, match="'kind \\* 2': text cannot be used as a number"):
        parse("kind * 2").value(NAMES)
    with pytest.raises(ConfigError, match="text cannot be used as a number"):
        parse("kind < 2").value(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(1).real",
        "rows[0]",
        "[1, 2]",
        "lambda: 1",
        "rows if share else 1",
        "rows := 3",
        "f'{rows}'",
        "min(*rows, 1)",
        "min(1, 2, key=3)",
        "sqrt(1, 2)",
        "max(1)",
        "rows @ 2",
        "rows in kind",
        "None",
        "b'x'",
        "",
        "rows +",
        "3 parsecs",
        "1" * 600,
        "(" * 60 + "1" + ")" * 60 + "+" + "-" * 60 + "1",
        None,
        ["rows"],
    ],
)
def test_refused(text):
    with pytest.raises(ConfigError) as found:
        parse(text)
    assert "\n" not in str(found.value)


def test_names_and_kind():
    condition = parse("b * a.c <= 3 and b != 2")
    assert condition.names == ("b", "a.c")
    assert condition.is_condition
    assert condition.bare == ("b",)
    assert not parse("b + 1").is_condition
    assert parse("not a").is_condition
    assert parse("a <= 3 KiB").bare == ()
    assert parse("2 < a").bare == ("a",)


def test_goes_to_other_processes():
    again = pickle.loads(pickle.dumps(parse("rows  *  2 KiB")))
    assert again.text == "rows * 2 KiB"
    assert again.value(NAMES) == 16384.0
