"""The command line in every weather: closed or full streams, any encoding, odd names, signals, absurd options."""

import json
import subprocess
import sys

import pytest

LINES = {
    "stdout full": "zapsim: stdout: cannot be written (No space left on device)",
    "help full": "zapsim: stdout: cannot be written (No space left on device)",
    "stdout closed": "zapsim: stdout: cannot be written (it is closed)",
    "no folder": "zapsim: the working directory is gone; change to another one",
    "not UTF-8": "caf\\udce9.yaml",
    "long name": "tpu_128x128",
    "long name, written": "cannot be written (File name too long)",
    "control characters": "has control characters; give files plain names",
    "seed": "expected a whole number from 0 to 4,294,967,295, got '-1'",
    "rate": "expected a number of at most 1e+06, got '1e300'",
    "workers": "expected a whole number from 1 to 1,024, got '99999'",
    "channel": "expected a whole number from 0 to 1,000,000, got '-1'",
    "cycles": "expected a whole number from 0 to 9,007,199,254,740,992, got '-5'",
}
"""What the one line says, of those that end with code 2."""

SILENT = ("stdout not read", "help not read", "stderr full", "stderr closed", "stderr not read", "both closed")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run all conditions in one process and its forks."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.weather", str(tmp_path_factory.mktemp("weather"))],
        stdout=subprocess.PIPE, check=True, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", LINES)
def test_one_line_says_what_is_wrong(outcomes, name):
    end = outcomes[name]
    assert (end["code"], end["out"]) == (2, "")
    assert LINES[name] in end["err"]
    assert len(end["err"].splitlines()[-1:]) == 1
    assert "Traceback" not in end["err"]
    assert max(map(len, end["err"].splitlines())) < 1000


def test_lost_streams_change_the_exit_code_only_where_results_are_lost(outcomes):
    expected = outcomes["as ever"]
    assert expected["code"] == 0
    assert "eyeriss" in expected["out"]
    assert {name: outcomes[name]["code"] for name in SILENT} == {
        "stdout not read": 0, "help not read": 0, "stderr full": 2, "stderr closed": 0, "stderr not read": 2,
        "both closed": 2,
    }  # fmt: skip
    assert outcomes["stderr closed"]["out"] == expected["out"]
    assert [name for name in SILENT if outcomes[name]["err"]] == []


def test_names_that_are_no_text_are_written(outcomes):
    assert outcomes["not UTF-8, written"]["code"] == 0
    assert "caf\\udce9.yaml" in outcomes["files"]


def test_narrow_terminals_get_the_whole_table(outcomes):
    assert outcomes["narrow"]["code"] == 0
    assert "eyeriss" in outcomes["narrow"]["out"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_tables_are_written_plainer_where_the_encoding_lacks_characters(outcomes, encoding):
    end = outcomes[encoding]
    assert (end["code"], end["err"]) == (0, "")
    assert "mm2" in end["out"] if encoding == "ascii" else "mm²" in end["out"]


def test_signals_end_a_command_under_work_and_leave_nothing_half_written(outcomes):
    assert (outcomes["interrupted"]["code"], outcomes["interrupted"]["err"]) == (130, "zapsim: interrupted\n")
    assert (outcomes["terminated"]["code"], outcomes["terminated"]["err"]) == (143, "zapsim: terminated\n")
    assert [name for name in outcomes["files"] if name.endswith(".part")] == []
