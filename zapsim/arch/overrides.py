"""``--set array.rows=16``: values that replace those of an architecture file."""

from __future__ import annotations

from collections.abc import Sequence

from zapsim.arch.document import Document, KeyPath, Leaf, prefixes
from zapsim.arch.presets import with_presets
from zapsim.arch.yaml_file import read_scalar
from zapsim.errors import shown

SOURCE = "set on the command line"
"""What :attr:`zapsim.arch.spec.ArchSpec.sources` says of such a value."""

ORIGIN = "--set"
"""What messages name instead of a file."""


def override(base: Document, overrides: Sequence[str]) -> Document:
    """Return `base` with `overrides` applied in order; malformed ones become faults of the result."""
    for text in overrides:
        base = _one(base, text)
    return base


def _one(base: Document, text: str) -> Document:
    dotted, equals, value_text = (part.strip() for part in text.partition("="))
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not value_text or not all(keys):
        return _with_fault(base, f"{ORIGIN}: expected PATH=VALUE such as 'array.rows=16', got {shown(text)}")
    try:
        value = read_scalar(value_text)
    except ValueError as error:
        return _with_fault(base, f"{ORIGIN}: {dotted}: {error}")
    if keys == ["base"]:
        return _with_fault(base, f"{ORIGIN}: base: only a file can have one")
    return with_value(base, keys, Leaf(value, SOURCE, ORIGIN))


def with_value(base: Document, keys: Sequence[str], leaf: Leaf) -> Document:
    """Return `base` with `leaf` at the path that `keys` mean; a path through a value becomes a fault."""
    path = resolve(base, keys)
    for length in range(1, len(path)):
        holder = base.leaves.get(path[:length])
        if holder is not None and holder.value not in ({}, None):
            inner = ".".join(path[:length])
            return _with_fault(base, f"{leaf.origin}: {'.'.join(keys)}: {inner} is a value, not a section")
    return with_presets(Document({path: leaf})).over(base)


def resolve(base: Document, keys: Sequence[str]) -> KeyPath:
    """Return the path that `keys` mean; a layer's name that holds dots is found if `base` has it."""
    known = prefixes(base.leaves)
    for length in range(len(keys), 0, -1):
        held = known.get(".".join(keys[:length]))
        if held is not None:
            return (*held, *keys[length:])
    return tuple(keys)


def _with_fault(base: Document, fault: str) -> Document:
    return Document(base.leaves, (*base.faults, fault))
