"""Many variants of one architecture file: it is read once, and each variant is checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from zapsim.arch.document import Document, KeyPath, Leaf
from zapsim.arch.load import arch_faults, check_arch, with_value
from zapsim.arch.spec import ArchSpec
from zapsim.errors import ConfigError

Patch: TypeAlias = Mapping[KeyPath, object]
"""Values by path that replace those of an architecture; :data:`GONE` removes one."""

_MOST_SECTIONS = 1024


class _Removal(Enum):
    """A value that is itself in every process, which a bare object is not."""

    GONE = "gone"


GONE: Final = _Removal.GONE
"""Stands in a patch for a value that is removed."""


class Variants:
    """The variants of one architecture.

    Attributes
    ----------
    document
        The values of the file, of its bases and of what is changed in all variants.
    file
        Name of the file.
    base
        The architecture without any change.

    Raises
    ------
    ConfigError
        If the architecture is faulty by itself.
    """

    def __init__(self, document: Document, file: str) -> None:
        self.document, self.file = document, file
        self.base = check_arch(document, file)
        self._tree = document.nested()
        self._sections: dict[Hashable, BaseModel] = {}  # checked, by their keys and by what is changed in them

    def patch(self, path: str, value: object, origin: str) -> Patch:
        """Turn one change into a patch of the architecture's values.

        Parameters
        ----------
        path
            Where the value stands, such as ``array.rows``.
        value
            As a file would have it (``"64 KiB"``); a section is laid over the one that is there.
        origin
            What messages name instead of a file.

        Raises
        ------
        ConfigError
            If the path leads through a value.
        """
        before, after = self.document.leaves, self._with(path, value, origin).leaves
        gone: dict[KeyPath, object] = {key: GONE for key in before if key not in after}
        return gone | {
            key: leaf.value for key, leaf in after.items() if key not in before or before[key].value != leaf.value
        }

    def changed(self, path: str, value: object, origin: str) -> Variants:
        """Make one change to all variants; parameters as for :meth:`patch`."""
        return Variants(self._with(path, value, origin), self.file)

    def _with(self, path: str, value: object, origin: str) -> Document:
        changed = self.document
        for keys, leaf in _leaves(tuple(path.split(".")), value, origin):
            changed = with_value(changed, keys, leaf)
        if len(changed.faults) > len(self.document.faults):
            new = changed.faults[len(self.document.faults) :]
            raise ConfigError(fault.removeprefix(f"{origin}: ") for fault in new)
        return changed

    def spec(self, patches: Iterable[Patch]) -> ArchSpec:
        """Build the architecture with `patches` applied in their order; it has no sources.

        Raises
        ------
        ConfigError
            With every fault, each one line that begins with its path.
        """
        tree = dict(self._tree)
        copied: set[KeyPath] = set()
        changes: dict[str, tuple[Hashable, ...]] = dict.fromkeys(tree, ())
        for patch in patches:
            for path, value in patch.items():
                _replace(tree, path, value, copied)
                changes[path[0]] = (*changes.get(path[0], ()), path, repr(value))
        # A section that another variant has, too, is not checked again: it depends on nothing outside of it.
        tree |= {key: self._sections[key, change] for key, change in changes.items() if (key, change) in self._sections}
        try:
            spec = ArchSpec.model_validate(tree)
        except ValidationError as error:
            raise ConfigError(
                dict.fromkeys(f"{'.'.join(place)}: {fault}" for place, fault in arch_faults(error))
            ) from None
        if len(self._sections) > _MOST_SECTIONS:
            self._sections.clear()
        for key, change in changes.items():
            if isinstance(section := getattr(spec, key, None), BaseModel):
                self._sections[key, change] = section
        return spec


def value_at(spec: ArchSpec, path: Sequence[str]) -> object:
    """Return the value of an architecture at `path`, in base units.

    Raises
    ------
    KeyError
        If the architecture has no such value: another kind of array, or none such at all.
    """
    here: object = spec
    rest = list(path)
    while rest:
        if isinstance(here, BaseModel) and rest[0] in type(here).model_fields:
            here = getattr(here, rest.pop(0))
        elif isinstance(here, dict):  # whose keys may hold dots
            key = next((".".join(rest[:end]) for end in range(1, len(rest) + 1) if ".".join(rest[:end]) in here), None)
            if key is None:
                raise KeyError(".".join(path))
            here = here[key]
            rest = rest[key.count(".") + 1 :]
        else:
            raise KeyError(".".join(path))
    return here


def _leaves(path: KeyPath, value: object, origin: str) -> Iterable[tuple[KeyPath, Leaf]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key), inner, origin)
    else:
        yield path, Leaf(value, None, origin)


def _replace(tree: dict[str, Any], path: KeyPath, value: object, copied: set[KeyPath]) -> None:
    """Set a value in `tree`, copying the sections on its way that are still shared with other variants."""
    for length in range(1, len(path)):
        inner = tree.get(path[length - 1])
        if path[:length] not in copied:
            inner = dict(inner) if isinstance(inner, dict) else {}
            tree[path[length - 1]] = inner
            copied.add(path[:length])
        assert isinstance(inner, dict)
        tree = inner
    if value is GONE:
        tree.pop(path[-1], None)
    else:
        tree[path[-1]] = value
