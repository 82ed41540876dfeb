"""Published figures compared with ours: what is shipped, another chip's files, and every mistake in them."""

from pathlib import Path

import pytest

from zapsim.cli import main
from zapsim.errors import ConfigError
from zapsim.validation import Figure, MetricErrors, Target, known_validations, validate

YAML = """\
name: a chip
source: a paper
arch: systolic_16x16
figures: chip.csv
targets:
  cycles: {layer: 0.1, mean: 0.1, sum: 0.1}
"""
# One fold of 9 products x 4 filters, weight-stationary on 16x16: 2 * 16 + 16 + 36 - 2 cycles, counted from 0.
CSV = """\
# a comment
layer,C,H,W,K,R,S,cycles
one,1,8,8,4,3,3,81
"""


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    (tmp_path / "chip.yaml").write_text(YAML)
    (tmp_path / "chip.csv").write_text(CSV)
    return tmp_path / "chip.yaml"


def test_another_chip_is_one_yaml_and_one_csv(chip: Path) -> None:
    found = validate(str(chip))
    assert found.metrics[0].figures == (Figure("one", ours=81, published=81),)
    assert found.met


def test_a_row_may_set_keys_of_the_architecture(chip: Path) -> None:
    chip.with_name("chip.csv").write_text("layer,C,H,W,K,R,S,array.rows,cycles\none,1,8,8,4,3,3,32,113\n")
    assert validate(str(chip)).metrics[0].largest == 0, "16 rows more are filled twice"


def test_errors_and_targets() -> None:
    figures = (Figure("one", 90, 100), Figure("two", 330, 300))
    errors = MetricErrors("cycles", figures, Target(layer=0.1, sum=0.05))
    assert errors.largest == pytest.approx(0.1)
    assert errors.mean == pytest.approx(0.1)
    assert errors.of_sum == pytest.approx(0.05)
    assert not MetricErrors("cycles", figures, Target(mean=0.09)).met
    assert MetricErrors("cycles", figures, Target(mean=0.11)).met


@pytest.mark.parametrize(
    ("yaml", "csv", "fault"),
    [
        (YAML.replace("cycles:", "cycle:"), CSV, "chip.yaml: targets.cycle: unknown metric (did you mean 'cycles'?)"),
        (YAML.replace("arch:", "arc:"), CSV, "chip.yaml: arch: missing"),
        (YAML.replace("chip.csv", "none.csv"), CSV, "none.csv: no such CSV file"),
        (YAML, CSV.replace(",cycles", ",cyc"), "chip.csv: line 2: missing column cycles"),
        (YAML, CSV.replace("one,1", "one,x"), "chip.csv: line 3, column C: expected a finite number, got 'x'"),
        (YAML, "# nothing\n", "chip.csv: expected a heading and at least one row of figures, got no row"),
        ("a: [", CSV, "chip.yaml: line 1, column 5: expected the node content"),
    ],
)
def test_faults_are_named(chip: Path, yaml: str, csv: str, fault: str) -> None:
    chip.write_text(yaml)
    chip.with_name("chip.csv").write_text(csv)
    with pytest.raises(ConfigError) as caught:
        validate(str(chip))
    assert fault in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        validate("eyeris_alexnet")
    assert "(did you mean 'eyeriss_alexnet'?)" in str(caught.value)
    assert ", ".join(known_validations()) in str(caught.value)


def test_the_exit_code_says_whether_targets_are_met(chip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(chip)]) == 0
    assert "one" in capsys.readouterr().out
    chip.with_name("chip.csv").write_text(CSV.replace(",81", ",100"))
    assert main(["validate", str(chip)]) == 1
    assert "NO" in capsys.readouterr().out


def test_a_metric_without_a_target_is_shown_and_misses_none(chip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chip.write_text(YAML.replace("{layer: 0.1, mean: 0.1, sum: 0.1}", "{}"))
    chip.with_name("chip.csv").write_text(CSV.replace(",81", ",100"))
    assert main(["validate", str(chip)]) == 0
    assert "no target" in capsys.readouterr().out
