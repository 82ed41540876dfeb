"""JSON Schemas (draft 2020-12) of the files that people write and read, made from what loads them.

They hold keys, types and units, which editors complete and check. What depends on more than one key (a section whose
base gives the rest, sizes that must fit) is for the loader to say.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from zapsim.arch.spec import ArchSpec
from zapsim.columns import FILE_COLUMNS
from zapsim.counts import Counts, Cycles
from zapsim.energy.model import COMPONENTS
from zapsim.results import FIELD_TYPES, SCHEMA
from zapsim.workload import ConvShape

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_SOURCE: Final[Schema] = {"$ref": "#/$defs/source"}


def architecture_schema() -> Schema:
    """Describe an architecture file: any value may have its source, and a base may give what is missing."""
    schema = _described(ArchSpec)
    del schema["properties"]["sources"]
    needed = schema["required"]
    for section in (schema, *schema["$defs"].values()):
        _open_section(section, schema["$defs"])
    schema["$defs"]["source"] = {"type": "string", "minLength": 1, "description": "where the value is from"}
    base = {"type": "string", "description": "the file, or the name of the architecture, to start from"}
    schema["properties"] = {"base": base, **schema["properties"]}
    schema["anyOf"] = [{"required": ["base"]}, {"required": needed}]
    del schema["properties"]["source"]
    return _titled(schema, "zapsim architecture")


def space_schema() -> Schema:
    """Describe a space file."""
    from zapsim.exploration.space_file import SpaceFile

    return _titled(_described(SpaceFile), "zapsim space of designs")


def points_schema() -> Schema:
    """Describe a file of operating points, as ``zapsim tune`` writes it."""
    from zapsim.frontend.tuning.operating_points import PointsFile

    return _titled(_described(PointsFile), "zapsim operating points")


def result_schema() -> Schema:
    """Describe a result, as ``zapsim run --format json`` writes it."""
    whole, number, text = {"type": "integer"}, {"type": "number"}, {"type": "string"}
    outcome = _record({
        **dict.fromkeys(("total_cycles", "demanded_macs", "predictor_busy_cycles", "active_pes"), whole),
        "cycles": _record(dict.fromkeys(Cycles._fields, whole)),
        "counts": _record(dict.fromkeys(Counts._fields, whole)),
        "energy_pj": _record(dict.fromkeys(COMPONENTS, number), optional=("dram",)),
        **dict.fromkeys(("total_energy_pj", "imbalance_ratio"), number),
    })  # fmt: skip
    column = {"type": ["number", "string", "null"]}
    comparison = {
        "columns": _record({shown.key: column for shown in FILE_COLUMNS}),
        "baseline": {"$ref": "#/$defs/outcome"},
        "policy": {"$ref": "#/$defs/outcome"},
    }
    shape = {part.name: {"type": ["integer", "string", "array"]} for part in fields(ConvShape)}
    layer: dict[str, Schema] = {"shape": _record(shape), "predictor": text, **comparison}
    json_types = {str: "string", list: "array", dict: "object", float: "number"}
    orders = ("filter_order", "order_note")
    properties: dict[str, Schema] = {
        "$schema": {"const": SCHEMA},
        "headline": text,
        **{name: {"type": json_types[kind]} for name, kind in FIELD_TYPES.items()},
        "layers": {"type": "array", "items": _record(layer)},
        "total": _record(comparison),
        "over_images": {"type": "object"},
        "each_image": {"type": "array", "items": _record(comparison)},
    }
    schema = {**_record(properties, optional=("$schema", *orders)), "$defs": {"outcome": outcome}}
    return _titled(schema, "zapsim result")


SCHEMAS: Final[dict[str, Callable[[], Schema]]] = {
    "architecture": architecture_schema,
    "space": space_schema,
    "points": points_schema,
    "result": result_schema,
}
"""What makes the schema of each kind of file."""


def schema_text(kind: str) -> str:
    """Write the schema of one of :data:`SCHEMAS` as JSON."""
    return json.dumps(SCHEMAS[kind](), indent=1, ensure_ascii=False) + "\n"


def _record(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Describe an object that has all of `properties` but the `optional` ones, and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def _titled(schema: Schema, title: str) -> Schema:
    return {"$schema": DIALECT, "title": title, **{key: value for key, value in schema.items() if key != "title"}}


def _described(model: type[BaseModel]) -> Schema:
    """Return pydantic's schema of a file, whose keys are described as the classes' docstrings do."""
    schema = model.model_json_schema()
    classes = {one.__name__: one for one in _subclasses(BaseModel)}
    for name, section in (*schema.get("$defs", {}).items(), (model.__name__, schema)):
        summary, attributes = _docstring(classes[name]) if name in classes else ("", {})
        if summary:
            section["description"] = summary
        for key, value in section.get("properties", {}).items():
            _plain(value)
            if key in attributes:
                value["description"] = attributes[key]
        section.pop("title", None)
    return schema


def _subclasses(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for child in model.__subclasses__() for found in (child, *_subclasses(child))]


def _plain(value: Schema) -> None:
    """Drop what says nothing to a reader: titles made of the key, and defaults that are no text of a file."""
    value.pop("title", None)
    value.pop("discriminator", None)
    if "default" in value and not isinstance(value["default"], (bool, str)) and value.get("type") != "integer":
        del value["default"]
    names = value.pop("propertyNames", {}).get("enum")
    if names is not None:  # as keys, so that editors complete them
        value["properties"] = {name: value["additionalProperties"] for name in names}
        value["additionalProperties"] = False


def _docstring(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Split a docstring into its first line and what it says of each attribute."""
    text = inspect.getdoc(model) or ""
    plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "`")
    summary = " ".join(plain.split("\n\n")[0].split())
    listed = plain.partition("Attributes\n----------\n")[2]
    attributes = {}
    for entry in re.finditer(r"^(\S[^\n]*)\n((?: +[^\n]*\n?)+)", listed, flags=re.MULTILINE):
        for name in entry[1].split(","):
            attributes[name.strip()] = " ".join(entry[2].split())
    return summary, attributes


def _open_section(section: Schema, definitions: Mapping[str, Schema]) -> None:
    """Let a section have a source, and each value in it; no key is needed, since a base may give it."""
    section.pop("required", None)
    for key, value in section["properties"].items():
        if "properties" in value:
            _open_section(value, definitions)
        elif "oneOf" in value:  # sections that are told apart by keys which a base may give
            value["anyOf"] = value.pop("oneOf")
        elif isinstance(value.get("additionalProperties"), dict):
            inner = value["additionalProperties"]
            if "oneOf" in inner:
                inner["anyOf"] = inner.pop("oneOf")
            value["properties"] = {"source": _SOURCE}
        elif "$ref" not in json.dumps(value):
            section["properties"][key] = _sourced(value)
    section["properties"]["source"] = _SOURCE


def _sourced(value: Schema) -> Schema:
    """Let a value stand alone or beside its source."""
    description = {"description": value.pop("description")} if "description" in value else {}
    pair = {
        "type": "object",
        "properties": {"value": value, "source": _SOURCE},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {**description, "anyOf": [value, pair]}
