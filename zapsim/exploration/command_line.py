"""The command line that runs one design of a space alone, with ``zapsim run``."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from zapsim.arch.load import find_arch
from zapsim.exploration.parameters import label, read_parameter
from zapsim.exploration.space import Space
from zapsim.shipped import shipped_folder


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen in one column of the results.

    Attributes
    ----------
    column
        Its name.
    labels
        The options as people read them.
    arguments
        What each option adds to the command line.
    """

    column: str
    labels: tuple[str, ...]
    arguments: tuple[str, ...]


def command_start(space: Space) -> str:
    """Return the command with what all designs of a space have in common."""
    parts = ["zapsim run"]
    if space.images is not None:
        parts.append(f"--images {' '.join(map(str, space.images))}")
    if space.batch != 1:
        parts.append(f"--batch {space.batch}")
    settings = space.source.get("set") or {}
    return " ".join([*parts, *(_set(path, value) for path, value in settings.items())])


def choices(space: Space) -> tuple[Choice, ...]:
    """List what can be chosen, in the order of the arguments: architecture, trace, point, policy, parameters.

    Files are named relative to the space's folder, or by name if they are shipped.
    """
    archs = space.source["arch"]
    arch_files = [find_arch(name, space.folder) for name in (archs if isinstance(archs, list) else [archs])]
    traces = {one.trace: one.path for one in space.workloads}
    points = tuple(dict.fromkeys(one.point for one in space.workloads))
    return (
        Choice("arch", space.arch_names, tuple(f"--arch {_file(path, space.folder)}" for path in arch_files)),
        Choice("trace", tuple(traces), tuple(f"--trace {_file(path, space.folder)}" for path in traces.values())),
        Choice("point", points, tuple(f"--point {shlex.quote(name)}" for name in points)),
        Choice("policy", space.policies, tuple(f"--policy {name}" for name in space.policies)),
        *(_parameter(space, one.path) for one in space.parameters),
    )


def chosen(space: Space, number: int) -> list[int | None]:
    """Return what a design chooses, as indices into the options of :func:`choices`; None: does not apply to it."""
    design = space.lattice.design(number)
    arch, workload, policy, *rest = design
    active = space.lattice.active(design)[3:]
    traces = list(dict.fromkeys(one.trace for one in space.workloads))
    points = list(dict.fromkeys(one.point for one in space.workloads))
    run = space.workloads[workload]
    return [
        arch, traces.index(run.trace), points.index(run.point), policy,
        *(choice if is_active else None for choice, is_active in zip(rest, active, strict=True)),
    ]  # fmt: skip


def _parameter(space: Space, path: str) -> Choice:
    _, values = read_parameter(path, space.source["parameters"][path])
    return Choice(path, tuple(map(label, values)), tuple(_set(path, value) for value in values))


def _set(path: str, value: object) -> str:
    """Return the options that set a value, or every value of a section."""
    return " ".join(f"--set {shlex.quote(f'{inner}={_scalar(leaf)}')}" for inner, leaf in _leaves(path, value))


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    else:
        yield path, value


def _scalar(value: object) -> str:
    """Write a value such that ``--set`` reads it as the same."""
    text = label(value)
    return text if not isinstance(value, str) or yaml.safe_load(text) == value else json.dumps(value)


def _file(path: Path, folder: Path) -> str:
    """Name a file relative to the space's folder, or by its bare name if it is shipped."""
    whole = Path(os.path.realpath(path))
    if any(whole.parent == shipped_folder(kind).resolve() for kind in ("arch_configs", "traces")):
        return whole.stem
    return shlex.quote(Path(os.path.relpath(whole, os.path.realpath(folder))).as_posix())
