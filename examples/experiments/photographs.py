"""Predictors beside their baselines on photographs without labels: how far skipping takes a network from itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison import Experiment, best_within, csv_text

from zapsim.files import write_atomically
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.report.plot import save_figure

COLUMNS = (
    ("method", "method", ""),
    ("budget", "E", ""),
    ("top1_agreement", "same top-1", ".1%"),
    ("relative_output_error", "output error", ".2%"),
    ("relative_output_error_low", "from", ".2%"),
    ("relative_output_error_high", "to", ".2%"),
    ("macs_skipped", "MACs skipped", ".1%"),
    ("macs_saved", "net saved", ".1%"),
    ("skipped_of_perfect", "skipped of perfect", ".1%"),
)
METHODS = ("ZAP", "ZAP, recalibrated", "neighbours", "rule", "random")


@dataclass(frozen=True, slots=True)
class Page:
    """Where the results of an experiment go, and what is said of it."""

    name: str
    title: str
    about: str
    pattern: str
    limits: tuple[float, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what all experiments on photographs take."""
    parser.add_argument(
        "--train", type=Path, nargs="+", required=True, metavar="PATH", help="photographs to learn from"
    )
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, metavar="PATH", help="to measure on")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument("--test-crops", type=int, default=48, metavar="N", help="to measure on, and for thresholds")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few crops: shows that it runs")


def write_page(page: Page, experiment: Experiment, records: Sequence[Record], folder: Path) -> None:
    """Write ``NAME.md``, ``NAME.csv`` and ``NAME.png`` to `folder`, and print the page."""
    columns = [column for column in COLUMNS if any(column[0] in record for record in records)]
    predicted = f"{len(experiment.graph.eligible)} of {len(experiment.graph.sites)} convolutions"
    text = f"""# {page.title}

{page.about}

{predicted} are predicted, pattern {page.pattern}. Thresholds are set per layer for an error budget E, weighed by what
the layers' errors do to the output, on {experiment.calibration.description}.
Measured on {experiment.test.description}.

- *output error*: norm of the difference to the unmodified network's outputs over their norm, with its 95 % interval
  over images. *same top-1*: how often the class is the same.
- **rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
  which is tuned per layer as ZAP's is. Neither takes MACs. **random**: as many outputs as ZAP, layer by layer.
  **perfect**: every zero outside the pattern.
- *MACs skipped* are those of skipped outputs, as a share of all convolutions' MACs; *net saved* is less what the
  predictors take themselves.

## Most MACs skipped within a limit of output error

{_limits(page, records)}
## All points

{markdown(records, columns)}
![output error over MACs saved]({page.name}.png)
"""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{page.name}.md", text)
    write_atomically(folder / f"{page.name}.csv", csv_text(records))
    _plot(page, records, folder / f"{page.name}.png")
    print(text)


def _limits(page: Page, records: Sequence[Record]) -> str:
    best_records = []
    for limit in page.limits:
        for method in METHODS:
            if any(record["method"] == method for record in records):
                best = best_within(records, page.pattern, method, limit, "relative_output_error")
                best_records.append((best or Record(method=method)) | {"limit": f"{limit:.0%}"})
    columns = [column for column in COLUMNS if any(column[0] in record for record in records)]
    return markdown(best_records, (columns[0], ("limit", "error at most", ""), *columns[1:]))


def _plot(page: Page, records: Sequence[Record], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.8), layout="constrained")
    panel = figure.subplots()
    for method in dict.fromkeys(str(record["method"]) for record in records):
        chosen = sorted(
            (record for record in records if record["method"] == method), key=lambda record: float(record["macs_saved"])
        )
        across = [100 * float(record["macs_saved"]) for record in chosen]
        up = [100 * float(record["relative_output_error"]) for record in chosen]
        panel.plot(across, up, "*" if method in ("perfect", "rule") else "o-", markersize=5, linewidth=1, label=method)
    panel.set_xlabel("MACs saved, net of the predictor's, %")
    panel.set_ylabel("output error, %")
    panel.set_ylim(-2, 60)
    panel.set_title(f"{page.title}, pattern {page.pattern}", fontsize=10)
    panel.legend(fontsize=8)
    save_figure(figure, path)
