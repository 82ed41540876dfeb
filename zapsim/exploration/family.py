"""Families of designs: they differ only in what comes behind the tiles of a layer, so that tiles are made once for all.

Members of a family have the same array, masks, mappings, loads and DRAM channel. They differ in how fast their
predictors are, in clock gating and in areas.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.policy import Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.engine import Engine
from zapsim.arrays.engine_inputs import engine_inputs
from zapsim.counts import Counts, Cycles
from zapsim.errors import ZapsimError
from zapsim.exploration.network_sums import NetworkSums
from zapsim.kernels import timeline as kernels
from zapsim.kernels.timeline_rows import JOB_LATENCY, UNIT_CYCLES, run_rows
from zapsim.simulation import gains_by_two_stages, layer_outcome
from zapsim.timing.combination import clocked_cycles, layer_counts, layer_cycles
from zapsim.timing.layer import LayerWork, layer_work, time_in_two_stages
from zapsim.timing.predictor import unit_time
from zapsim.timing.residency import Residency
from zapsim.timing.timeline.fast import check_end
from zapsim.timing.timeline.schedule import LayerPlan, layer_plan
from zapsim.timing.timeline.times import Stalls
from zapsim.tracefile.records import LayerTrace

Ints = NDArray[np.int64]

_CYCLES, _COUNTS = list(Cycles().as_dict()), list(Counts().as_dict())
_PREDICTOR, _DRAM_READ, _DRAM_WRITE, _BUFFER = map(_CYCLES.index, ("predictor", "dram_read", "dram_write", "buffer"))
_SKIPPED, _READS, _WRITES, _PE_CYCLES = map(
    _COUNTS.index, ("macs_skipped", "dram_reads", "dram_writes", "pe_active_cycles")
)
_WAITING = [place for place, name in enumerate(_CYCLES) if Cycles(**{name: 1}).waiting]
"""Places of what counts as waiting among the fields of :class:`~zapsim.counts.Cycles`."""


def family_key(arch: ArchSpec, policy: Policy) -> Hashable:
    """Return a value that the designs of a family have in common, and no others."""
    faster = set() if arch.predictor.layers == "paying" else {"lanes", "latency"}  # who pays is a matter of speed
    return arch.name, engine_inputs(arch).to_map, arch.predictor.model_dump_json(exclude=faster), policy


def _equal(some: Ints, others: Ints) -> bool:
    return some is others or np.array_equal(some, others)


class Timelines:
    """The timelines of one layer that have run: designs whose buffers make no difference to a layer have the same."""

    def __init__(self) -> None:
        self._ran: dict[Hashable, list[tuple[LayerPlan, Ints]]] = {}

    def run(self, plan: LayerPlan, rows: Ints) -> Ints:
        """Run the tiles of `plan` with the numbers of each design (:func:`zapsim.kernels.timeline_rows.run_rows`)."""
        alike = self._ran.setdefault((plan.a.shape, plan.b.shape, rows.tobytes()), [])
        for before, ran in alike:
            if all(map(_equal, before[-2::-1], plan[-2::-1])):  # the largest table last
                return ran
        ran = run_rows(*plan[:-1], rows)
        alike.append((plan, ran))
        return ran


class Family:
    """A family of designs, of which the layers of a network are timed one after another under one policy.

    Attributes
    ----------
    policy
        The policy.

    Parameters
    ----------
    archs
        The designs: all have the same :func:`family_key`.
    policy, engines
        As for :func:`zapsim.simulation.layer_timing`.
    """

    def __init__(self, archs: Sequence[ArchSpec], policy: Policy, engines: Mapping[str, Engine[Any]]) -> None:
        self._archs, self.policy = archs, policy
        self._engine = engines[archs[0].array.dataflow]
        self._shared: list[tuple[Cycles, Counts, int, int, int]] = []
        self._ran: list[Ints] = []
        self._units: list[list[tuple[int, int]]] = []

    def run(self, layer: LayerTrace, resident: Residency, timelines: Timelines) -> None:
        """Time the next layer on all designs; errors are those of :func:`zapsim.timing.layer.time_layer`."""
        work = layer_work(self._engine, self._archs[0], layer, self.policy, resident)
        plan = layer_plan(
            work.arch, [stage.tiles for stage in work.stages], work.loads, work.ofmap_words, work.predictor.prediction
        )
        rows = np.repeat(plan.numbers[np.newaxis], len(self._archs), axis=0)
        units = []
        for row, arch in zip(rows, self._archs, strict=True):
            time = unit_time(arch.predictor, work.unit, work.gated)
            row[UNIT_CYCLES], row[JOB_LATENCY] = time.between, arch.predictor.latency
            units.append((time.beside, time.busy + work.predictor.prediction.array_cycles))
        self._ran.append(timelines.run(plan, rows))
        self._units.append(units)
        self._shared.append(_shared(work))

    def sums(self) -> list[NetworkSums | ZapsimError]:
        """Return the sums over all layers that have run, for each design, or the error that leaves it without."""
        ran, units = np.stack(self._ran, axis=1), np.array(self._units, dtype=np.int64).transpose(1, 0, 2)
        shared_cycles, shared_counts, array_cycles, demanded, active = zip(*self._shared, strict=True)
        cycles = _repeated([part.values() for part in shared_cycles], len(self._archs))
        counts = _repeated([part.values() for part in shared_counts], len(self._archs))
        cycles[..., _PREDICTOR] += ran[..., kernels.PREDICTOR] + np.maximum(units[..., 0] - ran[..., kernels.END], 0)
        cycles[..., _DRAM_READ] += ran[..., kernels.DRAM_READ]
        cycles[..., _DRAM_WRITE] += ran[..., kernels.DRAM_WRITE]
        cycles[..., _BUFFER] += ran[..., kernels.BUFFER]
        counts[..., _READS] += ran[..., kernels.LOADED] + ran[..., kernels.PSUM_WORDS]
        counts[..., _WRITES] += ran[..., kernels.SPILLED_WORDS]
        totals, waiting = cycles.sum(axis=-1), cycles[..., _WAITING].sum(axis=-1)
        pe_cycles = [part.pe_active_cycles for part in shared_counts]
        results: list[NetworkSums | ZapsimError] = []
        for row, arch in enumerate(self._archs):
            times = zip(pe_cycles, array_cycles, totals[row].tolist(), waiting[row].tolist(), strict=True)
            counts[row, :, _PE_CYCLES] += [clocked_cycles(arch.clock_gating, *layer) for layer in times]
            single = np.column_stack([demanded, units[row, :, 1], active])
            try:
                check_end(int(ran[row, :, kernels.END].min()))
                results.append(NetworkSums.of(arch, cycles[row], counts[row], single))
            except ZapsimError as error:
                results.append(error)
        return results


def _repeated(layers: Sequence[Sequence[int]], designs: int) -> Ints:
    """Repeat what all designs have in common: int64 (designs, layers, fields)."""
    return np.repeat(np.array(layers, dtype=np.int64)[np.newaxis], designs, axis=0)


def _shared(work: LayerWork) -> tuple[Cycles, Counts, int, int, int]:
    """Return what a layer takes on all designs without its timeline.

    Cycles, actions, cycles on the array, demanded MACs, and the most PEs at work.
    """
    plan = work.predictor.prediction
    on_array = Counts.sum_of((*(stage.counts for stage in work.stages), work.predictor.counts))
    return (
        layer_cycles(work.stages, Stalls(), plan.array_cycles, 0),
        layer_counts(work.shape, on_array, plan.dram_reads, work.ofmap_words + plan.spilled_words),
        sum(stage.cycles.total for stage in work.stages),
        work.demanded_macs,
        max((stage.active_pes for stage in work.stages), default=0),
    )


def fair_baselines(
    arch: ArchSpec,
    layers: Sequence[LayerTrace],
    policies: tuple[Policy, Policy],
    sums: tuple[NetworkSums, NetworkSums],
    residency: Sequence[Residency],
    engines: Mapping[str, Engine[Any]],
) -> NetworkSums:
    """Return what each layer is compared with, as :func:`zapsim.simulation.fair_baseline` does."""
    baseline, after = sums
    totals, skipped = (one.cycles.sum(axis=1).tolist() for one in sums), after.counts[:, _SKIPPED].tolist()
    for index, (before, now, macs_skipped) in enumerate(zip(*totals, skipped, strict=True)):
        if gains_by_two_stages(layers[index], policies[1], before, now, macs_skipped):
            split = time_in_two_stages(
                engines[arch.array.dataflow], arch, layers[index], policies[0], resident=residency[index]
            )
            if split.cycles.total < before:
                baseline = baseline.with_layer(index, layer_outcome(arch, split))
    return baseline
