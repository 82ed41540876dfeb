"""Pydantic's complaints about a file, each translated to one line: the path, what was expected, and what came."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from zapsim.arch.document import KeyPath
from zapsim.errors import did_you_mean, shown

AT_KEY = "at_key"
"""Type of the errors by which a section's own check blames one of its keys (context: ``key``, ``fault``)."""

_SECTION_EXPECTED = {"model_type", "model_attributes_type", "dict_type", "dataclass_type"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error is: its path as the user wrote it, and what stands there in the schema.

    Attributes
    ----------
    path
        Keys from the top, without the tags that pydantic adds for unions.
    holder
        The section that the last key belongs to, if any.
    annotation
        The type at the path; None if unknown.
    """

    path: KeyPath
    holder: type[BaseModel] | None
    annotation: object


def translate(error: ValidationError, top: type[BaseModel], top_keys: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    """Yield path and fault of every complaint in `error`.

    Parameters
    ----------
    error
        What pydantic raised.
    top
        The model of the whole file.
    top_keys
        The keys that a file may have at its top: not all fields of `top`, and others too.
    """
    for detail in error.errors(include_url=False):
        place = _locate(detail["loc"], top)
        path = place.path
        if detail["type"] == AT_KEY:
            path = (*path, *detail["ctx"]["key"].split("."))
        elif detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            path = (*path, _discriminator(place))
        yield path, _fault(detail, place, top, top_keys)


def known_keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a section in their order of definition."""
    return list(model.model_fields)


def _fault(detail: ErrorDetails, place: Place, top: type[BaseModel], top_keys: Sequence[str]) -> str:
    """Say what is wrong, without the path."""
    kind, got, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "missing":
            fault = "missing"
        case "at_key" | "value_error":
            fault = str(context["fault"] if kind == AT_KEY else context["error"])
        case "extra_forbidden":
            fault = _unknown_key(place, top, top_keys)
        case "union_tag_invalid" | "union_tag_not_found":
            fault = _choice(context.get("tag"), _tags(place.annotation))
        case "literal_error":
            fault = _choice(got, [str(choice) for choice in get_args(_bare(place.annotation))])
        case _ if kind in _SECTION_EXPECTED:
            keys = _section_keys(place.annotation)
            fault = f"expected a section{f' with the keys {keys}' if keys else ''}, got {shown(got)}"
        case _:
            fault = f"expected {_expected(kind, context)}, got {shown(got)}"
    return fault


def _expected(kind: str, context: dict[str, Any]) -> str:
    """Say what a value of a simple type should be."""
    bounds = {
        "greater_than_equal": ("at least", "ge"),
        "greater_than": ("more than", "gt"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
    }
    if kind == "too_short":
        return "a list with at least one value"
    if kind in bounds:
        words, key = bounds[kind]
        return f"{words} {context[key]:,}"
    types_ = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "text in quotes",
        "list": "a list",
    }
    return types_.get(kind.split("_", maxsplit=1)[0], f"another value ({kind.replace('_', ' ')})")


def _choice(got: object, choices: list[str]) -> str:
    if got is None:
        return f"missing, expected one of: {', '.join(choices)}"
    return f"expected one of: {', '.join(choices)}, got {shown(got)}{did_you_mean(str(got), choices)}"


def _unknown_key(place: Place, top: type[BaseModel], top_keys: Sequence[str]) -> str:
    assert place.holder is not None
    key = place.path[-1]
    here = top_keys if place.holder is top else known_keys(place.holder)
    hint = did_you_mean(key, here)
    if not hint:
        same_key = (place for place in _paths(top) if place[0][-1] == key and place[0][0] in top_keys)
        elsewhere = next(same_key, None)
        hint = _elsewhere(place, *elsewhere) if elsewhere else ""
    where = "at the top level" if place.holder is top else "of this section"
    return f"unknown key{hint}; keys {where}: {', '.join(here)}"


def _elsewhere(place: Place, path: KeyPath, section: type[BaseModel]) -> str:
    """Hint at the section that has the key: elsewhere, or here with another choice of its kind."""
    tag = _tag_field(section)
    if path == place.path and tag:
        return f" (only with {tag[0]}: {', '.join(_tags(section))})"
    return f" (did you mean '{'.'.join(path)}'?)"


def _locate(loc: tuple[int | str, ...], top: type[BaseModel]) -> Place:
    """Follow `loc` through the schema, dropping the tags of unions and pydantic's ``[key]``."""
    path: list[str] = []
    holder: type[BaseModel] | None = None
    here: object = top
    for step in loc:
        members = _members(here)
        if len(members) > 1:
            here = next(member for member in members if step in _tags(member))
        elif step != "[key]":
            path.append(str(step))
            holder = members[0] if members else None
            here = _inside(here, str(step))
    return Place(tuple(path), holder, here)


def _inside(annotation: object, key: str) -> object:
    """Return the type under `key` of a section, or of a mapping's values."""
    members = _members(annotation)
    if members:
        field = members[0].model_fields.get(key)
        return None if field is None else field.annotation
    arguments = get_args(_bare(annotation))
    return arguments[-1] if arguments else None


def _bare(annotation: object) -> object:
    """Strip ``Annotated``, and the None of an optional type."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _members(annotation: object) -> list[type[BaseModel]]:
    """Return the section that a type is, or the sections that it may be."""
    bare = _bare(annotation)
    candidates = get_args(bare) if get_origin(bare) in {Union, types.UnionType} else (bare,)
    members = map(_bare, candidates)
    return [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]


def _tag_field(model: type[BaseModel]) -> tuple[str, FieldInfo] | None:
    """Return the field that tells a section from the others of its union: the first one with fixed choices, if any."""
    return next((item for item in model.model_fields.items() if get_origin(item[1].annotation) is Literal), None)


def _tags(annotation: object) -> list[str]:
    """List what tells the sections of a union apart: the choices of their fields, or else their own names."""
    fields = [(member, _tag_field(member)) for member in _members(annotation)]
    return [tag for member, field in fields for tag in (get_args(field[1].annotation) if field else [member.__name__])]


def _discriminator(place: Place) -> str:
    tag = _tag_field(_members(place.annotation)[0])
    assert tag is not None, "only unions that a field tells apart have an invalid tag"
    return tag[0]


def _section_keys(annotation: object) -> str:
    keys = [key for member in _members(annotation) for key in known_keys(member)]
    return ", ".join(dict.fromkeys(keys))


def _paths(model: type[BaseModel], above: KeyPath = ()) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """Yield the path of every key in the schema, and the section that has it."""
    for name, field in model.model_fields.items():
        yield (*above, name), model
        for member in _members(field.annotation):
            yield from _paths(member, (*above, name))
