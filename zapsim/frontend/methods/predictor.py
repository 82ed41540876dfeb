"""What every prediction method is: a predictor of one layer, which scores the outputs outside the pattern.

Contract:

- A predictor sees the post-ReLU outputs of the pattern and nothing else: change an output outside the pattern, and no
  score changes. Scores rise with the belief that an output is not zero; thresholds are from -1 to 1.
- Channels do not mix, so that a layer can be scored in groups of channels (a rule that is not trained gets all).
- What a file must hold is in :meth:`Predictor.tensors`; what hardware does is in :meth:`Predictor.work`.
- A method that learns has parameters. All methods and layers learn in the same forward passes, without labels
  (:mod:`zapsim.frontend.training.learner`); :meth:`Predictor.start` comes before, :meth:`Predictor.finish` after.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import nn

from zapsim.frontend.elementwise import above
from zapsim.patterns import pattern_map, pattern_tile
from zapsim.tracefile.predictor_work import PredictorWork

ALL_CHANNELS = slice(None)

_GROUP_VALUES = 2**20


class Predictor(nn.Module, ABC):
    """Guesses which outputs of one layer outside the pattern are non-zero from those inside it.

    Parameters
    ----------
    channels
        Channels of the ofmap.
    pattern
        Name of the pattern whose outputs are computed first.

    Attributes
    ----------
    method
        The method's name in commands, files and traces.
    summary
        What it does, in a few words.
    trained
        Whether it learns from pictures.

    Raises
    ------
    ZapsimError
        If there is no such pattern.
    """

    method: ClassVar[str]
    summary: ClassVar[str]
    trained: ClassVar[bool] = True

    def __init__(self, channels: int, pattern: str) -> None:
        super().__init__()
        pattern_tile(pattern)
        self.channels = channels
        self.pattern = pattern

    @abstractmethod
    def forward(self, ofmap: torch.Tensor, channels: slice = ALL_CHANNELS) -> torch.Tensor:
        """Return a score for every output of a post-ReLU ofmap; those inside the pattern mean nothing.

        Parameters
        ----------
        ofmap
            (images, channels, rows, columns).
        channels
            Which of the layer's channels `ofmap` holds.
        """

    @abstractmethod
    def work(self, threshold: float) -> PredictorWork:
        """Return what the hardware does for the layer at a threshold."""

    def start(self, saturating: bool = True) -> None:
        """Set the parameters from which the recipes ``weighted`` and ``harm`` start (default: as constructed).

        `saturating` says whether scores may stop rising, as chances do (``weighted``), or should not (``harm``).
        """

    def start_as_published(self) -> None:
        """Set the parameters from which the recipe ``paper`` starts (default: as they were constructed)."""

    def watch(self, ofmap: torch.Tensor) -> None:
        """Look at a whole ofmap of a training batch, before the step (default: nothing is kept)."""

    def finish(self) -> None:
        """Complete the predictor after training, for instance by rounding its weights (default: nothing)."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a file holds: the state, but for counts of batches, which only training uses."""
        return {name: value for name, value in self.state_dict().items() if "num_batches" not in name}

    def load_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Restore what :meth:`tensors` returned; names and shapes have been checked."""
        self.load_state_dict(dict(tensors), strict=False)

    def pattern_of(self, ofmap: torch.Tensor) -> torch.Tensor:
        """Return the pattern over this ofmap as bool (rows, columns)."""
        return torch.from_numpy(pattern_map(self.pattern, *ofmap.shape[2:])).to(ofmap.device)

    def mask(self, ofmap: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the outputs to compute as bool: the pattern, and every score above `threshold`."""
        groups = channel_groups(ofmap) if self.trained else (ALL_CHANNELS,)
        parts = [above(self(ofmap[:, channels], channels), threshold) for channels in groups]
        mask = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return mask.logical_or_(self.pattern_of(ofmap))


def channel_groups(ofmap: torch.Tensor) -> Iterator[slice]:
    """Yield parts of an ofmap's channels small enough for a processor's cache.

    None is of fewer channels than vector kernels take at a time: 8, or 16 with AVX-512. On a CPU a predictor is bound
    by memory. Whole maps of a batch (51 MB in VGG-16's first layers) cost two to three times as much, most of it for
    pages that the system has to map again for every intermediate result.
    """
    count = ofmap.shape[1]
    if ofmap.device.type != "cpu":
        yield slice(0, count)
        return
    fitting = _GROUP_VALUES * count // max(1, ofmap.numel())
    fewest = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8
    size = max(fewest, fitting - fitting % 16)
    # Left-over channels join the last group: torch runs a single channel as an ordinary convolution, which rounds
    # differently.
    ends = [*range(size, count - fewest + 1, size), count]
    for start, end in zip([0, *ends], ends, strict=False):
        yield slice(start, end)
