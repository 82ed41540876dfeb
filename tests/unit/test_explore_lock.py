"""One writer per results folder, and what killed ones leave."""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.explore_support import load
from zapsim.errors import ZapsimError
from zapsim.exploration.driver import RunOptions, run_space
from zapsim.exploration.lock import LOCK, OWNER, one_writer
from zapsim.exploration.pareto import load_front
from zapsim.exploration.store import DESIGNS, read_table

HOLDER = """
import sys, time
from pathlib import Path
from zapsim.exploration.lock import one_writer
with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


class Silent:
    def start(self, known, most):
        """Nothing is shown."""

    def advance(self, designs):
        """Nothing is shown."""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    folder = tmp_path / "results"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(ZapsimError) as caught, one_writer(folder):
                pass
            assert f"process {holder.pid} on " in str(caught.value)
            assert "wait until it ends, or choose another folder" in str(caught.value)
        finally:
            holder.kill()
            holder.wait()
    leftover = folder / f".part-00000001.parquet.{holder.pid}-1.part"
    leftover.write_bytes(b"half")
    with one_writer(folder):
        assert json.loads((folder / OWNER).read_text())["pid"] == os.getpid()
        assert not leftover.exists()
    assert [path.name for path in folder.iterdir()] == [LOCK]


def test_a_folder_of_another_machine_is_refused_while_its_note_is_fresh(tmp_path):
    note = tmp_path / OWNER
    note.write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "today"}))
    with pytest.raises(ZapsimError, match="process 1 on elsewhere is writing to it since today"), one_writer(tmp_path):
        pass
    os.utime(note, (0, 0))
    with one_writer(tmp_path):
        pass


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """Return a folder of results, and the only file of their table."""
    folder = tmp_path_factory.mktemp("explored")
    run_space(load(folder, parameters={"array.rows": [6, 9]}), folder / "out", RunOptions(workers=1), Silent())
    (part,) = (folder / "out" / DESIGNS).iterdir()
    return folder / "out", part


def test_damaged_results_are_refused_by_name(explored, tmp_path):
    folder, part = explored
    whole, table = part.read_bytes(), pq.read_table(part)
    latency = next(name for name in table.column_names if name.endswith("_ms"))
    texts = pa.array(["slow"] * len(table))
    faults = {
        "part-00000009.parquet": (b"", "cannot be read"),
        "part-²³.parquet": (whole, "not a file of these results"),
        "part-00000007.parquet": (table.drop_columns(["status"]), "column 'status' is not there"),
        "part-00000006.parquet": (table.drop_columns(["design"]), "column 'design' is not there"),
        "part-00000005.parquet": (
            table.set_column(table.column_names.index(latency), latency, texts), f"column '{latency}' must be double"
        ),
        "part-00000004.parquet": (table.append_column("more", texts), "has other columns than"),
        "part-00000003.parquet": (whole[:-9], "cannot be read"),
    }  # fmt: skip
    for name, (content, fault) in faults.items():
        place = folder / DESIGNS / name
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            pq.write_table(content, place)
        try:
            for read in (lambda: load_front(folder), lambda: read_table(folder, DESIGNS, ["design"])):
                with pytest.raises(ZapsimError) as caught:
                    read()
                assert fault in str(caught.value)
                assert name in str(caught.value) or part.name in str(caught.value)
        finally:
            place.unlink()
    with pytest.raises(ZapsimError, match="'arch': is text, expected one of the columns of numbers"):
        load_front(folder, ["arch"])


def test_a_manifest_that_is_not_whole_is_refused(explored):
    folder, _ = explored
    path = folder / "exploration.json"
    before = path.read_text()
    try:
        for key in ("name", "objectives", "parameters", "quality_notes", "source"):
            path.write_text(json.dumps({k: v for k, v in json.loads(before).items() if k != key}))
            with pytest.raises(ZapsimError, match=f"exploration.json: not a whole manifest: {key}: field required"):
                load_front(folder)
    finally:
        path.write_text(before)
