"""Predictors beside their baselines on photographs without labels: how far skipping takes a network from itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comparison import Experiment, Row
from result_tables import POINTS, chosen_table, csv_text, summaries

from zapsim.files import write_atomically
from zapsim.frontend.evaluation_table import Record, markdown
from zapsim.report.style import Layout, add_legend, grid, legend_handles, line_look, new_figure, save_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("ZAP", "neighbours", "rule")


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
    parser.add_argument(
        "--calibrate", type=Path, nargs="+", required=True, metavar="PATH", help="to choose thresholds and rows on"
    )
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, metavar="PATH", help="to measure on")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), metavar="DIR", help="where results go")
    parser.add_argument(
        "--test-crops", type=int, default=48, metavar="N", help="to choose on, and as many to measure on"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few crops: shows that it runs")


def write_page(page: Page, experiment: Experiment, rows: Sequence[Row], seeds: Sequence[int], folder: Path) -> None:
    """Write ``NAME.md``, ``NAME.csv`` and ``NAME.png`` to `folder`, and print the page."""
    records = summaries(experiment, rows)
    predicted = f"{len(experiment.graph.eligible)} of {len(experiment.graph.sites)} convolutions"
    photographs = records[0]["photographs"]
    text = f"""# {page.title}

{page.about}

{predicted} are predicted, pattern {page.pattern}. Thresholds are set per layer for an error budget E, weighed by what
the layers' errors do to the output, and the rows of the first table are chosen, on
{experiment.calibration.description}.
Measured on {experiment.test.description}: {photographs} photographs.

- *lost*: output error, the norm of the difference to the unmodified network's outputs over their norm, mean of the
  seeds, with its 95 % interval over photographs; *least* and *most* of one seed. Differences to the neighbours are of
  the same images. *none*: nothing was within the limit, so that nothing is skipped.
- **rule**: zero where all computed neighbours are zero (Shomron and Weiser 2018). **neighbours**: the same with a knob,
  which is tuned per layer as ZAP's is. Neither takes MACs, nor training. **random**: as many outputs as ZAP, layer by
  layer. **perfect**: every zero outside the pattern.
- *MACs skipped* are those of skipped outputs, as a share of all convolutions' MACs; *net saved* is less what the
  predictors take themselves.

## Most MACs saved within a limit of output error

{chosen_table(experiment, rows, [(method, limit) for limit in page.limits for method in METHODS], seeds)}
## All points

{markdown(records, POINTS)}
![output error over MACs saved]({page.name}.png)
"""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{page.name}.md", text)
    write_atomically(folder / f"{page.name}.csv", csv_text(records))
    save_figure(_plot(page, records), folder / f"{page.name}.png")
    print(text)


@styled
def _plot(page: Page, records: Sequence[Record]) -> Figure:
    figure = new_figure(Layout("column", f"{page.title}, pattern {page.pattern}"), 2.4)
    panel = figure.subplots()
    for index, method in enumerate(dict.fromkeys(str(record["method"]) for record in records)):
        chosen = sorted(
            (record for record in records if record["method"] == method), key=lambda record: float(record["macs_saved"])
        )
        across = [100 * float(record["macs_saved"]) for record in chosen]
        up = [100 * float(record["value"]) for record in chosen]
        panel.plot(across, up, label=method, **line_look(index))
    panel.set_xlabel("MACs saved, net of the predictor's, %")
    panel.set_ylabel("output error, %")
    panel.set_ylim(-2, 60)
    grid(panel, "both")
    add_legend(figure, legend_handles(panel), 2)
    return figure
