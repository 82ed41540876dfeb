"""Which tests meet the mutants of a file: the fast ones first."""

from __future__ import annotations

FOLDERS = ("arrays", "timing", "energy", "kernels")
"""Folders of zapsim whose code is changed."""

_WHOLE = ("properties/tile_walks", "unit/layer_timing", "properties/conservation", "properties/fair_baseline")
_TIMELINE = (
    "unit/timeline", "unit/predictor_unit", "unit/residency", "unit/layer_timing", "properties/timeline",
    "properties/coding", "unit/operand_loads", "unit/schedule_words", "metamorphic/images", "unit/lanes",
    "unit/pe_work", "properties/tile_walks", "properties/conservation", "properties/fair_baseline",
    "metamorphic/doubling", "unit/summaries", "unit/row_stationary", "unit/operations",
)  # fmt: skip
_BITS = ("unit/shares", "properties/bits", "unit/gating", "properties/coding")

_TESTS: dict[str, tuple[str, ...]] = {
    "zapsim/arrays/lanes": ("unit/lanes", "properties/lanes", "unit/lanes_early_exit", *_WHOLE),
    "zapsim/arrays/row_stationary": (
        "unit/row_stationary", "unit/row_stationary_balance", "properties/row_stationary",
        "properties/row_stationary_stages", "properties/row_stationary_search", "properties/row_stationary_loss",
        "published/eyeriss_alexnet", *_WHOLE,
    ),
    "zapsim/arrays/systolic": (
        "properties/tile_walks", "unit/systolic", "properties/systolic", *_WHOLE,
        "published/scalesim", "metamorphic/doubling",
    ),
    "zapsim/arrays": (*_BITS, "unit/pe_work", "unit/lanes", "unit/systolic", "properties/cached_engine", *_TIMELINE),
    "zapsim/timing": _TIMELINE,
    "zapsim/energy": ("unit/energy", "unit/area", "unit/energy_import", "published/eyeriss_energy"),
    "zapsim/kernels/early_exit": ("unit/lanes_early_exit",),
    "zapsim/kernels": (*_BITS, "unit/quota", *_TIMELINE, "properties/lanes"),
}  # fmt: skip


def tests_of(file: str) -> list[str]:
    """List the files of tests for a file of the models."""
    names = next(names for start, names in _TESTS.items() if file.startswith(start))
    paths = []
    for name in names:
        folder, _, what = name.partition("/")
        paths.append(f"tests/{folder}/test_{what}.py")
    return paths
