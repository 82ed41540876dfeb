"""Which limits of the array a row-stationary mapping must keep, and what is said of one that breaks them."""

from __future__ import annotations

import numpy as np

from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import Resources, set_columns, sets_beside
from zapsim.arrays.row_stationary.strips import WHOLE, Stage, glb_strips
from zapsim.errors import MappingError
from zapsim.workload import ConvShape


def check_mapping(shape: ConvShape, array: Resources, mapping: PassParameters, stage: Stage = WHOLE) -> None:
    """Check the mapping of a stage against every limit of the array.

    Raises
    ------
    MappingError
        If the layer fits in no way, or the mapping breaks limits: all of them, each with the words or sets that it
        needs and those that there are.
    """
    check_mappable(shape, array, stage)
    p, q, r, t = mapping.p, mapping.q, mapping.r, mapping.t
    ifmap_strip, psum_strip, pointers = glb_strips(shape, mapping.e, array, stage)
    psum_words = mapping.n * mapping.m * psum_strip + mapping.m // p * pointers
    columns = set_columns(array, np.array(mapping.e))
    limits = [
        ("ifmap spad", "q·S", q * shape.S, array.ifmap_spad, "words"),
        ("filter spad", "p·q·S", p * q * shape.S, array.filter_spad, "words"),
        ("psum spad", "p", p, array.psum_spad, "words"),
        (
            "GLB", "n·q·r ifmap strips + n·m psum strips",
            mapping.n * q * r * ifmap_strip + psum_words, array.glb_words, "words",
        ),
        (
            f"{array.rows}×{array.cols} PEs", f"t filter groups, each of r sets of {shape.R}×{columns} PEs,",
            t, int(sets_beside(array, shape.R, np.array(mapping.e), np.array(r))), "groups",
        ),
    ]  # fmt: skip
    if array.filters_ahead is not None:
        words = p * t * q * r * shape.R * shape.S
        limits.insert(4, ("filter buffer", "p·t·q·r·R·S of a pass", words, array.filters_ahead, "words"))
    faults = [
        f"{name}: {formula} needs {needed} {unit}, there are {limit} ({needed - limit} too many)"
        for name, formula, needed, limit, unit in limits
        if needed > limit
    ]
    if mapping.m % (p * t):
        faults.append(f"m = {mapping.m} is not a multiple of the {p * t} filters (p·t) of a pass")
    if faults:
        values = ", ".join(f"{name}={value}" for name, value in mapping.model_dump().items())
        raise MappingError(f"layer {shape.name}: mapping {values}: " + "; ".join(faults))


def check_mappable(shape: ConvShape, array: Resources, stage: Stage = WHOLE) -> None:
    """Check that some mapping of the stage exists.

    Raises
    ------
    MappingError
        If none does; the message says what would make the layer fit.
    """
    least = sum(glb_strips(shape, 1, array, stage))
    filter_words = shape.R * shape.S
    needs = (
        (shape.R, array.rows, "filter rows R", "array rows"),
        (shape.S, array.ifmap_spad, "filter columns S", "words in the ifmap spad"),
        (shape.S, array.filter_spad, "filter columns S", "words in the filter spad"),
        (filter_words, array.filters_ahead or filter_words, "words of one filter", "words in the filter buffer"),
        (least, array.glb_words, "words of one ifmap strip and one row of psums", "words in the GLB"),
    )  # fmt: skip
    faults = [
        f"{needed} {what} do not fit {limit} {where}; it would take at least {needed}"
        for needed, limit, what, where in needs
        if needed > limit
    ]
    if faults:
        raise MappingError(f"layer {shape.name} cannot be mapped: " + "; ".join(faults))
