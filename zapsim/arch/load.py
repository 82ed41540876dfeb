"""Turn a name or a path into an :class:`~zapsim.arch.spec.ArchSpec`: look up, read, merge, override, check.

A file may have a ``base:`` that it is laid over, and its ``dram`` section a ``preset:`` of shipped values that the keys
beside it replace. Overrides such as ``array.rows=16`` (``--set``) come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from zapsim.arch.document import Document, KeyPath, Leaf, document, prefixes
from zapsim.arch.faults import known_keys, translate
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError, did_you_mean, shown
from zapsim.reading.yaml_text import read_mapping, read_value
from zapsim.shipped import find_file, shipped_folder, shipped_names

_NOT_A_KEY = "sources"
"""The field of ArchSpec that no file sets: it is gathered from the file's ``source:`` texts."""

_TOP_KEYS = ["base", *(key for key in known_keys(ArchSpec) if key != _NOT_A_KEY)]

_DRAM_PRESET: KeyPath = ("dram", "preset")

OVERRIDE_SOURCE = "set on the command line"
"""What :attr:`zapsim.arch.spec.ArchSpec.sources` says of a value that an override sets."""

_LONGEST_PATH = 200

OVERRIDE_ORIGIN = "--set"
"""What messages about an override name instead of a file."""


def load_arch(name_or_path: str | Path, overrides: Mapping[str, object] | Sequence[str] = ()) -> ArchSpec:
    """Load the architecture of a file and check all of it.

    Parameters
    ----------
    name_or_path
        A YAML file, or the bare name of a shipped one (``eyeriss`` or ``eyeriss.yaml``). A file wins.
    overrides
        Values that replace the file's, in this order: ``{"array.rows": 16}``, or texts such as ``array.rows=16``.

    Raises
    ------
    ConfigError
        With every fault, each one line; see its `faults`.
    """
    return check_arch(arch_values(name_or_path, overrides), find_arch(name_or_path).name)


def arch_values(name_or_path: str | Path, overrides: Mapping[str, object] | Sequence[str] = ()) -> Document:
    """Read the values of an architecture as its files have them, each with its source, not checked yet.

    Parameters and errors are those of :func:`load_arch`.
    """
    values = _with_bases(find_arch(name_or_path), ())
    texts = [f"{key}={value}" for key, value in overrides.items()] if isinstance(overrides, Mapping) else overrides
    for text in texts:
        values = _overridden(values, text)
    return values


def read_arch(name_or_path: str | Path, beside: Path | None = None) -> tuple[Document, str]:
    """Read the values of a file and of its bases, not checked yet; return them and the file's name.

    Parameters
    ----------
    name_or_path, beside
        As for :func:`find_arch`.

    Raises
    ------
    ConfigError
        If a file is missing or is not YAML.
    """
    path = find_arch(name_or_path, beside)
    return _with_bases(path, ()), path.name


def check_arch(values: Document, file: str) -> ArchSpec:
    """Build the architecture that the `values` of `file` describe.

    Raises
    ------
    ConfigError
        With every fault, each one line; see its `faults`.
    """
    tree = values.nested()
    faults = list(values.faults)
    if _NOT_A_KEY in tree:
        del tree[_NOT_A_KEY]
        hint = "a value's source stands beside it, as in {value: 2 pJ, source: ...}"
        faults.append(f"{values.origin((_NOT_A_KEY,), file)}: {_NOT_A_KEY}: unknown key; {hint}")
    spec = None
    try:
        spec = ArchSpec.model_validate(tree)
    except ValidationError as error:
        for place, fault in arch_faults(error):
            label = file if fault == "missing" else values.origin(place, file)
            faults.append(f"{label}: {'.'.join(place)}: {fault}" if place else f"{label}: {fault}")
    if faults or spec is None:
        raise ConfigError(dict.fromkeys(faults))
    return spec.model_copy(update={"sources": values.sources()})


