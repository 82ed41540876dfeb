"""YAML as people mean it: plain values only, bounded in depth and number, without the surprises of YAML 1.1.

YAML 1.1 reads ``010`` as 8, ``1:20`` as 80, ``no`` as false and ``2016-01-01`` as a date. A file that holds one of them
is refused, with what to write instead. Tags, merge keys and aliases of sections are refused, too.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from zapsim.errors import ConfigError, printable, shown
from zapsim.reading.regular_file import MOST_OF_YAML, os_fault, read_utf8
from zapsim.reading.text import text_fault

_DEEPEST = 40
_MOST_NODES = 20_000
_MOST_DIGITS = 18
_LONGEST_KEY = 200
_SECTION = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FRACTION = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][-+]?[0-9]+)?")
_BRACKETS = re.compile(rf"(?:[\[{{]\s*){{{_DEEPEST + 1}}}")
_EXAMPLE = "expected keys and values such as 'clock: 200 MHz'"


class _PlainLoader(yaml.SafeLoader):
    """A safe loader that refuses what a reader would misread, with the line of each fault."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.faults: list[str] = []
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, within the limits; an alias of a section could hold itself, or grow without bound."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._nodes += 1
        if self._depth >= _DEEPEST:
            raise _fault("nested too deeply", event)
        if self._nodes > _MOST_NODES:
            raise _fault(f"more than {_MOST_NODES:,} values", event)
        if getattr(event, "tag", None) is not None:
            raise _fault(f"tags ({printable(str(event.tag))[:60]}) are not read; write the value as it is", event)
        is_alias = isinstance(event, yaml.AliasEvent)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
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
            if key_node.tag != f"{_SECTION}str":
                self.faults.append(f"line {line}: {_key_fault(key_node)}")
                continue
            key = self.construct_object(key_node, deep=True)
            if not key.isprintable() or len(key) > _LONGEST_KEY:
                what = f"a key must be one printable line of at most {_LONGEST_KEY} characters"
                self.faults.append(f"line {line}: {what}, got {shown(key)}")
            elif key in lines:
                self.faults.append(f"line {line}: key '{key}' is given twice (first on line {lines[key]})")
            else:
                lines[key] = line
                pairs.append((key_node, value_node))
        node.value = pairs
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Construct text."""
        if fault := text_fault(node.value, lines=True):
            raise _fault(fault, node)
        return str(node.value)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """Construct a whole number in decimal."""
        text = node.value
        if not _INTEGER.fullmatch(text):
            value = None if len(text) > 60 else _value_in_yaml_1_1(self, node)
            meant = "in another base than ten" if value is None else f"as {value}"
            plain = text.lstrip("-+0_").replace("_", "")
            numbers = dict.fromkeys(str(each) for each in (plain, value) if str(each).lstrip("-").isdigit())
            decimal = " or ".join(numbers) or "it"
            raise _fault(
                f"YAML 1.1 reads {shown(text)} {meant}; write {decimal} in decimal, or in quotes as text", node
            )
        digits = text.replace("_", "")
        if len(digits.lstrip("-+")) > _MOST_DIGITS:
            raise _fault(f"a number of {len(digits)} digits is out of range", node)
        return int(digits)

    def construct_fraction(self, node: yaml.ScalarNode) -> float:
        """Construct a finite number with a decimal point."""
        text = node.value
        value = float(text.replace("_", "")) if _FRACTION.fullmatch(text) else float("nan")
        if not isfinite(value):
            raise _fault(f"expected a finite number in decimal, got {shown(text)} (in quotes if it is text)", node)
        return value

    def construct_truth(self, node: yaml.ScalarNode) -> bool:
        """Construct true or false; yes, no, on and off are mostly meant as something else."""
        text = node.value.lower()
        if text not in {"true", "false"}:
            value = "true" if text in {"yes", "on", "y"} else "false"
            hint = f"write {value}, a number, or in quotes as text"
            raise _fault(f"YAML 1.1 reads {shown(node.value)} as {value}; {hint}", node)
        return bool(text == "true")

    def construct_date(self, node: yaml.ScalarNode) -> object:
        """Refuse a date."""
        raise _fault(f"YAML 1.1 reads {shown(node.value)} as a date; put it in quotes", node)


for _tag, _constructor in (
    ("str", _PlainLoader.construct_text),
    ("value", _PlainLoader.construct_text),
    ("int", _PlainLoader.construct_whole),
    ("float", _PlainLoader.construct_fraction),
    ("bool", _PlainLoader.construct_truth),
    ("timestamp", _PlainLoader.construct_date),
):
    _PlainLoader.add_constructor(f"{_SECTION}{_tag}", _constructor)


def _key_fault(node: yaml.Node) -> str:
    """Say what is wrong with a key that is not text."""
    if node.tag == f"{_SECTION}merge":
        return "merge keys (<<) are not read; write the section out, or use base:"
    if isinstance(node, yaml.CollectionNode):
        return "a key must be text, got a list or a section (put it in quotes)"
    return f"a key must be text, got {shown(node.value) if node.value else 'nothing'} (put it in quotes)"


def _value_in_yaml_1_1(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | None:
    try:
        return int(yaml.constructor.SafeConstructor.construct_yaml_int(loader, node))
    except (ValueError, IndexError, OverflowError):
        return None


def _fault(problem: str, place: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _load(text: str) -> tuple[object, list[str]]:
    """Read the one document of `text`; return its value, and the faults of its keys.

    Raises
    ------
    ValueError
        With place and problem of the first fault that ends the reading.
    """
    if _BRACKETS.search(text):  # PyYAML would take long to find out
        raise ValueError("nested too deeply")
    loader = None
    try:
        loader = _PlainLoader(text)
        return loader.get_single_data(), loader.faults
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except Exception as error:  # PyYAML's constructors raise what Python's do (IndexError, OverflowError, ...)
        raise ValueError(_where_and_what(error)) from None
    finally:
        if loader is not None:
            loader.dispose()


def read_mapping(path: Path) -> dict[str, Any]:
    """Read the mapping in the YAML file at `path`.

    Raises
    ------
    ConfigError
        If the file cannot be read, is too large, is not YAML of plain values, holds no mapping, or has a key twice or
        one that is not text.
    """
    name = printable(path.name)
    try:
        values, faults = _load(read_utf8(path, MOST_OF_YAML, "YAML", ConfigError))
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    if faults:
        raise ConfigError(f"{name}: {fault}" for fault in faults)
    if not isinstance(values, dict):
        what = "is empty" if values is None else f"holds {shown(values)}"
        raise ConfigError(f"{name}: {what}, {_EXAMPLE}")
    return values


def read_value(text: str) -> object:
    """Read `text` (of ``--set``) as one YAML value: a scalar, or a list in brackets.

    Raises
    ------
    ValueError
        If it is neither; the message says what is wrong.
    """
    try:
        value, faults = _load(text)
    except ValueError as error:
        fault = str(error)
        if "YAML 1.1" in fault or "finite" in fault or "out of range" in fault:
            raise ValueError(fault.partition(": ")[2]) from None
        raise ValueError(f"{shown(text)} is not one YAML value") from None
    if faults or value is None or isinstance(value, dict):
        raise ValueError(f"{shown(text)} is not one YAML value")
    return value


def _where_and_what(error: Exception) -> str:
    """Put place and problem of a YAML error on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        what = printable(" ".join(str(error.problem).split()))[:200]
        return f"line {mark.line + 1}, column {mark.column + 1}: {what}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1}: {error.reason}"
    return f"a value that YAML cannot read: {os_fault(error)}"
