"""Writing files: whole or not at all, and never in place of a device, a pipe, a link or an input."""

import os
import threading
from pathlib import Path

import pytest

from tests.builders import trace_header, write_trace
from zapsim.cli import main
from zapsim.errors import TraceError, ZapsimError
from zapsim.files import check_writable, process_start, write_atomically
from zapsim.tracefile.writer import TraceWriter


def test_files_are_replaced_whole(tmp_path):
    path = tmp_path / "result.csv"
    write_atomically(path, "a µ\n")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["result.csv"]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.csv"
    path.write_text("old")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zapsim.files.os.replace", full)
    with pytest.raises(ZapsimError) as caught:
        write_atomically(path, "new")
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.csv"]


def test_paths_that_cannot_be_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for path, fault in (
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "x.csv", f"there is no directory {tmp_path / 'none'}"),
        (tmp_path / "file" / "x.csv", f"there is no directory {tmp_path / 'file'}"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ZapsimError) as caught:
            write_atomically(path, "text")
        assert str(caught.value) == f"{path}: cannot be written ({fault})"
    for name in (".", ".."):
        with pytest.raises(ZapsimError, match="is a directory"):
            write_atomically(type(tmp_path)(name), "text")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    """/dev/stdout and /dev/null must stay, too: a rename would replace them for everybody."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, "text")
    reader.join(timeout=10)
    assert got == [b"text"]
    assert pipe.is_fifo()
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_a_trace_is_not_written_to_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TraceError, match="cannot be written"), TraceWriter(pipe, trace_header()):
        pass
    assert pipe.is_fifo()


def test_links_are_followed(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "result", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    write_trace(link)
    assert link.is_symlink()
    assert target.read_bytes() == write_trace(tmp_path / "trace").read_bytes()


def test_directories_are_made_on_demand(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    with pytest.raises(ZapsimError, match="there is no directory"):
        write_atomically(path, "text")
    write_atomically(path, "text", parents=True)
    assert path.read_text() == "text"
    with pytest.raises(ZapsimError, match="cannot be written"):
        write_atomically(path / "c", "text", parents=True)


def test_inputs_are_not_overwritten(tmp_path, capsys):
    trace = write_trace(tmp_path / "trace")
    before = trace.read_bytes()
    for out in (trace, tmp_path / "." / "trace"):
        assert main(["run", "--arch", "eyeriss", "--trace", str(trace), "--out", str(out)]) == 2
        assert capsys.readouterr().err.endswith("cannot be written (it is read in the same run)\n")
    assert trace.read_bytes() == before
    check_writable(tmp_path / "new", (trace, tmp_path / "none"))


def test_permission_is_checked_before_the_work(tmp_path, monkeypatch):
    closed = {tmp_path / "closed"}
    (tmp_path / "closed").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "closed" / "file")
    monkeypatch.setattr("zapsim.files.os.access", lambda path, _mode: path not in closed)
    check_writable(tmp_path / "file")
    for path in (tmp_path / "closed" / "file", tmp_path / "link"):
        with pytest.raises(ZapsimError) as caught:
            check_writable(path)
        assert str(caught.value) == f"{path}: cannot be written (Permission denied)"


def test_leftovers_of_dead_processes_are_removed_and_those_of_living_ones_stay(tmp_path):
    """A process number may be used again; then the start of the process tells that it is another one."""
    own, start = os.getpid(), process_start(os.getpid())
    living, reused, dead, foreign = (
        tmp_path / name for name in (f".a.{own}-{start}.part", f".a.{own}-1.part", ".a.999999999-5.part", ".a.part")
    )
    for path in (living, reused, dead, foreign):
        path.write_text("half")
    write_atomically(tmp_path / "b", "whole")
    left = {living, foreign, tmp_path / "b"} | ({reused} if start is None else set())
    assert set(tmp_path.iterdir()) == left


def test_names_that_are_no_text_are_written_as_escapes(tmp_path):
    write_atomically(tmp_path / "a.json", '"a\udcff"')
    assert (tmp_path / "a.json").read_bytes() == b'"a\\udcff"'


@pytest.mark.parametrize("command", ["train", "tune", "trace", "eval"])
def test_no_command_overwrites_what_it_reads(tmp_path, monkeypatch, capsys, command):
    """By the path itself, another spelling, a hard link or a symbolic one; nor one result another."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.npz").write_bytes(b"input")
    os.link("in.npz", "hard")
    (tmp_path / "soft").symlink_to("in.npz")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"picture")
    more = [] if command == "train" else ["--predictors", "in.npz"]
    for out in ("in.npz", "./in.npz", str(tmp_path / "in.npz"), "hard", "soft", "photos/a.png"):
        given = ["--network", "n:f", "--images", "in.npz", "photos", "--out", out, *more]
        assert main([command, *given]) == 2
        assert capsys.readouterr().err == f"zapsim: {Path(out)}: cannot be written (it is read in the same run)\n"
    assert (tmp_path / "in.npz").read_bytes() == b"input"
    assert main(["run", "--arch", "eyeriss", "--out", "r", "--timeline", "./r"]) == 2
    assert capsys.readouterr().err == "zapsim: r: cannot be written (two results would go there)\n"


def test_the_base_of_an_architecture_is_an_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below.yaml").write_text("base: eyeriss\n")
    (tmp_path / "top.yaml").write_text("base: below.yaml\n")
    assert main(["run", "--arch", "top.yaml", "--out", "below.yaml"]) == 2
    assert capsys.readouterr().err == "zapsim: below.yaml: cannot be written (it is read in the same run)\n"
