"""Keep what a YAML file holds as a flat table of values, each with its source and the file that holds it.

A flat table makes the rest simple: to lay a file over its base is one update, and a value that is replaced loses its
source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zapsim.errors import did_you_mean, shown

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
