"""Checkpoints of training: a safetensors file (no pickle) from which a run continues, bit for bit."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from zapsim.errors import FrontendError
from zapsim.files import write_atomically
from zapsim.frontend.network.weights import check_digest, digest, read_tensors, tensor_file
from zapsim.frontend.training.learner import Learner

METADATA_KEY = "zapsim_checkpoint"


class _Progress(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    run: dict[str, Any]
    epoch: int
    step: int
    losses: dict[str, list[float]]
    history: dict[str, list[float]]
    savings: dict[str, float | None]
    tensors_sha256: str


@dataclass(slots=True)
class Checkpoint:
    """Where a training run keeps its state, and which run it is.

    Attributes
    ----------
    path
        The file.
    run
        All that makes two runs the same (plain values); a file of another run is refused.
    interval_s
        Seconds between two writes.
    """

    path: Path
    run: Mapping[str, Any]
    interval_s: float
    _written: float = 0.0

    def __post_init__(self) -> None:
        self._written = time.monotonic()

    def save(self, epoch: int, step: int, learners: Mapping[str, Learner]) -> None:
        """Write the state after `step` batches of `epoch`, unless the interval since the last write is not over."""
        if time.monotonic() - self._written < self.interval_s:
            return
        tensors = {
            f"{layer}/{name}": value for layer, learner in learners.items() for name, value in learner.tensors().items()
        }
        progress = _Progress(
            run=dict(self.run),
            epoch=epoch,
            step=step,
            losses={name: learner.losses for name, learner in learners.items()},
            history={name: learner.history for name, learner in learners.items()},
            savings={name: None if isnan(learner.saving) else learner.saving for name, learner in learners.items()},
            tensors_sha256=digest(tensors),
        )
        write_atomically(self.path, tensor_file(tensors, METADATA_KEY, progress.model_dump_json()), parents=True)
        self._written = time.monotonic()

    def restore(self, learners: Mapping[str, Learner]) -> tuple[int, int]:
        """Put the file's state into `learners`; return the epoch and the number of its batches that are done.

        Without a file, return (0, 0).

        Raises
        ------
        FrontendError
            If the file is damaged or foreign, or belongs to another run.
        """
        if not self.path.exists():
            return 0, 0
        progress, tensors = self._read()
        changed = [name for name, value in self.run.items() if progress.run.get(name) != _plain(value)]
        if changed:
            raise FrontendError(
                f"{self.path}: a checkpoint of another run (not the same {', '.join(changed)}); "
                "delete it to start again, or name another file with --checkpoint"
            )
        try:
            for layer, learner in learners.items():
                prefix = f"{layer}/"
                learner.restore({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
                learner.losses[:] = progress.losses[layer]
                learner.history[:] = progress.history[layer]
                saving = progress.savings[layer]
                learner.saving = float("nan") if saving is None else saving
        except (KeyError, RuntimeError) as error:
            raise FrontendError(f"{self.path}: does not fit the predictors ({error})") from None
        return progress.epoch, progress.step

    def _read(self) -> tuple[_Progress, dict[str, torch.Tensor]]:
        header, tensors = read_tensors(self.path, METADATA_KEY, "checkpoint")
        try:
            progress = _Progress.model_validate_json(header)
        except ValidationError:
            raise FrontendError(f"{self.path}: not a checkpoint of zapsim train") from None
        check_digest(self.path, tensors, progress.tensors_sha256)
        return progress, tensors


def _plain(value: object) -> object:
    """Return `value` as it comes back from JSON."""
    return json.loads(json.dumps(value))
