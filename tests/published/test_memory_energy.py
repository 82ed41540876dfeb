"""The law of a memory's energy: fitted again from published tables, and compared with other figures."""

import csv
from pathlib import Path

import numpy as np
import pytest

from zapsim.arch import memory_energy
from zapsim.arch.load import load_arch
from zapsim.arch.memory_energy import relative_energy

pytestmark = pytest.mark.published

KIB = 1024

Series = tuple[np.ndarray, np.ndarray]
"""Bytes, and pJ per 16 bit."""


def series() -> dict[str, Series]:
    lines = (Path(__file__).parent / "memory_energies.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    by_name = {name: [row for row in rows if row["series"] == name] for name in {row["series"] for row in rows}}
    return {
        name: (
            np.array([float(row["bytes"]) for row in group]),
            np.array([float(row["pj"]) * 16 / float(row["width"]) for row in group]),
        )
        for name, group in by_name.items()
    }


TABLES = series()
CACTI = ("cacti-1r1w-128", "cacti-1r1w-256", "cacti-1r1w1rw-128", "cacti-1r1w1rw-64")


def centred(name: str) -> Series:
    """Return logarithms of sizes and energies of a series, each less its mean: its level is its own."""
    sizes, energies = (np.log(values) for values in TABLES[name])
    return sizes - sizes.mean(), energies - energies.mean()


def errors(name: str) -> np.ndarray:
    """Return how much the law is off in each row of a series, as a factor, if the series has its own level."""
    sizes, energies = TABLES[name]
    off = np.log([relative_energy(size, sizes[0]) for size in sizes]) - np.log(energies)
    return np.exp(off - off.mean())


def test_the_exponent_is_that_of_cacti_s_tables() -> None:
    sizes, energies = (np.concatenate(parts) for parts in zip(*map(centred, CACTI), strict=True))
    assert len(sizes) == 16
    exponent = sizes @ energies / (sizes @ sizes)
    assert exponent == pytest.approx(memory_energy.EXPONENT, abs=0.0005)
    off = sizes * exponent - energies
    assert np.sqrt(np.mean(off**2)) == pytest.approx(0.106, abs=0.001)
    assert np.exp(np.abs(off).max()) == pytest.approx(1.22, abs=0.01)


def test_register_files_are_linear_in_their_words() -> None:
    """Weighted by 1 / energy, so that relative errors are minimised."""
    sizes, energies = TABLES["accelergy-spads"]
    design = np.stack([1 / energies, sizes / energies], axis=1)
    base, slope = np.linalg.lstsq(design, np.ones(len(sizes)), rcond=None)[0]
    assert (base, slope) == pytest.approx((memory_energy.BASE, memory_energy.SLOPE), rel=0.005)
    assert np.abs((base + slope * sizes) / energies - 1).max() < 0.03


def test_the_level_is_the_mean_of_figures_at_40_to_45_nm() -> None:
    levels = [
        energy / (size / 8192) ** memory_energy.EXPONENT
        for name in ("horowitz", "accelergy-glb")
        for size, energy in zip(*TABLES[name], strict=True)
    ]
    assert len(levels) == 4
    assert np.exp(np.mean(np.log(levels))) == pytest.approx(memory_energy.LEVEL, rel=0.005)


@pytest.mark.parametrize(
    ("name", "factor"), [("interstellar-sram", 1.05), ("horowitz", 1.51), ("interstellar-rf", 1.7)]
)
def test_figures_that_enter_nowhere(name: str, factor: float) -> None:
    """Interstellar's register files grow in proportion to their words; Horowitz's caches with a root of theirs."""
    off = errors(name)
    assert 1 / factor < off.min() < off.max() < factor


def test_register_file_and_global_buffer_of_isca_2016() -> None:
    """Table IV: 0.5 kB costs 1 MAC, a buffer of 100 kB 6; the law says 8."""
    assert relative_energy(100e3, 500) == pytest.approx(8, abs=0.5)


def test_the_sizes_of_the_prices_are_those_of_the_shipped_memories() -> None:
    for name in ("eyeriss", "eyeriss_45nm", "systolic_16x16", "lanes_256", "lanes_zap", "tpu_128x128"):
        assert load_arch(name).resized == {}


@pytest.mark.parametrize(
    ("name", "base", "memories"),
    [
        ("eyeriss_zap", "eyeriss", {"ifmap_spad": (12, 24), "filter_spad": (288, 448), "glb": (128 * KIB, 100 * KIB)}),
        ("systolic_zap", "systolic_16x16", {"glb": (5120 * KIB, 108 * KIB)}),
        ("gemmini_16x16", "systolic_16x16", {"glb": (272 * KIB, 108 * KIB)}),
    ],
)
def test_shipped_memories_of_other_sizes_than_their_base_s_cost_what_the_law_says(
    name: str, base: str, memories: dict[str, tuple[int, int]]
) -> None:
    """Bytes here and in the base, by memory; what is not named costs what it does there."""
    prices, of_base = load_arch(name).prices, load_arch(base).prices
    assert prices.keys() == of_base.keys()
    for action, price in prices.items():
        memory = "glb" if action.startswith("mask_bits") else action.rpartition("_")[0]
        factor = relative_energy(*memories[memory]) if memory in memories else 1
        assert price == pytest.approx(of_base[action] * factor, rel=1e-12)
