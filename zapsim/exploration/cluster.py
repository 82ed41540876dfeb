"""Designs evaluated on a Dask cluster: one that runs somewhere, or one of processes on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import dask
import distributed
from distributed.comm.core import CommClosedError

from zapsim.errors import ZapsimError
from zapsim.exploration.backends import Finished, Task, cores
from zapsim.exploration.sent_traces import forget_trace, keep_trace
from zapsim.exploration.space import Space
from zapsim.exploration.worker import Job, evaluate_job

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


class SendTrace(distributed.WorkerPlugin):
    """Gives a trace to every worker, also to those that come later; it passes the scheduler once for each."""

    def __init__(self, trace_sha256: str, content: bytes) -> None:
        self._trace_sha256, self._content = trace_sha256, content

    def setup(self, worker: object) -> None:
        """Keep the trace on the worker's machine."""
        keep_trace(self._trace_sha256, self._content)

    def teardown(self, worker: object) -> None:
        """Leave the copy for later explorations; those that did not send it do not see it."""
        forget_trace(self._trace_sha256)


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
        If no scheduler answers at the address, or if it has no worker.
    """

    def __init__(self, space: Space, with_layers: bool, scheduler: str, workers: int | None) -> None:
        self._job = Job(space, with_layers)
        self._scheduler = scheduler
        self._open = ExitStack()
        self._sent: list[str] = []
        self._flying: dict[distributed.Future[Any], Task] = {}
        # Dask logs a traceback for each connection that is lost, which is said in a line here.
        log = logging.getLogger("distributed.client")
        self._open.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        if scheduler == LOCAL:
            self._open.enter_context(dask.config.set(_LOCAL_SETTINGS))
            local = distributed.LocalCluster(
                n_workers=workers or cores(), threads_per_worker=1, processes=True, **WITHOUT_DASHBOARD
            )
            self.client = self._open.enter_context(distributed.Client(self._open.enter_context(local)))
        else:
            try:
                self.client = self._open.enter_context(distributed.Client(scheduler, timeout=_CONNECT_SECONDS))
                self.client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except (OSError, TimeoutError, ValueError) as error:
                self._open.close()
                raise ZapsimError(f"{scheduler}: no Dask cluster with workers answers ({_first_line(error)})") from None
            self._send_traces(space)
        self.workers: int = sum(self.client.nthreads().values())
        self._most = 2 * self.workers

    def _send_traces(self, space: Space) -> None:
        """Give the traces to all workers of this exploration."""
        for trace_sha256, path in {workload.trace_sha256: workload.path for workload in space.workloads}.items():
            if path.stat().st_size <= _LARGEST_SENT:
                name = f"zapsim-{self._job.name}-{trace_sha256}"
                self.client.register_plugin(SendTrace(trace_sha256, path.read_bytes()), name=name)
                self._sent.append(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.cancel(list(self._flying))
        with suppress(OSError, TimeoutError):  # the scheduler may be gone
            for name in self._sent:
                self.client.unregister_worker_plugin(name)
        self._open.close()

    def has_room(self) -> bool:
        """Tell whether another task would keep a worker busy."""
        return len(self._flying) < self._most

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._flying[self.client.submit(evaluate_job, self._job, task.numbers, pure=False)] = task

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
            finished = distributed.wait(list(self._flying), return_when="FIRST_COMPLETED").done
            ended = []
            for future in finished:
                task = self._flying.pop(future)
                lost = isinstance(future.exception(), distributed.KilledWorker)
                ended.append(Finished(task, None if lost else future.result()))
        except (CancelledError, CommClosedError):  # Dask cancels what it loses sight of
            self._flying.clear()
            raise ZapsimError(
                f"{self._scheduler}: the Dask scheduler has gone; start it again, and the same command continues from "
                "the designs that are on disk"
            ) from None
        return ended


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
