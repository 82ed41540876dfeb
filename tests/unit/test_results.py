"""Results: written as JSON and read back, as a data frame, as HTML."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.builders import conv, trace_header, write_trace
from tests.optional import require
from zapsim.arch.load import load_arch
from zapsim.columns import COLUMNS, FILE_COLUMNS
from zapsim.errors import MissingExtraError, ZapsimError
from zapsim.results import LayerResult, RunResult
from zapsim.simulation import simulate


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> RunResult:
    """Return a run over two images, with a layer that has no predictor."""
    trace = write_trace(tmp_path_factory.mktemp("results") / "tiny.safetensors", trace_header(images=2))
    return simulate(load_arch("eyeriss"), trace)


def changed(result: RunResult, *path: str | int, to: object) -> str:
    """Return the result's JSON with one value changed, or taken out if `to` is Ellipsis."""
    record = inner = json.loads(result.to_json())
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(record)


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_a_result_read_back_is_equal(result):
    assert len(result.each_image) == 2
    again = RunResult.from_json(result.to_json())
    assert again == result
    assert again.to_json() == result.to_json()


@pytest.mark.parametrize("options", [{"images": [1]}, {"batch": 2}, {"policy": "dense"}, {"policy": "zap-gate"}])
def test_every_run_can_be_read_back(tmp_path, options):
    trace = write_trace(tmp_path / "tiny.safetensors", trace_header(images=2))
    result = simulate("lanes_256", trace, **options)
    assert RunResult.from_json(result.to_json()) == result


def test_a_layer_that_takes_nothing_can_be_read_back(result):
    """Its speedup is infinite, for which JSON has no number."""
    comparison = result.layers[0].comparison
    cycles = comparison.policy.cycles.but(**dict.fromkeys(comparison.policy.cycles.as_dict(), 0))
    idle = replace(comparison, policy=replace(comparison.policy, cycles=cycles))
    odd = replace(result, layers=(LayerResult(conv("<[/]>"), "not predicted: “why”", idle),), each_image=())
    assert math.isinf(odd.total.speedup)
    assert RunResult.from_json(odd.to_json()) == odd


def test_a_result_of_another_version_says_so():
    text = json.dumps({"provenance": {"zapsim": "0.0.1"}})
    with pytest.raises(ZapsimError, match=r"is missing\); zapsim '0\.0\.1' wrote it, and this is .*: run it again"):
        RunResult.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"text"', "{}"])
def test_what_is_no_result_is_refused(text):
    with pytest.raises(ZapsimError, match=r"^not a result of `zapsim run --format json` \("):
        RunResult.from_json(text)


@pytest.mark.parametrize(
    ("path", "to", "fault"),
    [
        (("clock_hz",), ..., "'clock_hz' is missing"),
        (("each_image",), ..., "'each_image' is missing"),
        (("layers", 0, "policy", "counts"), ..., "'counts' is missing"),
        (("layers", 0, "policy", "counts", "macs_executed"), 1.5, "a count is not a whole number"),
        (("layers", 0, "policy", "cycles", "compute"), "9", "a count is not a whole number"),
        (("layers", 0, "baseline", "energy_pj", "mac"), True, "an energy is not a number"),
        (("layers", 0, "policy", "cycles", "waiting"), 3, "unexpected keyword argument 'waiting'"),
        (("layers", 0, "shape", "K"), 0, "K must be at least 1, got 0"),
        (("layers", 0, "shape", "stride"), [1], "stride must be 2 whole numbers"),
        (("network",), 3, "network is not of its type"),
        (("thresholds",), "0.5", "thresholds is not of its type"),
    ],
)
def test_a_damaged_result_is_refused_with_its_fault(result, path, to, fault):
    with pytest.raises(ZapsimError) as caught:
        RunResult.from_json(changed(result, *path, to=to))
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


# --- data frames ----------------------------------------------------------------------------------------------------


def test_a_data_frame_has_a_row_per_layer_and_a_total(result):
    require("pandas", "pip install 'zapsim[explore]'")
    table = result.to_dataframe()
    assert list(table.columns) == ["layer", *(column.key for column in FILE_COLUMNS)]
    assert list(table["layer"]) == ["conv1", "conv2", "fc", "total"]
    assert table["cycles"].iloc[:-1].sum() == table["cycles"].iloc[-1] == result.total.policy.cycles.total
    assert list(table["energy_saving"]) == [comparison.energy_saving for _, comparison in result.rows]


def test_a_data_frame_without_pandas(result, monkeypatch):
    monkeypatch.setattr("zapsim.errors.find_spec", lambda name: None if name == "pandas" else object())
    with pytest.raises(MissingExtraError) as caught:
        result.to_dataframe()
    assert str(caught.value) == "data frames need pandas: pip install 'zapsim[explore]'"


# --- HTML -----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What is on a page: its tags in order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_html_shows_the_table(result):
    page = Page(result._repr_html_())
    assert page.tags.count("tr") == 2 + len(result.layers)
    assert page.tags.count("td") == len(COLUMNS) * (1 + len(result.layers))
    assert result.headline in page.text
    for _, comparison in result.rows:
        assert " ".join(column.text(comparison) for column in COLUMNS) in page.text


def test_html_escapes_every_name(result):
    evil = "<script>alert('&')</script>"
    layers = (LayerResult(conv(evil), f"not predicted: {evil}", result.layers[0].comparison),)
    names = dict.fromkeys(("network", "quality_note", "arch", "arch_summary", "policy", "baseline"), evil)
    odd = replace(result, layers=layers, images=(evil,), quality={evil: 0.5}, provenance={evil: {"a": evil}}, **names)
    page = Page(odd._repr_html_())
    assert "script" not in page.tags
    assert page.text.count(evil) == 13
