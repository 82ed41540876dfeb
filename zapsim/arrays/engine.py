"""What an array engine is: the policies that it serves, a way to map a layer, and a way to time one stage of it."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from zapsim.arch.policy import Inputs, Outputs, Policy
from zapsim.arch.spec import ArchSpec
from zapsim.arrays.tiles import Tiles
from zapsim.counts import Counts, Cycles
from zapsim.errors import PolicyError
from zapsim.tracefile.packed import PackedMap
from zapsim.tracefile.records import ExitCounts
from zapsim.workload import ConvShape

Mapping = TypeVar("Mapping")
Made = TypeVar("Made")
Key = TypeVar("Key", bound=Hashable)

_MOST_MADE = 16
"""Architectures and mappings for which a demand remembers what an engine makes of it."""

_MOST_SUMMARIES = 4
"""Summaries of its maps that a demand remembers, for different arrays: each may be as large as a map."""


@dataclass(frozen=True, eq=False)
class Demand:
    """What one stage of a layer demands of the array.

    It remembers what an engine makes of it alone (:meth:`once`), for as long as the layer lives.

    Attributes
    ----------
    mask
        Outputs to compute (N, P, Q, K); None: all of them.
    positions
        bool (P, Q): the pixels at which this stage may compute anything, known before the mask is (a pattern, or the
        rest); None: all. The mask marks nothing elsewhere.
    mask_pixels
        bool (P, Q): the pixels whose outputs are computed or not as bits of the mask say at run time; None: what the
        stage computes is settled beforehand (everything, or a pattern).
    gate
        If set, the outputs that the mask leaves out still take their cycles, and are only gated.
    window_nonzero
        int32 (N, P, Q, groups): non-zero ifmap values among the C/groups · R · S that each output multiplies
        (:func:`zapsim.arrays.gating.window_nonzero`). None: inputs are not gated.
    ifmap_nonzero
        If set (N, H, W, C), MACs with a zero ifmap value take no cycle; `window_nonzero` is set too.
    exit_macs
        If set (N, P, Q, K), the MACs that each output takes with a check of the sign after every MAC.
    ifmap_coded_words
        Words of the whole ifmap as DRAM holds it (:func:`zapsim.timing.dram.coded_words`); None: as they are.
    """

    mask: PackedMap | None = None
    positions: NDArray[np.bool_] | None = None
    mask_pixels: NDArray[np.bool_] | None = None
    gate: bool = False
    window_nonzero: NDArray[np.int32] | None = None
    ifmap_nonzero: PackedMap | None = None
    exit_macs: ExitCounts | None = None
    ifmap_coded_words: int | None = None

    @cached_property
    def pixels(self) -> tuple[int, ...] | None:
        """Pixels of each ofmap row in which the stage may compute (P numbers); None: all."""
        return None if self.positions is None else tuple(self.positions.sum(axis=1).tolist())

    @cached_property
    def pixel_count(self) -> int | None:
        """Pixels of an image in which the stage may compute; None: all."""
        return None if self.pixels is None else sum(self.pixels)

    @cached_property
    def _made(self) -> OrderedDict[tuple[object, int, int], tuple[object, object, Any]]:
        return OrderedDict()

    def once(
        self,
        make: Callable[[ConvShape, ArchSpec, Any, Demand], Made],
        shape: ConvShape,
        arch: ArchSpec,
        mapping: object,
    ) -> Made:
        """Return ``make(shape, arch, mapping, self)``, which is computed once per architecture and mapping.

        For what does not change from run to run: sizes of tiles, limits, constants of kernels. What the stage costs is
        not remembered, since the next design asks something else.
        """
        key = make, id(arch), id(mapping)
        entry = self._made.get(key)
        if entry is None:  # an entry holds what its key names, so that no other object takes its place
            entry = self._made[key] = arch, mapping, make(shape, arch, mapping, self)
            if len(self._made) > _MOST_MADE:
                self._made.popitem(last=False)
        made: Made = entry[2]
        return made

    @cached_property
    def _summaries(self) -> OrderedDict[tuple[object, Hashable], Any]:
        return OrderedDict()

    def summary(self, make: Callable[[Demand, Key], Made], key: Key) -> Made:
        """Return ``make(self, key)``: what a mask leaves of a kind of tiles, which buffers and DRAM have no part in.

        It is computed once for equal keys, as maps do it (:meth:`zapsim.tracefile.packed.PackedMap.summary`), but only
        the last few are remembered.
        """
        place = make, key
        if place in self._summaries:
            self._summaries.move_to_end(place)
        else:
            self._summaries[place] = make(self, key)
            if len(self._summaries) > _MOST_SUMMARIES:
                self._summaries.popitem(last=False)
        made: Made = self._summaries[place]
        return made


@dataclass(frozen=True)
class StageShare:
    """What is known of a stage when the layer is mapped, before there are masks.

    Attributes
    ----------
    share
        Expected share of the layer's outputs that take time in the stage.
    pixels
        How many pixels of each ofmap row the stage may compute in (P numbers); None: all.
    by_mask
        Whether the outputs that take time are known only at run time, from the mask.
    name
        ``A`` (pattern) or ``B`` (rest); empty for the only stage of a layer.
    early_exit
        Whether outputs may end early, so that each weight has the place of its input beside it.
    """

    share: float = 1.0
    pixels: tuple[int, ...] | None = None
    by_mask: bool = False
    name: Literal["", "A", "B"] = ""
    early_exit: bool = False

    @cached_property
    def _hash(self) -> int:
        return hash((self.share, self.pixels, self.by_mask, self.name, self.early_exit))

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the hash, which is another one in another process."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


WHOLE_LAYER: Final = (StageShare(),)
"""One stage that computes everything."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """Cycles and actions of one stage.

    Attributes
    ----------
    cycles
        Cycles on the array, which sum to those of the tiles; ``compute`` includes the time in which the mean of the
        array waits for its slowest part.
    counts
        Actions of array, spads, buses and GLB. Executed and gated MACs are those that took a cycle; ``macs_lost`` are
        those among them that the demand did not mark. What DRAM moves, and what was skipped, is known only for the
        layer: ``dram_reads``, ``dram_writes`` and ``macs_skipped`` are 0.
    active_pes
        Largest number of PEs that work at the same time.
    tiles
        The same stage tile by tile.
    imbalance
        Work of the slowest over the mean work of those that wait for each other (1: nobody waits, or the engine does
        not say).
    """

    cycles: Cycles
    counts: Counts
    active_pes: int
    tiles: Tiles = dataclasses.field(compare=False)
    imbalance: float = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """The output and input policies that an engine can serve, and why not others if that is not plain."""

    outputs: frozenset[Outputs]
    inputs: frozenset[Inputs]
    why: str = ""

    def check(self, dataflow: str, policy: Policy) -> None:
        """Refuse a policy that makes no sense on this engine.

        Raises
        ------
        PolicyError
            Naming the field that is not served, and what would be.
        """
        article = "an" if dataflow[0] in "aeiou" else "a"
        fields = (("outputs", policy.outputs, sorted(self.outputs)), ("inputs", policy.inputs, sorted(self.inputs)))
        for field, value, served in fields:
            if value not in served:
                raise PolicyError(
                    f"policy {policy.name}: {article} {dataflow} array does not support {field} = {value}; "
                    f"it supports: {', '.join(served)}{f' ({self.why})' if self.why and value == 'gate' else ''}"
                )
        if policy.outputs == "early-exit" and policy.inputs != "dense":
            raise PolicyError(
                f"policy {policy.name}: outputs = early-exit goes with inputs = dense, got '{policy.inputs}': no trace "
                "says which zero inputs come before the exit"
            )


STANDARD: Final = Served(frozenset({"dense", "gate", "skip"}), frozenset({"dense", "gate"}))
"""What an array serves whose MACs all keep one pace: no output ends early, no MAC is passed over alone."""


class Engine(Protocol[Mapping]):
    """An array model: the policies that it serves, a mapping and a timing function, nothing else."""

    @property
    def served(self) -> Served:
        """Policies that the engine can serve; ``time_layer`` refuses all others."""

    def map_stages(
        self, shape: ConvShape, arch: ArchSpec, stages: Sequence[StageShare] = WHOLE_LAYER, coded: float = 1.0, /
    ) -> Sequence[Mapping]:
        """Put each stage of `shape` on the array; raise MappingError if one does not fit.

        For arrays whose best mapping depends on it: what is known of the layer's `stages`, and the size of the ifmap in
        DRAM as a share of its plain size.
        """

    def time_stage(self, shape: ConvShape, arch: ArchSpec, mapping: Mapping, demand: Demand) -> StageResult:
        """Count cycles and actions of one stage."""
