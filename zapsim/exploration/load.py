"""From a space file, or a mapping with its keys, to a checked :class:`~zapsim.exploration.space.Space`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zapsim.arch.load import read_arch
from zapsim.arch.policy import PRESETS
from zapsim.arch.variants import Variants
from zapsim.errors import ConfigError, did_you_mean
from zapsim.exploration.axes import Axes, build_axes
from zapsim.exploration.goals import Goals, check_goals
from zapsim.exploration.space import Space, Workload
from zapsim.exploration.space_file import SpaceFile, check_space, read_space_file
from zapsim.shipped import find_file, shipped_names
from zapsim.tracefile.reader import Trace, find_trace
from zapsim.version import __version__


def load_space(source: str | Path | Mapping[str, Any], folder: Path | None = None) -> Space:
    """Load a space, and check everything that can be checked before any design is made.

    Parameters
    ----------
    source
        A YAML file, the name of a shipped example, or a mapping with the keys of one.
    folder
        The folder that paths in a mapping are relative to (None: the current one); those in a file are relative to the
        file's.

    Raises
    ------
    ZapsimError
        With every fault, one line each.
    """
    if isinstance(source, Mapping):
        return _space(source, "space", folder or Path())
    path = find_space(source)
    return _space(read_space_file(path), path.name, path.parent)


def find_space(name_or_path: str | Path) -> Path:
    """Find the space file that a path or the name of a shipped example means; a file wins.

    Raises
    ------
    ConfigError
        If there is none; for a bare name, the message lists the shipped ones.
    """
    path = find_file(name_or_path, "examples", ".yaml")
    if path is not None:
        return path
    wanted, known = Path(name_or_path), shipped_names("examples", ".yaml")
    if wanted.parent != Path():
        raise ConfigError(f"{wanted}: no such space file")
    hint = did_you_mean(wanted.name.removesuffix(".yaml"), known)
    raise ConfigError(f"{wanted}: no such space file{hint}; shipped: {', '.join(known)}")


def _space(source: Mapping[str, Any], file: str, folder: Path) -> Space:
    space_file = check_space(source, file)
    archs = _variants(space_file, file, folder)
    workloads = _workloads(space_file, file, folder)
    policies = _policies(space_file, file)
    axes = build_axes(space_file, file, archs, workloads, policies)
    goals = check_goals(space_file, file, archs, axes, workloads, policies)
    return Space(
        file=file,
        name=space_file.name or Path(file).stem,
        archs=tuple(archs.values()),
        arch_names=tuple(archs),
        workloads=workloads,
        policies=policies,
        parameters=axes.parameters,
        lattice=axes.lattice,
        images=None if space_file.images is None else tuple(space_file.images),
        batch=space_file.batch,
        objectives=goals.objectives,
        constraints=goals.constraints,
        record=goals.record,
        strategy=space_file.strategy,
        budget=space_file.budget,
        identity=_identity(space_file, archs, workloads, axes, goals),
        source=source,
        folder=folder.resolve(),
    )


def _variants(space_file: SpaceFile, file: str, folder: Path) -> dict[str, Variants]:
    """Return the architectures by the names of their files, with the changes that `set` makes in all of them."""
    archs: dict[str, Variants] = {}
    for name in space_file.arch:
        document, source = read_arch(name, folder)
        stem = Path(name).name.removesuffix(".yaml")
        if stem in archs:
            raise ConfigError(f"{file}: arch: two architectures are called {stem}")
        variants = Variants(document, source)
        for path, value in space_file.set.items():
            try:
                variants = variants.changed(path, value, f"{file}: set")
            except ConfigError as error:
                raise ConfigError(f"{file}: set.{path}: {fault}" for fault in error.faults) from None
        archs[stem] = variants
    return archs


def _workloads(space_file: SpaceFile, file: str, folder: Path) -> tuple[Workload, ...]:
    """Return the operating points of all traces, which must be of one network and hold all images."""
    traces = [Trace(find_trace(name, folder)) for name in space_file.trace]
    stems = [trace.path.stem for trace in traces]
    if len(set(stems)) < len(stems):
        raise ConfigError(f"{file}: trace: two traces have the same name")
    shapes = {tuple(layer.shape for layer in trace.header.layers) for trace in traces}
    counts = {len(trace.image_indices(space_file.images)) for trace in traces}
    if len(shapes) > 1 or len(counts) > 1:
        difference = "layers" if len(shapes) > 1 else "numbers of images"
        raise ConfigError(f"{file}: trace: the traces have different {difference}, so their results cannot be compared")
    known = [point.name for trace in traces for point in trace.header.operating_points]
    for name in space_file.point or ():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(
                f"{file}: point: no operating point '{name}'{hint}; known: {', '.join(dict.fromkeys(known))}"
            )
    return tuple(
        Workload(
            trace.path.resolve(),
            trace.path.stem,
            trace.hash,
            point.name,
            point.quality,
            point.quality_note,
            "" if point.order is None else point.order.rule,
        )
        for trace in traces
        for point in trace.header.operating_points
        if space_file.point is None or point.name in space_file.point
    )


def _policies(space_file: SpaceFile, file: str) -> tuple[str, ...]:
    for name in space_file.policy:
        if name not in PRESETS:
            hint = did_you_mean(name, PRESETS)
            raise ConfigError(f"{file}: policy: unknown policy '{name}'{hint}; known: {', '.join(PRESETS)}")
    return tuple(dict.fromkeys(space_file.policy))


def _identity(
    space_file: SpaceFile, archs: Mapping[str, Variants], workloads: Sequence[Workload], axes: Axes, goals: Goals
) -> dict[str, Any]:
    """Gather everything that decides which designs there are and what their results are: all but name and budget."""
    return {
        "zapsim": __version__,
        "arch": {name: variants.base.hash for name, variants in archs.items()},
        "order": [*archs, *(one.path for one in axes.parameters)],  # designs are numbered in this order
        "trace": {one.trace: one.trace_sha256 for one in workloads},
        "point": [f"{one.trace}/{one.point}" for one in workloads],
        "images": space_file.images,
        "batch": space_file.batch,
        "policy": space_file.policy,
        "parameters": {one.path: list(one.labels) for one in axes.parameters},
        "when": {
            axis.name: [[need.axis, sorted(need.choices)] for need in axis.needs]
            for axis in axes.lattice.axes
            if axis.needs
        },
        "constraints": [one.expression.text for one in goals.constraints],
        "objectives": [("maximise " if one.maximise else "") + one.text for one in goals.objectives],
        "record": list(goals.record),
        "strategy": space_file.strategy.model_dump(),
    }
