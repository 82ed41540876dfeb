"""Read a YAML file, and keep it as a flat table of values, each with its source and the file that holds it.

Only plain values are read, and every fault is one line that says where it is. A flat table makes the rest simple: to
lay a file over its base is one update, and a value that is replaced loses its source.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from zapsim.errors import ConfigError, did_you_mean, shown

KeyPath: TypeAlias = tuple[str, ...]
"""Keys from the top of the file to a value."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value, its source (None: not given), and the file that holds it."""

    value: object
    source: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file by path, and the faults of its sources.

    An empty section is a leaf of its own, with the value ``{}``.
    """

    leaves: dict[KeyPath, Leaf] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def over(self, base: Document) -> Document:
        """Lay this document over `base`: sections merge, values replace, the faults of both stay."""
        merged = dict(base.leaves)
        for path in self.leaves:
            for replaced in [old for old in merged if _is_prefix(old, path) or _is_prefix(path, old)]:
                del merged[replaced]
        return Document(merged | self.leaves, base.faults + self.faults)

    def nested(self) -> dict[str, Any]:
        """Nest the values by their keys, without sources."""
        tree: dict[str, Any] = {}
        for path, leaf in self.leaves.items():
            section = tree
            for key in path[:-1]:
                section = section.setdefault(key, {})
            section[path[-1]] = leaf.value
        return tree

    def sources(self) -> dict[str, str]:
        """Collect the source of each value that has one, by dotted path."""
        return {".".join(path): leaf.source for path, leaf in self.leaves.items() if leaf.source is not None}

    def origin(self, path: KeyPath, default: str) -> str:
        """Name the file that holds `path` (or something in it), else `default`."""
        for leaf_path, leaf in self.leaves.items():
            if leaf_path[: len(path)] == path or path[: len(leaf_path)] == leaf_path:
                return leaf.origin
        return default


def document(tree: Mapping[str, Any], origin: str) -> Document:
    """Flatten a parsed file; ``{value: ..., source: ...}`` and ``source:`` become sources."""
    leaves: dict[KeyPath, Leaf] = {}
    faults: list[str] = []
    _flatten(tree, (), None, origin, leaves, faults)
    return Document(leaves, tuple(faults))


def _flatten(
    section: Mapping[str, Any],
    path: KeyPath,
    source: str | None,
    origin: str,
    leaves: dict[KeyPath, Leaf],
    faults: list[str],
) -> None:
    """Add the leaves under `section`, whose values come from `source` where they do not say otherwise."""
    own = section.get("source")
    has_source = "source" in section and not isinstance(own, Mapping)
    if has_source:
        source = _source(own, (*path, "source"), origin, faults) or source
    if has_source and not path:
        faults.append(f"{origin}: source: belongs in a section or beside a value, not at the top")
    for key, value in section.items():
        here = (*path, key)
        if key == "source" and has_source:
            continue
        if not isinstance(value, Mapping) or not value:
            leaves[here] = Leaf(value, source, origin)
        elif "value" in value and not isinstance(value["value"], Mapping):
            leaves[here] = _sourced(value, here, source, origin, faults)
        else:
            _flatten(value, here, source, origin, leaves, faults)


def _sourced(pair: Mapping[str, Any], path: KeyPath, source: str | None, origin: str, faults: list[str]) -> Leaf:
    """Return the leaf written as ``{value: ..., source: ...}``."""
    for key in pair:
        if key not in {"value", "source"}:
            hint = did_you_mean(key, ["value", "source"])
            dotted = ".".join((*path, key))
            faults.append(f"{origin}: {dotted}: unknown key{hint}; keys of this section: value, source")
    if "source" in pair:
        source = _source(pair["source"], (*path, "source"), origin, faults) or source
    return Leaf(pair["value"], source, origin)


def _source(text: object, path: KeyPath, origin: str, faults: list[str]) -> str | None:
    if isinstance(text, str) and text.strip():
        return " ".join(text.split())
    faults.append(f"{origin}: {'.'.join(path)}: expected the source as text, got {shown(text)}")
    return None


def _is_prefix(section: KeyPath, path: KeyPath) -> bool:
    """Tell whether `path` lies inside of `section`."""
    return len(section) < len(path) and path[: len(section)] == section


def prefixes(paths: Iterable[KeyPath]) -> dict[str, KeyPath]:
    """Return every section and value on the way to `paths`, by dotted text (keys may hold dots themselves)."""
    return {".".join(path[:length]): path[:length] for path in paths for length in range(1, len(path) + 1)}


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses what a reader would misread: repeated keys, keys that are not text, aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node; an alias of a section could hold itself, or grow without bound."""
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and isinstance(node, yaml.CollectionNode):
            problem = "this section is used again by an alias (*); write it out"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping whose keys are all text and all different."""
        lines: dict[str, int] = {}
        pairs = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self.faults.append(f"line {line}: a key must be text, got {shown(key)} (put it in quotes)")
            elif key in lines:
                self.faults.append(f"line {line}: key '{key}' is given twice (first on line {lines[key]})")
            else:
                lines[key] = line
                pairs.append((key_node, value_node))
        node.value = pairs
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read the mapping in the YAML file at `path`.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, holds no mapping, or has a key twice or one that is not text.
    """
    loader = None
    try:
        loader = _StrictLoader(path.read_text(encoding="utf-8-sig"))
        values = loader.get_single_data()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file (UTF-8 expected)") from None
    except RecursionError:
        raise ConfigError(f"{path.name}: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path.name}: {_where_and_what(error)}") from None
    finally:
        if loader is not None:
            loader.dispose()
    if loader.faults:
        raise ConfigError(f"{path.name}: {fault}" for fault in loader.faults)
    if not isinstance(values, dict):
        what = "is empty" if values is None else f"holds {shown(values)}"
        raise ConfigError(f"{path.name}: {what}, expected keys and values such as 'clock: 200 MHz'")
    return values


def read_scalar(text: str) -> object:
    """Read `text` as one YAML value.

    Raises
    ------
    ValueError
        If it is not one scalar.
    """
    try:
        value: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        raise ValueError(f"{shown(text)} is not one YAML value") from None
    if value is None or isinstance(value, (dict, list)):
        raise ValueError(f"{shown(text)} is not one YAML value")
    return value


def _where_and_what(error: Exception) -> str:
    """Put place and problem of a YAML error on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        what = " ".join(str(error.problem).split())
        return f"line {mark.line + 1}, column {mark.column + 1}: {what}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1}: {error.reason}"
    return f"a value that YAML cannot read: {error}"
