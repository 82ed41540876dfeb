"""What scores the outputs of a layer: the interface of predictors and rules."""

from __future__ import annotations

from typing import Protocol

import torch

from zapsim.tracefile.predictor_work import PredictorWork


class Scorer(Protocol):
    """A layer's predictor, trained or not: every :class:`~zapsim.frontend.methods.predictor.Predictor` is one."""

    pattern: str

    @property
    def method(self) -> str:
        """Name of the method."""
        ...

    def work(self, threshold: float) -> PredictorWork:
        """Return what it does in hardware at a threshold."""
        ...

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap (images, K, P, Q); high ones mean "not zero"."""
        ...

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        ...

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        ...
