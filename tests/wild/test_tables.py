"""CSV tables of validations: read right, or refused in one line with its number."""

import pytest

from zapsim.cli import main
from zapsim.csvfile import read_table
from zapsim.errors import ConfigError

HEADING = "layer,C,H,W,K,R,S,cycles\n"
TABLE = f"# figures of a paper\n\n{HEADING}conv1,1,8,8,4,3,3,1000\n"
SPEC = "name: x\nsource: s\narch: systolic_16x16\nfigures: table.csv\ntargets: {cycles: {layer: 100}}\n"

RIGHT = {
    "UTF-8": TABLE.encode(),
    "with a mark": TABLE.encode("utf-8-sig"),
    "UTF-16": TABLE.encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + TABLE.encode("utf-16-be"),
    "lines of Windows": TABLE.replace("\n", "\r\n").encode(),
    "lines of old Macs": TABLE.replace("\n", "\r").encode(),
    "no line end": TABLE.strip().encode(),
    "blanks around": TABLE.replace(",", " , ").encode(),
    "quoted": TABLE.replace("conv1", '"conv1"').encode(),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_every_encoding_gives_the_same_table(tmp_path, kind):
    path = tmp_path / "table.csv"
    path.write_bytes(RIGHT[kind])
    (row,) = read_table(path, ["layer", "C"])
    cells = ["conv1", "1", "8", "8", "4", "3", "3", "1000"]
    assert row.cells == dict(zip(HEADING.strip().split(","), cells, strict=True))
    assert row.where == "table.csv: line 4"


ROW = "conv1,1,8,8,4,3,3,1000"
WRONG = {
    "Latin-1": (TABLE.replace("conv1", "é").encode("latin-1"), "line 4: not UTF-8 text; save the table as UTF-8"),
    "UTF-16 without a mark": (TABLE.encode("utf-16-le"), "line 1: holds a zero byte"),
    "half of UTF-16": (TABLE.encode("utf-16")[:-1], "not UTF-16 text"),
    "column twice": (HEADING.replace("W", "H") + ROW, "line 1: column 'H' comes twice"),
    "column without name": (HEADING.replace("W", "") + ROW, "line 1: column 4 has no name"),
    "column missing": (
        HEADING.replace("cycles", "cycle") + ROW,
        "missing column cycles (did you mean 'cycle'?)",
    ),
    "cell too many": (HEADING + ROW + ",5", "line 2: expected 8 cells, as in the heading, got 9 (quote"),
    "cell too few": (HEADING + "conv1,1", "line 2: expected 8 cells, as in the heading, got 2"),
    "cell of two lines": (
        HEADING + '"a\nb",1,8,8,4,3,3,9',
        "line 2: a cell must be one printable line of at most 2,000 characters, got 'a",
    ),
    "escape": (HEADING + ROW.replace("conv1", "\x1b[31m"), "line 2: a cell must be one printable line"),
    "open quote": (HEADING + '"conv1,1,8', "not CSV (unexpected end of data)"),
    "no row": (HEADING, "expected a heading and at least one row"),
    "nothing": ("", "expected a heading and at least one row"),
    "infinite": (HEADING + ROW.replace("1000", "inf"), "line 2, column cycles: expected a finite number, got 'inf'"),
    "not a number": (
        HEADING + ROW.replace("1000", "nan"),
        "column cycles: expected a finite number, got 'nan'",
    ),
    "infinite dimension": (HEADING + ROW.replace("conv1,1", "conv1,inf"), "line 2, column C: expected a finite number"),
    "no dimension": (HEADING + ROW.replace("conv1,1", "conv1,"), "line 2, column C: expected a finite number, got ''"),
    "zero dimension": (HEADING + ROW.replace("conv1,1", "conv1,0"), "line 2, column C: expected a whole number from 1"),
    "fraction": (
        HEADING + ROW.replace("conv1,1", "conv1,1.5"),
        "column C: expected a whole number from 1, got 1.5",
    ),
    "zero figure": (HEADING + ROW.replace("1000", "0"), "line 2, column cycles: a published figure must be above 0"),
    "no figure": (HEADING + ROW.replace("1000", ""), "column cycles: expected at least one published figure"),
    "filter larger than the map": (HEADING + ROW.replace("3,3", "30,3"), "table.csv: line 2: "),
    "share": (HEADING.replace("cycles", "cycles,ifmap_zeros") + ROW + ",1.5", "column ifmap_zeros: expected a share"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_fault_is_one_line_with_its_number(tmp_path, capsys, kind):
    content, message = WRONG[kind]
    (tmp_path / "table.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "x.yaml").write_text(SPEC)
    assert main(["validate", str(tmp_path / "x.yaml")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("zapsim: table.csv: ")
    assert error[:-1].isprintable()
    assert len(error) <= 500


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"table\.csv: no such CSV file"):
        read_table(tmp_path / "a" / "table.csv", [])
