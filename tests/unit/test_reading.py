"""The door for everything that is read: regular files, bounded text, YAML and JSON as people mean them."""

import json
import os
import re
import zipfile

import numpy as np
import pytest

from zapsim.errors import ConfigError, TraceError, WorkloadError, ZapsimError
from zapsim.reading.archive import read_arrays
from zapsim.reading.json_text import parse_json
from zapsim.reading.regular_file import check_regular, read_regular
from zapsim.reading.text import LONGEST_LINE, one_line
from zapsim.reading.yaml_text import read_mapping, read_value
from zapsim.tracefile.dense import DenseTrace
from zapsim.workload import ConvShape, Workload


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(2**40)  # holds nothing, but says that it has a tebibyte
    for path, fault in (
        (pipe, "is a pipe, a socket or a device, expected a regular trace file"),
        ("/dev/zero", "is a pipe, a socket or a device, expected a regular trace file"),
        (tmp_path, "is a folder, expected a regular trace file"),
        (tmp_path / "none", "no such trace file"),
        (tmp_path / ("x" * 300), "cannot be read (File name too long)"),
        (large, "has 1,099,511,627,776 bytes; a trace file has at most 1,000"),
    ):
        with pytest.raises(TraceError) as caught:
            check_regular(type(tmp_path)(path), 1000, "trace", TraceError)
        assert str(caught.value) == f"{path}: {fault}"
    (tmp_path / "file").write_bytes(b"abc")
    assert read_regular(tmp_path / "file", 3, "trace") == b"abc"


def test_a_name_is_one_printable_line():
    assert one_line("ReLU6 → µ") == "ReLU6 → µ"
    for text in ("a\nb", "\x1b[2J", "a\u202eb", "x" * (LONGEST_LINE + 1)):
        with pytest.raises(ValueError, match="must"):
            one_line(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 0x10", "YAML 1.1 reads '0x10' as 16; write 16 in decimal, or in quotes as text"),
        ("a: -0b11", "YAML 1.1 reads '-0b11' as -3; write -3 in decimal, or in quotes as text"),
        ("a: 1:30.5", "expected a finite number in decimal, got '1:30.5' (in quotes if it is text)"),
        ("a: 1.0e+999", "expected a finite number in decimal, got '1.0e+999' (in quotes if it is text)"),
        ("a: off", "YAML 1.1 reads 'off' as false; write false, a number, or in quotes as text"),
        ("a: !!binary x", "tags (tag:yaml.org,2002:binary) are not read; write the value as it is"),
        ('a: "\\e[31m"', r"text must be printable, got '\x1b[31m'"),
        (f"a: {'x' * 20_001}", "text of 20,001 characters; at most 20,000 are read"),
    ],
)
def test_surprises_of_yaml_are_refused_with_what_is_meant(tmp_path, text, fault):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_mapping(tmp_path / "a.yaml")
    assert str(caught.value) == f"a.yaml: line 1, column 4: {fault}"


def test_plain_values_of_yaml_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [1, -2, 1_000, 0.5, .5, true, False, ~, '010', x]\nb: >\n  two\n  lines\n")
    assert read_mapping(tmp_path / "a.yaml") == {
        "a": [1, -2, 1000, 0.5, 0.5, True, False, None, "010", "x"],
        "b": "two lines\n",
    }
    assert read_value("[a, 2]") == ["a", 2]


def test_the_size_of_yaml_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("zapsim.reading.yaml_text._MOST_NODES", 100)
    path = tmp_path / "a.yaml"
    for text, fault in (
        ("a: " + "[" * 2000, "nested too deeply"),
        ("a: [" + "1," * 101 + "1]", "more than 100 values"),
        ("a: &a [1]\nb: *a", "this section is used again by an alias"),
        ("a: 1\n" + "#" * 2**20, "has 1,048,581 bytes"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=fault):
            read_mapping(path)
    with pytest.raises(ValueError, match="is not one YAML value"):
        read_value("[" * 2000)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("NaN", "expected a finite number, got NaN"),
        ("[1e999]", "expected a finite number, got '1e999'"),
        ("1" * 30, "a number of 30 digits is out of range"),
        ('{"a": 1, "a": 2}', "key 'a' comes twice"),
        ('{"a\\u001b": 1}', r"text must be one printable line, got 'a\x1b'"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("[1,", "Expecting value: line 1 column 4 (char 3)"),
    ],
)
def test_json_is_bounded(text, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        parse_json(text)


def test_json_of_a_result_is_read_as_it_is():
    tree = {"a": [1, 2.5, None, True, "µ"], "b": {}}
    assert parse_json(json.dumps(tree)) == tree


def test_an_archive_takes_no_more_memory_than_it_says(tmp_path):
    """The header of a member promises more than is there, is no header at all, or is of Python objects."""
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }"
    for content, fault in (
        (header % 2**40, "the file has"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': ", "array 'x': not an npz file of plain arrays"),
        (b"\x93NUMPY\x03\x00", "version 3.0 of numpy's format is not read"),
    ):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", content.ljust(10 + 118, b" ") + b"123")
        with pytest.raises(ZapsimError, match=fault):
            read_arrays(tmp_path / "a.npz", ("x",), "npz", ZapsimError)
    np.savez(tmp_path / "b.npz", x=np.arange(6).reshape(2, 3), y=np.array([None]))
    assert read_arrays(tmp_path / "b.npz", ("x",), "npz", ZapsimError)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ZapsimError, match="an array of type object is not read"):
        read_arrays(tmp_path / "b.npz", ("y",), "npz", ZapsimError)


@pytest.mark.parametrize(
    ("dims", "fault"),
    [
        ({"K": 2**40}, "K: 1,099,511,627,776 is over 1,048,576"),
        ({"padding": (2**24, 0, 0, 0)}, "padding: 16,777,216 is over 65,536"),
        ({"stride": (2**40, 1)}, "stride: 1,099,511,627,776 is over 65,536"),
        ({"H": 2**20, "W": 2**20}, "pixels of the padded ifmap: 1,099,511,627,776 is over 67,108,864"),
        ({"H": 2**13, "W": 2**13, "K": 2**18}, "outputs: 17,592,186,044,416 is over 2,199,023,255,552"),
    ],
)
def test_a_layer_has_bounds_that_memory_follows_from(dims, fault):
    sizes = {"C": 1, "H": 1, "W": 1, "K": 1, "R": 1, "S": 1, **dims}
    with pytest.raises(WorkloadError) as caught:
        ConvShape("l", **sizes)
    assert fault in str(caught.value)


def test_maps_that_take_too_much_memory_are_refused_before_it_is_taken():
    layer = ConvShape("l", C=2**20, H=2**10, W=2**10, K=1, R=1, S=1)
    with pytest.raises(TraceError, match="layer l: a map of 1,099,511,627,776 values is over 34,359,738,368"):
        DenseTrace(Workload("w", (layer,)))
