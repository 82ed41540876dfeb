"""Reading one YAML file: plain values only, every fault one line that says where it is."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from zapsim.errors import ConfigError, shown


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses what a reader would misread: keys given twice, keys that are not text, aliases."""

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
    """Return the mapping in the YAML file at `path`.

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
    """Return the value that `text` has in YAML.

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
    """Return place and problem of a YAML error on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        what = " ".join(str(error.problem).split())
        return f"line {mark.line + 1}, column {mark.column + 1}: {what}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1}: {error.reason}"
    return f"a value that YAML cannot read: {error}"
