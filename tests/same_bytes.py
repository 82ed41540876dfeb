"""``python -m tests.same_bytes``: digests of results, which must be the same in every process, Python and weather.

Runs a small trace on shipped architectures under several policies, and prints the SHA-256 of each JSON result (without
the versions of Python and libraries in it) as one line of JSON. Compare the lines of two processes: other hash seeds,
numbers of threads, versions of Python, kernels interpreted instead of compiled.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from tests.explore_support import labelled_trace
from zapsim.arch.load import load_arch
from zapsim.arch.policy import preset
from zapsim.errors import ZapsimError
from zapsim.report.formats import render
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

ARCHS = ("eyeriss", "eyeriss_zap", "systolic_16x16", "tpu_128x128", "lanes_256", "snapea", "cnvlutin_like")
POLICIES = ("dense", "zap", "zap-gate", "skip-input")


def digests() -> dict[str, str]:
    """Run every architecture under every policy that it serves; return the digest of each result."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        trace = Trace(labelled_trace(Path(folder) / "tiny.safetensors"))
        for name in ARCHS:
            arch = load_arch(name)
            for policy in POLICIES:
                try:
                    result = json.loads(render(simulate(arch, trace, preset(policy, arch.inputs)), "json"))
                except ZapsimError as error:
                    found[f"{name}, {policy}"] = type(error).__name__
                    continue
                del result["provenance"]  # versions of Python and libraries
                text = json.dumps(result)
                found[f"{name}, {policy}"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


if __name__ == "__main__":
    json.dump(digests(), sys.stdout)
    print()
