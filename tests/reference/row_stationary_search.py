"""The best row-stationary mapping by trying each one, parameter by parameter, and asking the engine."""

from itertools import product

from tests.builders import counts_with_dram
from tests.reference.row_stationary_cases import arch_of, mapping_of
from zapsim.arch.arrays import PassParameters
from zapsim.arrays.engine import Demand
from zapsim.arrays.row_stationary.limits import check_mapping
from zapsim.arrays.row_stationary.mapping import Resources, clamp
from zapsim.arrays.row_stationary.strips import WHOLE, Stage, stage_rows
from zapsim.arrays.row_stationary.timing import RowStationaryEngine
from zapsim.errors import MappingError
from zapsim.workload import ConvShape


def all_mappings(shape: ConvShape, have: Resources, stage: Stage = WHOLE):
    """Yield every mapping that passes the checks and has no parameter that the layer cannot use."""
    filters, channels = range(1, shape.K_per_group + 1), range(1, shape.C_per_group + 1)
    for n, e, p, q in product(range(1, shape.N + 1), range(1, shape.P + 1), filters, channels):
        for r, t, tiles in product(channels, filters, filters):
            mapping = mapping_of(tiles * p * t, n, e, p, q, r, t)
            if clamp(shape, mapping, len(stage_rows(shape, stage.pixels))) != mapping:
                continue
            try:
                check_mapping(shape, have, mapping, stage)
            except MappingError:
                continue
            yield mapping


def best_mapping(shape: ConvShape, have: Resources, score) -> PassParameters:
    """Return the mapping with the least score, GLB words, DRAM words, and (m, n, e, p, q, r, t), in this order."""
    arch, engine = arch_of(have), RowStationaryEngine()

    def rank(mapping: PassParameters):
        found = engine.time_stage(shape, arch, mapping, Demand())
        counts = counts_with_dram(found)
        glb = counts.glb_reads + counts.glb_writes
        return score(found), glb, counts.dram_reads, tuple(mapping.model_dump().values())

    return min(all_mappings(shape, have), key=rank)