def arch_faults(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Yield path and fault of every complaint about an architecture."""
    return translate(error, ArchSpec, _TOP_KEYS)


def known_archs() -> list[str]:
    """List the bare names of the shipped architectures, sorted; there is at least one."""
    return shipped_names("arch_configs", ".yaml")


def find_arch(name_or_path: str | Path, beside: Path | None = None) -> Path:
    """Find the file that a name or a path means.

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
    wanted = Path(name_or_path)
    path = find_file(wanted, "arch_configs", ".yaml", beside)
    if path is not None:
        return path
    known = known_archs()
    hint = did_you_mean(wanted.name.removesuffix(".yaml"), known)
    raise ConfigError(f"{wanted}: no such architecture{hint}; expected a file, or one of: {', '.join(known)}")


def _with_bases(path: Path, above: tuple[Path, ...]) -> Document:
    """Read the file at `path` and lay its values over those of its ``base:``, and so on down.

    Parameters
    ----------
    path
        The file.
    above
        The files that lead here; a file that is its own base is refused.
    """
    way = (*above, path.resolve())
    if way[-1] in above:
        circle = " -> ".join(step.name for step in way[way.index(way[-1]) :])
        raise ConfigError(f"{above[-1].name}: base: goes round in a circle: {circle}")
    tree = read_mapping(path)
    if "base" not in tree:
        return with_preset(document(tree, path.name))
    base = tree.pop("base")
    if not isinstance(base, str) or not base.strip():
        raise ConfigError(f"{path.name}: base: expected a file or the name of an architecture, got {shown(base)}")
    try:
        below = find_arch(base.strip(), path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: base: {error}") from None
    return with_preset(document(tree, path.name)).over(_with_bases(below, way))


def known_dram_presets() -> list[str]:
    """List the names of the shipped DRAM channels, sorted."""
    return shipped_names("arch_configs", ".yaml", inside="dram")


def with_preset(values: Document) -> Document:
    """Lay `values` over the DRAM preset that they name, if any; an unknown name becomes a fault."""
    leaf = values.leaves.get(_DRAM_PRESET)
    if leaf is None:
        return values
    known = known_dram_presets()
    if leaf.value not in known:
        hint = did_you_mean(str(leaf.value), known)
        fault = f"expected one of: {', '.join(known)}, got {shown(leaf.value)}{hint}"
        return Document(values.leaves, (*values.faults, f"{leaf.origin}: {'.'.join(_DRAM_PRESET)}: {fault}"))
    path = shipped_folder("arch_configs") / "dram" / f"{leaf.value}.yaml"
    return values.over(document(read_mapping(path), f"dram/{path.name}"))


def _overridden(base: Document, text: str) -> Document:
    """Apply an override such as ``array.rows=16`` to `base`; a malformed one becomes a fault."""
    dotted, equals, value_text = (part.strip() for part in text.partition("="))
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not value_text or not all(keys) or not dotted.isprintable() or len(dotted) > _LONGEST_PATH:
        return _with_fault(base, f"{OVERRIDE_ORIGIN}: expected PATH=VALUE such as 'array.rows=16', got {shown(text)}")
    try:
        value = read_value(value_text)
    except ValueError as error:
        return _with_fault(base, f"{OVERRIDE_ORIGIN}: {dotted}: {error}")
    if keys == ["base"]:
        return _with_fault(base, f"{OVERRIDE_ORIGIN}: base: only a file can have one")
    return with_value(base, keys, Leaf(value, OVERRIDE_SOURCE, OVERRIDE_ORIGIN))


def with_value(base: Document, keys: Sequence[str], leaf: Leaf) -> Document:
    """Set `leaf` at the path that `keys` mean in `base`; a path through a value becomes a fault."""
    path = _resolve(base, keys)
    for length in range(1, len(path)):
        holder = base.leaves.get(path[:length])
        if holder is not None and holder.value not in ({}, None):
            inner = ".".join(path[:length])
            return _with_fault(base, f"{leaf.origin}: {'.'.join(keys)}: {inner} is a value, not a section")
    return with_preset(Document({path: leaf})).over(base)


def _resolve(base: Document, keys: Sequence[str]) -> KeyPath:
    """Return the path that `keys` mean; a layer's name that holds dots is found if `base` has it."""
    known_paths = prefixes(base.leaves)
    for length in range(len(keys), 0, -1):
        start = known_paths.get(".".join(keys[:length]))
        if start is not None:
            return (*start, *keys[length:])
    return tuple(keys)


def _with_fault(base: Document, fault: str) -> Document:
    return Document(base.leaves, (*base.faults, fault))
