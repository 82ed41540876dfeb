"""Traces for workers on other machines: sent by content, and kept in the cache directory of the worker's user."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path

from zapsim.errors import TraceError
from zapsim.exploration.space import Workload
from zapsim.tracefile.reader import Trace

_MOST_KEPT = 16
"""Traces in a worker's cache; those used longest ago go first."""


def keep_trace(trace_sha256: str, content: bytes) -> None:
    """Keep the file of a trace, unless it is there already; several processes may do so at once."""
    path = _kept(trace_sha256)
    if _is(path, content):
        os.utime(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    os.replace(partial, path)
    by_use = sorted(path.parent.glob("*.safetensors"), key=lambda kept: kept.stat().st_mtime)
    for oldest in by_use[:-_MOST_KEPT]:
        oldest.unlink(missing_ok=True)


def open_trace(workload: Workload) -> Trace:
    """Open the trace of a workload where the space has it, or else the copy that was sent.

    Raises
    ------
    TraceError
        If neither is the trace that the space was made with.
    """
    kept, wanted = _kept(workload.trace_sha256), workload.trace_sha256
    try:
        trace = Trace(workload.path)
        if trace.hash == wanted:
            return trace
        fault = TraceError(f"{workload.path}: is not the trace that the space was made with")
    except TraceError as error:
        fault = error
    if kept.exists() and (trace := Trace(kept)).hash == wanted:
        return trace
    raise fault


def _kept(trace_sha256: str) -> Path:
    return user_cache_path("zapsim") / "traces" / f"{trace_sha256}.safetensors"


def _is(path: Path, content: bytes) -> bool:
    """Tell whether a file has this content."""
    try:
        return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content).digest()
    except OSError:
        return False
