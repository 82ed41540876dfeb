"""Traces for workers on other machines: sent by content, and kept in the cache directory of the worker's user."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Lock

from platformdirs import user_cache_path

from zapsim.errors import TraceError, ZapsimError
from zapsim.exploration.space import Workload
from zapsim.files import write_atomically
from zapsim.tracefile.reader import Trace

_MOST_KEPT = 16
"""Traces in a worker's cache; those used longest ago go first."""

_sent: Counter[str] = Counter()
"""How many explorations have sent a trace to this process; only such a trace may stand in for a file."""

_not_kept: dict[str, str] = {}
"""Why a trace that was sent could not be kept."""

_keeping = Lock()
"""Workers may be threads of one process."""


def keep_trace(trace_sha256: str, content: bytes) -> None:
    """Keep the file of a trace for this process, unless it is there already; several processes may do so at once."""
    path = _kept(trace_sha256)
    with _keeping:
        _sent[trace_sha256] += 1
        if _is(path, content):
            with suppress(OSError):
                os.utime(path)
            return
        try:
            write_atomically(path, content, parents=True)
        except ZapsimError as error:
            _not_kept[trace_sha256] = str(error)
            return
        for oldest in sorted(path.parent.glob("*.safetensors"), key=_last_used)[:-_MOST_KEPT]:
            with suppress(OSError):
                oldest.unlink(missing_ok=True)


def forget_trace(trace_sha256: str) -> None:
    """Say that an exploration which sent a trace has ended; the kept file stays for the next one."""
    with _keeping:
        _sent[trace_sha256] -= 1


def open_trace(workload: Workload) -> Trace:
    """Open the trace of a workload where the space has it, or else the copy that this process was sent.

    Raises
    ------
    TraceError
        If neither is the trace that the space was made with.
    """
    wanted = workload.trace_sha256
    try:
        trace = Trace(workload.path)
        if trace.hash == wanted:
            return trace
        fault = f"{workload.path}: is not the trace that the space was made with"
    except TraceError as error:
        fault = str(error)
    if _sent[wanted] > 0:
        with suppress(TraceError):
            trace = Trace(_kept(wanted))
            if trace.hash == wanted:
                return trace
        if wanted in _not_kept:
            fault += f"; the one that was sent could not be kept: {_not_kept[wanted]}"
    raise TraceError(fault)


def _kept(trace_sha256: str) -> Path:
    return user_cache_path("zapsim") / "traces" / f"{trace_sha256}.safetensors"


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has deleted it
        return 0.0


def _is(path: Path, content: bytes) -> bool:
    """Tell whether a file has this content."""
    try:
        return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content).digest()
    except OSError:
        return False
