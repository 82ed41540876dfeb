"""The public functions of the frontend: train predictors, choose operating points, evaluate them, trace a network.

They do what the commands of the same names do, with objects in the place of files where that is handier.
"""

from __future__ import annotations

from zapsim.frontend.measurement import evaluate
from zapsim.frontend.network_tracing import trace
from zapsim.frontend.point_tuning import TuningResult, tune
from zapsim.frontend.predictor_training import TrainingResult, train

__all__ = ["TrainingResult", "TuningResult", "evaluate", "trace", "train", "tune"]
