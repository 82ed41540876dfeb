"""Designs evaluated on a Dask cluster: one that runs somewhere, or one of processes on this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import dask
import distributed
from distributed.comm.core import CommClosedError

from zapsim.errors import ZapsimError
from zapsim.exploration.backends import QUICK_START, Finished, Task, cores
from zapsim.exploration.sent_traces import forget_trace, keep_trace
from zapsim.exploration.space import Space
from zapsim.exploration.worker import Job, drop_job, evaluate_job, take_job
from zapsim.version import __version__

LOCAL = "local"
"""Stands for a cluster on this machine instead of an address."""

_LOCAL_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # the driver retries, each design alone
    "distributed.scheduler.worker-saturation": 1.0,  # so that a dying worker takes one task with it
}

_CONNECT_SECONDS = 30

WITHOUT_DASHBOARD: dict[str, Any] = {"dashboard_address": ":0", "scheduler_kwargs": {"dashboard": False}}
"""Options of a local cluster that shows nothing; without an address, all ask for the same port, and Dask warns."""


_LARGEST_SENT = 2**28
"""Bytes of a trace that the scheduler hands to workers; larger ones they read from the path that this process uses."""


_TASKS_PER_WORKER = 2
"""One that it works on, and the next, so that it need not wait."""

_LOOK_SECONDS = 5.0
"""How often new workers are looked for."""


class SendJob(distributed.WorkerPlugin):
    """Gives a job and its traces to every worker, once, also to those that come later; tasks then only name it."""

    def __init__(self, job: Job, traces: dict[str, bytes]) -> None:
        self._job, self._traces, self._version = job, traces, __version__
        self._is_set_up = False

    def setup(self, worker: object) -> None:
        """Keep the traces on the worker's machine, and the job in its memory.

        Raises
        ------
        ZapsimError
            If the worker has another version.
        """
        if self._version != __version__:
            raise ZapsimError(
                f"a worker has zapsim {__version__}, and this is {self._version}; install the same on both"
            )
        for trace_sha256, content in self._traces.items():
            keep_trace(trace_sha256, content)
        take_job(self._job)
        self._is_set_up = True

    def teardown(self, worker: object) -> None:
        """Leave the traces for later explorations; those that did not send them do not see them."""
        if not self._is_set_up:  # Dask calls this, too, where setting up has failed
            return
        drop_job(self._job.name)
        for trace_sha256 in self._traces:
            forget_trace(trace_sha256)


class Cluster(AbstractContextManager["Cluster"]):
    """Evaluates on the workers of a Dask scheduler.

    Workers elsewhere get the traces through the scheduler, and keep them by content.

    Parameters
    ----------
    space, with_layers
        The space, and whether the metrics of every layer are kept.
    scheduler
        Its address, or :data:`LOCAL`.
    workers
        Processes of a local cluster (None: one per core).

    Raises
    ------
    ZapsimError
        If no scheduler answers at the address, or if it has no worker, or one without this version of zapsim.
    """

    def __init__(self, space: Space, with_layers: bool, scheduler: str, workers: int | None) -> None:
        self._job = Job(space, with_layers)
        self._scheduler = scheduler
        self._open = ExitStack()
        self._flying: dict[distributed.Future[Any], Task] = {}
        # Dask logs a traceback for each connection that is lost, which is said in a line here.
        log = logging.getLogger("distributed.client")
        self._open.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        traces: dict[str, bytes] = {}
        if scheduler == LOCAL:
            self._open.enter_context(dask.config.set(_LOCAL_SETTINGS))
            local = distributed.LocalCluster(
                n_workers=workers or cores(),
                threads_per_worker=1,
                processes=True,
                preload=[QUICK_START],
                **WITHOUT_DASHBOARD,
            )
            self.client = self._open.enter_context(distributed.Client(self._open.enter_context(local)))
        else:
            try:
                self.client = self._open.enter_context(distributed.Client(scheduler, timeout=_CONNECT_SECONDS))
                self.client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except (OSError, TimeoutError, ValueError) as error:
                self._open.close()
                raise ZapsimError(f"{scheduler}: no Dask cluster with workers answers ({_first_line(error)})") from None
            traces = _sendable(space)
        try:
            self.client.register_plugin(SendJob(self._job, traces), name=self._job.name)
        except Exception as error:  # whatever is amiss with a worker: no zapsim, another one
            self._open.close()
            raise ZapsimError(f"{scheduler}: workers cannot take part ({_first_line(error)})") from None
        self._finished = distributed.as_completed(loop=self.client.loop)
        self._look_for_workers()

    def _look_for_workers(self) -> None:
        self.workers: int = max(1, sum(self.client.nthreads().values()))
        self._looked = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.cancel(list(self._flying))
        with suppress(OSError, TimeoutError):  # the scheduler may be gone
            self.client.unregister_worker_plugin(self._job.name)
        self._open.close()

    def has_room(self) -> bool:
        """Tell whether another task would keep a worker busy."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            with suppress(OSError, TimeoutError):  # the scheduler may be gone, which collecting says
                self._look_for_workers()
        return len(self._flying) < _TASKS_PER_WORKER * self.workers

    def submit(self, task: Task) -> None:
        """Take a task."""
        future = self.client.submit(evaluate_job, self._job.name, task.numbers, pure=False)
        self._flying[future] = task
        self._finished.add(future)

    def collect(self) -> Iterable[Finished]:
        """Wait until at least one task has ended; if its worker died, its results are lost.

        Raises
        ------
        ZapsimError
            If the scheduler is gone.
        """
        if not self._flying:
            return []
        try:
            ended = []
            for future in self._finished.next_batch():
                task = self._flying.pop(future)
                lost = isinstance(future.exception(), distributed.KilledWorker)
                ended.append(Finished(task, None if lost else future.result().evaluations))
        except (CancelledError, CommClosedError):  # Dask cancels what it loses sight of
            self._flying.clear()
            raise ZapsimError(
                f"{self._scheduler}: the Dask scheduler has gone; start it again, and the same command continues from "
                "the designs that are on disk"
            ) from None
        return ended


def _sendable(space: Space) -> dict[str, bytes]:
    """Return the content of the traces that the scheduler hands to workers, by hash."""
    traces = {workload.trace_sha256: workload.path for workload in space.workloads}
    return {key: path.read_bytes() for key, path in traces.items() if path.stat().st_size <= _LARGEST_SENT}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
