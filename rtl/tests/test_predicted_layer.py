"""A predicted layer through array, predictor and array again, and zapsim's timeline of the same layer."""

from __future__ import annotations

from pathlib import Path

from rtl.predicted_layer import LAYER, run


def test_a_predicted_layer(tmp_path: Path, table) -> None:
    done = run(tmp_path)
    model = done.model
    assert 0.1 < done.mask.mean() < 0.95
    # The model charges what multiplies and the array's folds; the hardware also waits for the first list of each stage
    # (before it knows which vectors to issue) and for the rows that the predictor cannot see yet.
    cols = done.mask.shape[2]
    lists = done.pattern["waiting"] + done.rest["waiting"]
    beside = done.cycles - model.cycles.total
    table("predicted-layer", [{
        "layer": LAYER, "computed": f"{done.mask.mean():.3f}", "pattern": done.pattern["running"],
        "predictor_working": done.predictor["working"], "rest": done.rest["running"], "rtl": done.cycles,
        "model": model.cycles.total, "lists": lists, "beside_lists": beside - lists,
    }])  # fmt: skip
    assert 0 <= beside - lists <= 4 * (cols + 3)
