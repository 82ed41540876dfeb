"""From a space file (or the same as a mapping) to a checked :class:`~zapsim.exploration.space.Space`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from zapsim.arch.load import read_arch
from zapsim.arch.policy import PRESETS
from zapsim.arch.variants import Variants
from zapsim.errors import ConfigError, did_you_mean
from zapsim.exploration.axes import Axes, build_axes
from zapsim.exploration.goals import Goals, check_goals
from zapsim.exploration.space import Space, Workload
from zapsim.exploration.space_file import SpaceFile, check_space, read_space_file
from zapsim.tracefile.reader import Trace
from zapsim.version import __version__

_T = TypeVar("_T")


def load_space(source: str | Path | Mapping[str, Any], beside: Path | None = None) -> Space:
    """Return the space of a file, with everything checked that can be before any design is made.

    Parameters
    ----------
    source
        A YAML file, or what would stand in one.
    beside
        The folder that paths in a mapping are relative to (None: the current one); a file's are to its own.

    Raises
    ------
    ZapsimError
        With every fault found, each one line.
    """
    if isinstance(source, Mapping):
        return _space(source, "space", beside or Path())
    path = Path(source)
    return _space(read_space_file(path), path.name, path.parent)


def _space(given: Mapping[str, Any], file: str, folder: Path) -> Space:
    said = check_space(given, file)
    archs = _variants(said, file, folder)
    workloads = _workloads(said, file, folder)
    policies = _policies(said, file)
    axes = build_axes(said, file, archs, workloads, policies)
    goals = check_goals(said, file, archs, axes, workloads, policies)
    return Space(
        file=file,
        name=said.name or Path(file).stem,
        archs=tuple(archs.values()),
        arch_names=tuple(archs),
        workloads=workloads,
        policies=policies,
        parameters=axes.parameters,
        lattice=axes.lattice,
        images=None if said.images is None else tuple(said.images),
        batch=said.batch,
        objectives=goals.objectives,
        constraints=goals.constraints,
        record=goals.record,
        strategy=said.strategy,
        budget=said.budget,
        identity=_identity(said, archs, workloads, axes, goals),
        given=given,
        folder=folder.resolve(),
    )


def _variants(said: SpaceFile, file: str, folder: Path) -> dict[str, Variants]:
    """Return the architectures by the names of their files, with what `set` changes in all of them."""
    found: dict[str, Variants] = {}
    for name in said.arch:
        document, source = read_arch(name, folder)
        stem = Path(name).name.removesuffix(".yaml")
        if stem in found:
            raise ConfigError(f"{file}: arch: two architectures are called {stem}")
        variants = Variants(document, source)
        for path, value in said.set.items():
            variants = _at(f"{file}: set.{path}", variants.changed, path, value, f"{file}: set")
        found[stem] = variants
    return found


def _workloads(said: SpaceFile, file: str, folder: Path) -> tuple[Workload, ...]:
    """Return the operating points of all traces, which must be of one network and hold the images."""
    traces = [Trace(folder / name) for name in said.trace]
    stems = [trace.path.stem for trace in traces]
    if len(set(stems)) < len(stems):
        raise ConfigError(f"{file}: trace: two traces have the same name")
    shapes = {tuple(layer.shape for layer in trace.header.layers) for trace in traces}
    counts = {len(trace.image_indices(said.images)) for trace in traces}
    if len(shapes) > 1 or len(counts) > 1:
        what = "layers" if len(shapes) > 1 else "numbers of images"
        raise ConfigError(f"{file}: trace: the traces have different {what}, so their results cannot be compared")
    held = [point.name for trace in traces for point in trace.header.operating_points]
    for name in said.point or ():
        if name not in held:
            hint = did_you_mean(name, held)
            raise ConfigError(
                f"{file}: point: no operating point '{name}'{hint}; there are: {', '.join(dict.fromkeys(held))}"
            )
    return tuple(
        Workload(trace.path.resolve(), trace.path.stem, trace.hash, point.name, point.quality, point.quality_note)
        for trace in traces
        for point in trace.header.operating_points
        if said.point is None or point.name in said.point
    )


def _policies(said: SpaceFile, file: str) -> tuple[str, ...]:
    for name in said.policy:
        if name not in PRESETS:
            hint = did_you_mean(name, PRESETS)
            raise ConfigError(f"{file}: policy: unknown policy '{name}'{hint}; known: {', '.join(PRESETS)}")
    return tuple(dict.fromkeys(said.policy))


def _identity(
    said: SpaceFile, archs: Mapping[str, Variants], workloads: Sequence[Workload], axes: Axes, goals: Goals
) -> dict[str, Any]:
    """Return what decides which designs there are and what comes out of each: all but name and budget."""
    return {
        "zapsim": __version__,
        "arch": {name: variants.base.hash for name, variants in archs.items()},
        "order": [*archs, *(one.path for one in axes.parameters)],  # designs are numbered by it
        "trace": {one.trace: one.trace_sha256 for one in workloads},
        "point": [f"{one.trace}/{one.point}" for one in workloads],
        "images": said.images,
        "batch": said.batch,
        "policy": said.policy,
        "parameters": {one.path: list(one.labels) for one in axes.parameters},
        "when": {
            axis.name: [[need.axis, sorted(need.choices)] for need in axis.needs]
            for axis in axes.lattice.axes
            if axis.needs
        },
        "constraints": [one.expression.text for one in goals.constraints],
        "objectives": [("maximise " if one.maximise else "") + one.text for one in goals.objectives],
        "record": list(goals.record),
        "strategy": said.strategy.model_dump(),
    }


def _at(place: str, function: Callable[..., _T], *arguments: object) -> _T:
    """Call `function`, and say of its faults where they are."""
    try:
        return function(*arguments)
    except ConfigError as error:
        raise ConfigError(_placed(place, error.faults)) from None


def _placed(place: str, faults: Iterable[str]) -> list[str]:
    return [f"{place}: {fault}" for fault in faults]
