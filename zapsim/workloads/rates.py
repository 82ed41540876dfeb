"""Shares of each layer's outputs that are not zero, and that are skipped: what synthetic traces are drawn from.

They come from a table, or from words as the command line takes them: ``0.4``, ``conv2=0.3``, ``rates.csv``, or the name
of published rates that come with zapsim (``zap_vgg16``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zapsim.csvfile import TableRow, read_table
from zapsim.errors import WorkloadError, did_you_mean, printable, shown
from zapsim.patterns import pattern_map
from zapsim.shipped import find_file, shipped_names
from zapsim.workload import Workload


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of a layer's outputs.

    Attributes
    ----------
    density
        Outputs that are not zero after the ReLU; 1: there is no ReLU, so no predictor either.
    skipped
        Outputs that are skipped; None: the zeros outside the pattern, as a perfect predictor skips them.
    """

    density: float
    skipped: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise WorkloadError(f"density: expected a share of more than 0 and at most 1, got {self.density:g}")
        if self.skipped is not None and not 0 <= self.skipped < 1:
            raise WorkloadError(f"skipped: expected a share from 0 to 1, got {self.skipped:g}")


def read_rates(path: Path, pattern: str) -> dict[str, Rates]:
    """Read a table of rates: columns `layer`, and `density` or `skipped` or both, as shares of 1.

    Without a density, the zeros are those that the pattern allows to be skipped at this rate. If there is a column
    `pattern`, only the rows of this pattern are read.

    Raises
    ------
    ConfigError, WorkloadError
        If the table cannot be used; rows are named by their lines.
    """
    rates: dict[str, Rates] = {}
    outside = 1 - _share(pattern)
    for row in _rows_of(path, pattern):
        layer = row.cells["layer"]
        has = [column for column in ("density", "skipped") if row.cells.get(column)]
        if not has:
            raise WorkloadError(f"{row.where}: expected a density or a skipped share, got neither")
        skipped = row.share("skipped") if "skipped" in has else None
        if layer in rates:
            raise WorkloadError(f"{row.where}: layer {layer} comes twice; leave one")
        try:
            if skipped is not None and "density" not in has:
                rates[layer] = Rates(1 - min(skipped / outside, 1 - 1e-9), skipped)
            else:
                rates[layer] = Rates(row.share("density"), skipped)
        except WorkloadError as error:
            raise WorkloadError(f"{row.where}: {error}") from None
    return rates


def _rows_of(path: Path, pattern: str) -> list[TableRow]:
    """Read the rows of a pattern: all, unless a column names patterns."""
    rows = read_table(path, ("layer",))
    named = list(dict.fromkeys(row.cells["pattern"] for row in rows if "pattern" in row.cells))
    if not named:
        return rows
    if pattern not in named:
        patterns = ", ".join(map(shown, named))
        raise WorkloadError(f"{printable(path.name)}: has no rates of pattern {pattern}; --pattern can be: {patterns}")
    return [row for row in rows if row.cells["pattern"] == pattern]


def rates_file(word: str) -> Path | None:
    """Find the file of rates that a word means: a path, or the name of published rates; None: it means none."""
    return find_file(word, "examples", ".csv")


def _share(pattern: str) -> float:
    """Return the share of outputs in a pattern, on a map that holds whole tiles of all patterns."""
    return float(pattern_map(pattern, 60, 60).mean())


def rates_of(
    words: Sequence[str], workload: Workload, *, skipped: float | None = None, pattern: str = "1/2"
) -> Rates | Mapping[str, Rates]:
    """Read densities as the command line takes them.

    Parameters
    ----------
    words
        A share for all layers, ``LAYER=SHARE`` for single ones, or both; or one file, as :func:`read_rates` takes it,
        or the name of published rates. Without a share for all layers, those that are not named have no ReLU.
    workload
        The layers.
    skipped
        Share that is skipped, of all layers; None: all zeros outside the pattern. Files have a column of that name.
    pattern
        The outputs that are computed first.

    Raises
    ------
    ConfigError, WorkloadError
        If a word is none of these, or the table cannot be used.
    """
    if len(words) == 1 and _number(words[0]) is None and "=" not in words[0]:
        if skipped is not None:
            raise WorkloadError("--skipped goes with a density; the file has a column of that name")
        path = rates_file(words[0]) or Path(words[0])
        if not path.suffix and not path.exists():
            published = shipped_names("examples", ".csv")
            raise WorkloadError(
                f"density: expected a share such as 0.4, LAYER=0.4, a CSV file or published rates "
                f"({', '.join(published)}), got {shown(words[0])}{did_you_mean(words[0], published)}"
            )
        return read_rates(path, pattern)
    common: Rates | None = None
    layers: dict[str, Rates] = {}
    for word in words:
        name, equals, text = word.rpartition("=")
        density = _number(text)
        if density is None:
            raise WorkloadError(f"density: expected a share such as 0.4, or LAYER=0.4, or one file, got {shown(word)}")
        if equals:
            layers[name] = Rates(density, skipped)
        elif common is None:
            common = Rates(density, skipped)
        else:
            raise WorkloadError(f"density: expected one share for all layers, got {common.density:g} and {density:g}")
    if common is not None and not layers:
        return common
    others = [layer.name for layer in workload.layers[:-1]] if common is not None else []
    return {**dict.fromkeys(others, common or Rates(1.0)), **layers}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
