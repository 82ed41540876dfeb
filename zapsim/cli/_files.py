"""The one check of all commands that no output is an input, nor another output."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from zapsim.errors import ZapsimError, printable
from zapsim.files import is_same_file
from zapsim.shipped import Folder, find_file

OUTPUTS = frozenset({"out", "out_predictors", "checkpoint", "csv", "plot", "timeline", "report", "bundle"})
"""Names of the options that name files to write; every other argument that names a file names an input."""

_SHIPPED: tuple[tuple[Folder, str], ...] = (
    ("arch_configs", ".yaml"), ("validation", ".yaml"), ("traces", ".safetensors"), ("examples", ".yaml"),
)  # fmt: skip
"""Folders whose files can be named as inputs, and how their names end."""

_MOST_BASES = 20


def check_files(args: argparse.Namespace) -> None:
    """Refuse arguments by which a command would overwrite what it reads, or one result another.

    Raises
    ------
    ZapsimError
        If an output is an input, lies in a folder of inputs and exists, or is another output: by the same path, another
        spelling of it, a link, or letters of another case where the file system does not tell them apart.
    """
    outputs = [path for name, value in vars(args).items() if name in OUTPUTS for path in _paths(value)]
    if getattr(args, "checkpoint", "") is None and isinstance(args.out, Path):
        outputs.append(args.out.with_name(f"{args.out.name}.checkpoint"))
    for index, path in enumerate(outputs):
        if any(is_same_file(path, other) for other in outputs[:index]):
            raise ZapsimError(f"{printable(str(path))}: cannot be written (two results would go there)")
    inputs = [value for name, value in vars(args).items() if name not in OUTPUTS]
    for source in _inputs(inputs) if outputs else ():
        for path in outputs:
            inside = source.is_dir() and path.exists() and source.resolve() in path.resolve().parents
            if (inside and not path.is_dir()) or (not source.is_dir() and is_same_file(path, source)):
                raise ZapsimError(f"{printable(str(path))}: cannot be written (it is read in the same run)")


def _paths(value: object) -> Iterator[Path]:
    """Yield the paths of an argument: one, a list of them, or none."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, (str, Path)) and str(value):
        yield Path(value)


def _inputs(values: Iterable[object]) -> Iterator[Path]:
    """Yield the files and folders that arguments name, among them shipped files and the bases of architectures."""
    for path in _paths(list(values)):
        name = str(path)
        candidates = [path, Path(name.rpartition("@")[0] or name)]
        if ":" in name:  # package.module:factory
            candidates.append(Path(name.partition(":")[0].replace(".", "/") + ".py"))
        for folder, suffix in _SHIPPED:
            shipped = find_file(name, folder, suffix)
            candidates += [] if shipped is None else [shipped]
        for candidate in dict.fromkeys(candidates):
            if os.path.isfile(candidate) or os.path.isdir(candidate):
                yield candidate
                yield from _bases(candidate)


def _bases(path: Path) -> Iterator[Path]:
    """Yield the files that an architecture is laid over."""
    from zapsim.reading.yaml_text import read_mapping

    for _ in range(_MOST_BASES):
        if path.suffix not in {".yaml", ".yml"} or not path.is_file():
            return
        try:
            base = read_mapping(path).get("base")
        except ZapsimError:
            return  # whoever uses the file says what is wrong with it
        below = find_file(base.strip(), "arch_configs", ".yaml", path.parent) if isinstance(base, str) else None
        if below is None:
            return
        path = below
        yield path
