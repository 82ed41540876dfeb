"""Build the archive of machine code that comes with zapsim: ``python -m tests.machine_code``.

The shipped architectures run, and are explored, in a process of its own, which compiles for the processors that the
archive is for. What it keeps is what the archive holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from ast import literal_eval
from importlib import import_module
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from zapsim.kernels._ahead import ARCHIVE, FEATURES, PROCESSOR, member
from zapsim.kernels._cache import read_sealed
from zapsim.kernels._machine_code import Code
from zapsim.shipped import shipped_names

_RUN = """
import contextlib, io, sys
from zapsim.cli import main
from zapsim.kernels import _jit, _machine_code
_machine_code.shipped_code = lambda *_: None
_jit._without_numba = True
for arguments in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(arguments.split())
    if status:
        sys.exit(f"zapsim {arguments} failed: {said.getvalue()}")
"""

_SPACE = """
arch: {arch}
trace: digits_cnn
images: [0]
policy: [zap, gate-input, zap-gate, oracle]
set: {{inputs: gate}}
objectives: [latency, energy, speedup]
parameters:
  predictor.lanes: [4, 9]
"""

_BY_ARCH = {
    "eyeriss": "  array.mapping.objective: [latency, energy]\n  predictor.granularity: [layer, tile]\n",
    "lanes_256": "  predictor.granularity: [layer, tile]\n",
    "systolic_16x16": "  array.count: [1, 4]\n"
    "  array.dataflow: [weight-stationary, output-stationary, input-stationary]\n",
}

_DATE = 1980, 1, 1, 0, 0, 0
"""Of all members: the earliest that an archive can have."""


def runs(folder: Path) -> list[str]:
    """List what is run: each architecture on a large network and on a small one, a timeline, and explorations.

    Files are put in `folder`.
    """
    archs = shipped_names("arch_configs", ".yaml")
    spaces = [_SPACE.format(arch=arch) + _BY_ARCH.get(arch, "") for arch in archs]
    for number, space in enumerate(spaces):
        (folder / f"{number}.yaml").write_text(space, encoding="utf-8")
    return [
        *(f"run --quiet --arch {arch} {more}" for arch in archs for more in ("", "--trace digits_cnn")),
        f"run --quiet --arch eyeriss --trace digits_cnn --timeline {folder / 'timeline.json'}",
        *(
            f"explore {folder / str(number)}.yaml --out {folder / str(number)} --workers 1"
            for number in range(len(archs))
        ),
    ]


def collected(folder: Path) -> dict[str, bytes]:
    """Gather the machine code that a process has kept, by the name of its member."""
    members = {}
    for path in sorted(folder.glob("*.kernel")):
        code = Code.from_bytes(read_sealed(path) or b"")
        name, kinds, *_ = literal_eval(code.key)
        members[member(name, kinds, source_of(name))] = code._replace(key=repr((name, kinds))).to_bytes()
    return members


def source_of(kernel: str) -> Path:
    """Return the file of a kernel."""
    return Path(import_module(kernel.rpartition(".")[0]).__file__ or "")


def archive_of(members: dict[str, bytes]) -> bytes:
    """Pack members into an archive, the same for the same members."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.comment = f"for {PROCESSOR}, by numba {version('numba')} and llvmlite {version('llvmlite')}".encode()
        for name, content in sorted(members.items()):
            archive.writestr(ZipInfo(name, _DATE), content, ZIP_DEFLATED, 9)
    return file.getvalue()


def main() -> None:
    """Rebuild the archive."""
    with TemporaryDirectory() as cache:
        settings = {
            "PYTHONHASHSEED": "0",  # Numba names things in the order of sets
            "NUMBA_CACHE_DIR": cache,
            "NUMBA_CPU_NAME": PROCESSOR,
            "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in FEATURES),
        }
        subprocess.run([sys.executable, "-c", _RUN, *runs(Path(cache))], env=os.environ | settings, check=True)
        members = collected(Path(cache) / "direct")
    ARCHIVE.write_bytes(archive_of(members))
    print(f"{ARCHIVE}: {len(members)} kernels, {ARCHIVE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
