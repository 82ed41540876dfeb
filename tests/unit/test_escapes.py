"""Names from files in what is written: no formula in CSV, no cell or HTML in Markdown."""

from types import SimpleNamespace

from zapsim.frontend.evaluation_table import markdown as evaluation_markdown
from zapsim.report.attainment import fronts_csv, render_fronts
from zapsim.report.pareto import front_csv

FORMULA = "=HYPERLINK(1)"
MARKUP = "a|b <img src=x>"


def test_fronts_as_csv_hold_no_formula():
    text = front_csv([{"trace": FORMULA, "=column": 1.5, "energy": -2.0, "arch": None}], ["one\ntwo"])
    assert text == "# one\\ntwo\ntrace,'=column,energy,arch\n'=HYPERLINK(1),1.5,-2.0,\n"


def fronts(name: str) -> dict[str, object]:
    side = {
        "name": name, "hypervolume": 0.5, "attained_alone": 0.1, "attained_of_other_front": 0.2,
        "conditions": {"trace": name}, "front": [{"trace": name, "objective.energy": -1.0}],
    }  # fmt: skip
    return {
        "a": side, "b": side, "warnings": [f"other traces: {name}"], "reference": [1.0], "box": [],
        "goals": [{"column": "objective.energy", "maximise": False, "reference": 1.0, "ideal": 0.0}],
    }  # fmt: skip


def test_compared_fronts_hold_no_formula_and_no_markup(monkeypatch):
    monkeypatch.setattr("zapsim.report.attainment.points_text", lambda record: f"box of {record['a']['name']}")
    rows = fronts_csv(fronts(FORMULA)).splitlines()
    assert rows[-1] == "B,'=HYPERLINK(1),-1.0"
    text = render_fronts(fronts(MARKUP), "markdown")
    assert "<img" not in text
    assert text.count("a\\|b &lt;img src=x>") == text.count("img src")


def test_evaluations_as_markdown_hold_no_markup():
    table = evaluation_markdown([{"method": MARKUP}], [("method", "method", "")])
    assert table.splitlines()[-1] == "| a\\|b &lt;img src=x> |"


def test_comparisons_as_markdown_hold_no_markup(monkeypatch):
    from zapsim.report import compare, explanation

    side = SimpleNamespace(provenance={"trace": MARKUP}, name=MARKUP)
    conditions = {"x": (MARKUP, "")}
    pair = SimpleNamespace(a=side, b=side, warnings=[MARKUP], descriptions=(MARKUP, MARKUP), conditions=conditions)
    for name, value in (("of_comparison", MARKUP), ("_columns", []), ("_rows", [])):
        monkeypatch.setattr(compare, name, lambda *_args, value=value: value)
    monkeypatch.setattr(compare, "check_comparison_view", lambda *_args: None)
    text = compare.render_comparison(pair, "markdown", None)
    run = SimpleNamespace(headline=MARKUP, notes=[MARKUP])
    monkeypatch.setattr(explanation, "of_explanation", lambda _explanation: MARKUP)
    monkeypatch.setattr(explanation, "_sections", lambda _explanation: [])
    text += explanation.FORMATS["markdown"](SimpleNamespace(run=run), None)
    assert text.count("a\\|b &lt;img src=x>") == text.count("img src") == 10
