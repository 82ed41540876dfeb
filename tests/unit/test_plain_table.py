"""Tables of bare text: what rich prints, without rich."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich import box
from rich.table import Table

from zapsim.report.plain_table import is_plain, table_lines
from zapsim.report.terminal import plain_console

TEXT = st.text("abc Z1,.%·×−µ–é", max_size=6).map(str.strip)
HEADING = st.lists(st.text("abc,%·µ", min_size=1, max_size=5), min_size=1, max_size=3).map("\n".join)


def by_rich(headings, rows, last_apart):
    table = Table(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False, collapse_padding=True)
    for heading, left in headings:
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for number, row in enumerate(rows, 1):
        if last_apart and number == len(rows):
            table.add_section()
        table.add_row(*row)
    console = plain_console(io.StringIO())
    console.print(table)
    return console.file.getvalue(), console.measure(table).maximum


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.tuples(HEADING, st.booleans()), min_size=1, max_size=4), st.integers(2, 4), st.booleans())
def test_lines_are_those_of_rich(data, headings, count, last_apart):
    rows = [[data.draw(TEXT) for _ in headings] for _ in range(count)]
    lines = table_lines(headings, rows, last_apart)
    printed, width = by_rich(headings, rows, last_apart)
    assert "".join(f"{line}\n" for line in lines) == printed
    assert {len(line) for line in lines} == {width}


def test_characters_that_take_no_place_or_two_are_not_plain():
    assert is_plain(["plain", "12×14 · 3 µJ −5 % – é"])
    for text in ("層", "e\u0301", "a\u200bb", "😀", "\uff21", "\t", "\ue000"):
        assert not is_plain(["plain", text]), text
