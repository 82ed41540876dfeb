"""``dram: {preset: ddr3-1600}``: a section that starts from shipped values, which keys beside it replace."""

from __future__ import annotations

from pathlib import Path

import zapsim
from zapsim.arch.document import Document, KeyPath, document
from zapsim.arch.yaml_file import read_mapping
from zapsim.errors import did_you_mean, shown

_KEY: KeyPath = ("dram", "preset")


def config_directory() -> Path:
    """Return the folder of the shipped architecture files: inside the package if installed so, else beside it."""
    package = Path(zapsim.__file__).parent
    inside = package / "arch_configs"
    return inside if inside.is_dir() else package.parent / "arch_configs"


def known_dram_presets() -> list[str]:
    """Return the names of the shipped DRAM channels, sorted."""
    return sorted(path.stem for path in (config_directory() / "dram").glob("*.yaml"))


def with_presets(given: Document) -> Document:
    """Return `given` laid over the preset that it names, if any; an unknown name becomes a fault."""
    leaf = given.leaves.get(_KEY)
    if leaf is None:
        return given
    known = known_dram_presets()
    if leaf.value not in known:
        hint = did_you_mean(str(leaf.value), known)
        fault = f"expected one of: {', '.join(known)}, got {shown(leaf.value)}{hint}"
        return Document(given.leaves, (*given.faults, f"{leaf.origin}: {'.'.join(_KEY)}: {fault}"))
    path = config_directory() / "dram" / f"{leaf.value}.yaml"
    return given.over(document(read_mapping(path), f"dram/{path.name}"))
