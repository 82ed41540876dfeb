"""From a name or a path to an :class:`~zapsim.arch.spec.ArchSpec`: look up, read, merge, override, check."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from zapsim.arch.document import Document, KeyPath, document
from zapsim.arch.faults import known_keys, translate
from zapsim.arch.overrides import override
from zapsim.arch.presets import config_directory, with_presets
from zapsim.arch.spec import ArchSpec
from zapsim.arch.yaml_file import read_mapping
from zapsim.errors import ConfigError, did_you_mean, shown

_NOT_A_KEY = "sources"
"""The field of ArchSpec that no file sets: it is gathered from the file's ``source:`` texts."""

_TOP_KEYS = ["base", *(key for key in known_keys(ArchSpec) if key != _NOT_A_KEY)]


def load_arch(name_or_path: str | Path, overrides: Sequence[str] = ()) -> ArchSpec:
    """Return the architecture of a file, with everything checked.

    Parameters
    ----------
    name_or_path
        A YAML file, or the bare name of a shipped one (``eyeriss`` or ``eyeriss.yaml``). A file wins.
    overrides
        Values that replace the file's, such as ``array.rows=16``, in this order.

    Raises
    ------
    ConfigError
        With every fault found, each one line; see its `faults`.
    """
    path = find_arch(name_or_path)
    return check_arch(override(_with_bases(path, ()), overrides), path.name)


def read_arch(name_or_path: str | Path, beside: Path | None = None) -> tuple[Document, str]:
    """Return the values of a file and of its bases, not checked yet, and the file's name.

    Parameters
    ----------
    name_or_path, beside
        As for :func:`find_arch`.

    Raises
    ------
    ConfigError
        If a file is missing or is no YAML.
    """
    path = find_arch(name_or_path, beside)
    return _with_bases(path, ()), path.name


def check_arch(found: Document, file: str) -> ArchSpec:
    """Return the architecture that the values of `file` describe.

    Raises
    ------
    ConfigError
        With every fault found, each one line; see its `faults`.
    """
    tree = found.nested()
    faults = list(found.faults)
    if _NOT_A_KEY in tree:
        del tree[_NOT_A_KEY]
        hint = "a value's source stands beside it, as in {value: 2 pJ, source: ...}"
        faults.append(f"{found.origin((_NOT_A_KEY,), file)}: {_NOT_A_KEY}: unknown key; {hint}")
    spec = None
    try:
        spec = ArchSpec.model_validate(tree)
    except ValidationError as error:
        for place, fault in arch_faults(error):
            label = file if fault == "missing" else found.origin(place, file)
            faults.append(f"{label}: {'.'.join(place)}: {fault}" if place else f"{label}: {fault}")
    if faults or spec is None:
        raise ConfigError(dict.fromkeys(faults))
    return spec.model_copy(update={"sources": found.sources()})


def arch_faults(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Yield path and fault of every complaint about an architecture."""
    return translate(error, ArchSpec, _TOP_KEYS)


def known_archs() -> list[str]:
    """Return the bare names of the shipped architectures, sorted."""
    return sorted(path.stem for path in config_directory().glob("*.yaml"))


def find_arch(name_or_path: str | Path, beside: Path | None = None) -> Path:
    """Return the file that a name or a path means.

    Parameters
    ----------
    name_or_path
        A path (relative to `beside`, if given), or the bare name of a shipped architecture.
    beside
        The folder of the file that names it.

    Raises
    ------
    ConfigError
        If there is none; the message lists the shipped ones.
    """
    given = Path(name_or_path)
    path = given if beside is None else beside / given
    if os.path.exists(path) and not os.path.isdir(path):  # unlike Path's, these take any text
        return path
    known = known_archs()
    if given.parent == Path():
        name = given.name.removesuffix(".yaml")
        if name in known:
            return config_directory() / f"{name}.yaml"
    hint = did_you_mean(given.name.removesuffix(".yaml"), known)
    raise ConfigError(f"{given}: no such architecture{hint}; expected a file, or one of: {', '.join(known)}")


def _with_bases(path: Path, above: tuple[Path, ...]) -> Document:
    """Return the values of the file at `path` laid over those of its ``base:``, and so on down.

    Parameters
    ----------
    path
        The file.
    above
        The files that lead here, to find a circle.
    """
    way = (*above, path.resolve())
    if way[-1] in above:
        circle = " -> ".join(step.name for step in way[way.index(way[-1]) :])
        raise ConfigError(f"{above[-1].name}: base: goes round in a circle: {circle}")
    tree = read_mapping(path)
    if "base" not in tree:
        return with_presets(document(tree, path.name))
    base = tree.pop("base")
    if not isinstance(base, str) or not base.strip():
        raise ConfigError(f"{path.name}: base: expected a file or the name of an architecture, got {shown(base)}")
    try:
        below = find_arch(base.strip(), path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: base: {error}") from None
    return with_presets(document(tree, path.name)).over(_with_bases(below, way))
