"""What scores the outputs of a layer: the interface of predictors and rules."""

from __future__ import annotations

from typing import Protocol

import torch


class Scorer(Protocol):
    """A layer's predictor, trained or not: :class:`~zapsim.frontend.training.predictor.Predictor` is one."""

    pattern: str

    def __call__(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap (images, K, P, Q); high ones mean "not zero"."""
        ...

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        ...

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        ...
