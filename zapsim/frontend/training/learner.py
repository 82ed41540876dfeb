"""One layer's predictor while it learns: loss, optimiser, and a state that can be saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from zapsim.errors import FrontendError
from zapsim.frontend.elementwise import above, count_nonzero
from zapsim.frontend.methods.predictor import Predictor, channel_groups
from zapsim.frontend.network.forward import check_finite
from zapsim.frontend.training.losses import ScoreError, mean_activation

_ADAM = ("step", "exp_avg", "exp_avg_sq")


class Learner:
    """A predictor with its optimiser.

    Attributes
    ----------
    predictor
        What learns, in training mode, from `error` of what skipping costs: the activation, or, with `weights` of the
        channels, the harm that is estimated from it (:func:`~zapsim.frontend.harm.channel_weights`).
    last
        Loss of the last step.
    losses
        Of the steps of this epoch.
    history
        Mean loss of every finished epoch.
    saving
        Share of the layer's outputs that the predictor would have skipped at threshold 0, when last estimated.
    """

    def __init__(self, name: str, predictor: Predictor, error: ScoreError, weights: torch.Tensor | None = None) -> None:
        self.name = name
        self.predictor = predictor.train()
        self.last = float("nan")
        self.saving = float("nan")
        self.losses: list[float] = []
        self.history: list[float] = []
        self._error = error
        self._weights = None if weights is None else weights[:, None, None]
        self._optimiser = torch.optim.Adam(predictor.parameters(), weight_decay=0.0)

    def step(self, ofmap: torch.Tensor, lr: float, estimate: bool, settled: bool = False) -> None:
        """Take one optimisation step of rate `lr` on a batch's activations.

        `estimate` the saving on the way. Once `settled`, normalisation keeps its running statistics and uses them.
        """
        check_finite(self.name, ofmap)
        self.predictor.train(not settled)
        self.predictor.watch(ofmap)
        pattern = self.predictor.pattern_of(ofmap)
        costs = ofmap if self._weights is None else ofmap.square().mul_(self._weights)
        unit = mean_activation(costs)
        outside = int((~pattern).sum()) * ofmap.shape[0] * ofmap.shape[1]
        self._optimiser.zero_grad()
        total, computed = 0.0, 0
        for channels in channel_groups(ofmap):
            part = ofmap[:, channels]
            with torch.enable_grad():
                scores = self.predictor(part, channels)
            if estimate:
                computed += count_nonzero(above(scores, 0.0).logical_or_(pattern))
            squares, slope = self._error(scores.detach(), costs[:, channels], pattern, unit)
            total += squares
            scores.backward(slope.mul_(2 / outside))
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        self._optimiser.step()
        self.last = total / outside
        if not np.isfinite(self.last):
            raise FrontendError(f"layer {self.name}: the loss is not finite; try a lower learning rate")
        self.losses.append(self.last)
        if estimate:
            self.saving = (ofmap.numel() - computed) / ofmap.numel()

    def end_epoch(self) -> None:
        """Move the epoch's mean loss to the history."""
        self.history.append(float(np.mean(self.losses)))
        self.losses.clear()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return predictor and optimiser as tensors by name, on the CPU."""
        tensors = {f"predictor/{name}": value for name, value in self.predictor.state_dict().items()}
        for name, parameter in self.predictor.named_parameters():
            state = self._optimiser.state[parameter]
            tensors |= {f"adam/{name}/{key}": state[key] for key in _ADAM}
        return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Restore the state that :meth:`tensors` returned."""
        prefix = "predictor/"
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        self.predictor.load_state_dict(state)
        moments = {
            index: {key: tensors[f"adam/{name}/{key}"] for key in _ADAM}
            for index, (name, _) in enumerate(self.predictor.named_parameters())
        }
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": moments, "param_groups": groups})
