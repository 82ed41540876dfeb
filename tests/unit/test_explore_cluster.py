"""Explorations on a Dask cluster: the same table, whatever becomes of workers, scheduler and traces."""

import os

import distributed
import pytest

from tests.explore_support import MIXED, KillsOne, Silent, explored, explored_mixed, load, stable
from zapsim.errors import TraceError, ZapsimError
from zapsim.exploration import cluster as cluster_module
from zapsim.exploration import sent_traces, worker
from zapsim.exploration.backends import Task
from zapsim.exploration.cluster import WITHOUT_DASHBOARD, Cluster
from zapsim.exploration.driver import RunOptions


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A space of three arrays, and its results from one process without a folder."""
    folder = tmp_path_factory.mktemp("mixed")
    return explored_mixed(folder)


def test_dask_with_a_killed_worker_gives_the_same_table(mixed, monkeypatch):
    space, _, table = mixed
    watcher = KillsOne()

    class Watched(Cluster):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            watcher.pids = lambda: [one["pid"] for one in self.client.run(lambda: {"pid": os.getpid()}).values()]

    monkeypatch.setattr("zapsim.exploration.cluster.Cluster", Watched)
    summary, found = explored(space, None, RunOptions(workers=2, scheduler="local"), watcher)
    assert watcher.killed
    assert stable(found).equals(table)
    assert "error" not in summary.statuses


def test_a_scheduler_that_goes_ends_the_run_in_a_line(mixed, tmp_path):
    space, _, table = mixed
    folder = tmp_path / "results"
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", **WITHOUT_DASHBOARD
    ) as cluster:

        class Stops(Silent):
            def advance(self, designs):
                cluster.close()

        with pytest.raises(ZapsimError, match="the Dask scheduler has gone; start it again"):
            explored(space, folder, RunOptions(scheduler=cluster.scheduler_address), Stops())
    _, found = explored(space, folder, RunOptions(workers=1))
    assert stable(found).equals(table)


@pytest.mark.parametrize("largest", [2**28, 0])
def test_workers_elsewhere_need_no_shared_path(tmp_path, monkeypatch, largest):
    space = load(tmp_path, **MIXED)
    _, table = explored(space, None)
    (path,) = {workload.path for workload in space.workloads}

    class Elsewhere(Cluster):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            path.rename(path.with_suffix(".moved"))  # as if workers did not see it

    monkeypatch.setattr("zapsim.exploration.cluster.Cluster", Elsewhere)
    monkeypatch.setattr("zapsim.exploration.cluster._LARGEST_SENT", largest)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", **WITHOUT_DASHBOARD
    ) as cluster:
        options = RunOptions(scheduler=cluster.scheduler_address)
        if not largest:
            with pytest.raises(ZapsimError, match=path.name):
                explored(space, None, options)
            return
        _, found = explored(space, None, options)
    assert stable(found).equals(stable(table))
    (kept,) = (tmp_path / "cache" / "zapsim" / "traces").iterdir()
    assert kept.read_bytes() == path.with_suffix(".moved").read_bytes()
    with pytest.raises(ZapsimError, match=path.name):  # what was sent to workers is for them
        explored(space, None)


def test_workers_that_come_later_are_used(mixed, monkeypatch):
    space, _, _ = mixed
    numbers = [space.lattice.number(design) for design in space.lattice.walk()]
    monkeypatch.setattr("zapsim.exploration.cluster._LOOK_SECONDS", 0.0)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", **WITHOUT_DASHBOARD
        ) as cluster,
        Cluster(space, False, cluster.scheduler_address, None) as backend,
    ):
        assert backend.has_room()
        assert backend.workers == 1
        cluster.scale(2)
        cluster.wait_for_workers(2)
        assert backend.has_room()
        assert backend.workers == 2
        first = next(iter(cluster.workers.values()))
        backend.client.retire_workers([first.address])
        backend.submit(Task(tuple(numbers[:2])))
        (finished,) = backend.collect()
        assert [design.number for design in finished.results] == numbers[:2]
    assert not worker._jobs


def test_workers_of_another_version_are_refused(mixed, monkeypatch):
    taken = cluster_module.SendJob.setup

    def setup(plugin, worker):
        plugin._version = "0.0.1"
        taken(plugin, worker)

    monkeypatch.setattr(cluster_module.SendJob, "setup", setup)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", **WITHOUT_DASHBOARD
        ) as cluster,
        pytest.raises(
            ZapsimError, match=r"cannot take part \(a worker has zapsim .*, and this is 0\.0\.1; install the same"
        ),
    ):
        Cluster(mixed[0], False, cluster.scheduler_address, None)
    assert min(sent_traces._sent.values(), default=0) == 0


def test_a_worker_that_cannot_keep_a_trace_says_why(tmp_path, monkeypatch):
    space = load(tmp_path)
    workload = space.workloads[0]
    content = workload.path.read_bytes()
    workload.path.unlink()
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    sent_traces.keep_trace(workload.trace_sha256, content)
    try:
        with pytest.raises(TraceError, match=r"tiny.* no such .*; the one that was sent could not be kept: .*Not a"):
            sent_traces.open_trace(workload)
    finally:
        sent_traces.forget_trace(workload.trace_sha256)


def test_a_damaged_copy_is_replaced_and_few_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sent_traces, "_MOST_KEPT", 2)
    sent_traces.keep_trace("a", b"whole")
    kept = tmp_path / "zapsim" / "traces" / "a.safetensors"
    kept.write_bytes(b"who")
    sent_traces.keep_trace("a", b"whole")
    assert kept.read_bytes() == b"whole"
    os.utime(kept, (1, 1))
    for name in ("b", "c"):
        sent_traces.keep_trace(name, b"another")
    assert sorted(one.stem for one in kept.parent.iterdir()) == ["b", "c"]


def test_nobody_at_the_address(mixed, monkeypatch):
    monkeypatch.setattr("zapsim.exploration.cluster._CONNECT_SECONDS", 0.2)
    with pytest.raises(ZapsimError, match=r"tcp://127.0.0.1:9: no Dask cluster with workers answers"):
        explored(mixed[0], None, RunOptions(scheduler="tcp://127.0.0.1:9"))
