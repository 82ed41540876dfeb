"""Writing files: whole or not at all, and never in place of a device, a pipe, a link or an input."""

import os
import threading

import pytest

from tests.builders import trace_header, write_trace
from zapsim.cli import main
from zapsim.errors import TraceError, ZapsimError
from zapsim.files import check_writable, write_atomically
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
