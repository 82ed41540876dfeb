"""Pages in a browser: they open without complaint, can be used by all, and do what their controls promise."""

import json
import shlex

import pytest

from tests.browser.conftest import NAME, SIZES
from tests.optional import require
from zapsim.cli import main
from zapsim.exploration.pareto import load_front

KINDS = ("run", "explain", "compare", "explore", "eval")
DRAWN = (
    "document.querySelectorAll('.canvas').length === document.querySelectorAll('.canvas .main-svg:first-child').length"
)
RIGHT = "Math.max(...Array.from(document.querySelectorAll('.canvas .main-svg'), e => e.getBoundingClientRect().right))"


def until(page, expression: str) -> None:
    """Wait until an expression is true; the page's policy forbids playwright's way, which evaluates a text in it."""
    for _ in range(250):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {expression}")


@pytest.mark.parametrize("kind", KINDS)
def test_opens_at_both_widths_accessible_and_with_names_as_text(opened, kind):
    axe = require("axe_playwright_python.sync_playwright", "pip install 'zapsim[test]'").Axe()
    page = opened(kind)
    for width in reversed(SIZES):
        page.set_viewport_size({"width": width, "height": 900})
        until(page, DRAWN)
        until(page, f"{RIGHT} <= {width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = axe.run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in violations] == []
    assert page.evaluate("window.bad === undefined")
    assert NAME in page.inner_text("body")
    assert page.locator("script").count() == 3  # data, library and ours
    if kind in {"run", "explain", "compare"}:
        assert NAME in page.locator(".xtick text").all_text_contents()


def cells(page, column: int) -> list[str]:
    return page.locator(f"#table-layers tbody tr > :nth-child({column + 1})").all_inner_texts()


def test_tables_sort_by_mouse_and_by_keyboard(opened):
    page = opened("run")
    headings = page.locator("#table-layers thead th").all_inner_texts()
    column = next(index for index, text in enumerate(headings) if text.startswith("base cycles"))
    heading = page.locator("#table-layers thead th").nth(column)
    before, total = cells(page, column), page.inner_text("#table-layers tfoot")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    numbers = [float(page.evaluate("e => e.dataset.key", one)) for one in
               page.locator(f"#table-layers tbody tr > :nth-child({column + 1})").element_handles()]  # fmt: skip
    assert numbers == sorted(numbers, reverse=True)
    assert sorted(cells(page, column)) == sorted(before)
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    names = page.locator("#table-layers thead th").first
    page.keyboard.press("Escape")
    names.get_by_role("button").press("Space")
    assert [heading.get_attribute("aria-sort"), names.get_attribute("aria-sort")] == [None, "ascending"]
    assert cells(page, 0) == sorted(cells(page, 0), key=str.casefold)
    assert page.inner_text("#table-layers tfoot") == total


def test_the_timeline_shows_one_layer_at_a_time(opened):
    page = opened("run")
    visible = "document.getElementById('plot-timeline').data.filter(trace => trace.visible !== false)"
    page.select_option("select[data-plot=timeline]", "2")
    assert set(page.evaluate(f"{visible}.map(trace => trace.text[0][0])")) == {
        NAME.replace("<", "&lt;").replace(">", "&gt;")
    }


def test_what_is_set_on_the_command_line_says_so(opened):
    page = opened("run")
    page.locator("#configuration summary").last.click()
    row = page.locator("#table-configuration tr", has=page.get_by_text("array.rows", exact=True))
    assert row.inner_text().split("\t") == ["array.rows", "6", "set on the command line (--set)"]


def status(page) -> str:
    return page.inner_text("#shown")


@pytest.fixture(scope="module")
def front(pages):
    """The front as the command line reads it."""
    return load_front(pages["explore"].parent / "designs")


def expected(front, condition) -> str:
    rows = [row for row in front.rows if condition(row)]
    best = [row for row in rows if row in front.best]
    return f"{len(rows)} of {len(front.rows)} designs shown, {len(best)} of them on the front."


def test_filters(opened, front):
    page = opened("explore")
    assert status(page) == expected(front, lambda row: True)
    page.get_by_label("6", exact=True).uncheck()
    page.get_by_role("group", name="policy").get_by_label("gate-input").uncheck()
    assert status(page) == expected(front, lambda row: row["array.rows"] != 6 and row["policy"] == "zap")
    visible = page.locator("#table-front tbody tr:visible").count()
    assert visible == sum(row["array.rows"] != 6 and row["policy"] == "zap" for row in front.best)
    page.get_by_role("button", name="reset", exact=True).click()
    until(page, f"document.getElementById('shown').textContent.startsWith('{len(front.rows)} ')")
    middle = sorted(row["latency_ms"] for row in front.rows)[len(front.rows) // 2] * 1.0001
    page.get_by_label("largest time, ms").fill(str(middle))
    assert status(page) == expected(front, lambda row: row["latency_ms"] <= middle)
    page.get_by_label("front only").check()
    assert status(page) == expected(front, lambda row: row["latency_ms"] <= middle and row in front.best)
    assert page.evaluate("document.getElementById('plot-designs').data.flatMap(t => t.customdata || []).length") == int(
        status(page).split()[0]
    )
    page.select_option("#axis-x", "area_mm2")
    assert (
        page.evaluate("document.getElementById('plot-designs').layout.xaxis.title.text") == "area, mm² (less is better)"
    )
    page.get_by_role("button", name="reset", exact=True).click()
    until(page, f"document.getElementById('shown').textContent.startsWith('{len(front.rows)} ')")


def test_a_point_opens_its_design_whose_command_gives_the_same(opened, pages, front, capsys, monkeypatch):
    page = opened("explore")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    point = page.locator("#plot-designs .scatterlayer .trace:last-child .points path").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#design .opened:not([hidden])")
    row = next(
        row for row in front.rows if row["id"].startswith(page.inner_text("#title-design").removeprefix("Design "))
    )
    page.get_by_role("button", name="copy command").click()
    until(page, "document.getElementById('copied').textContent === 'copied'")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.input_value("#command")
    monkeypatch.chdir(pages["explore"].parent)
    program, *arguments = shlex.split(command)
    assert program == "zapsim"
    assert main([*arguments, "--format", "json"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]["policy"]
    assert total["total_cycles"] == row["cycles"]
    assert total["total_energy_pj"] / 1e9 == pytest.approx(row["energy_mj"], rel=1e-12)


def test_a_design_is_opened_by_keyboard(opened, front):
    page = opened("explore", SIZES[1])
    page.locator(".skip").focus()
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#table-front tbody button").nth(1).press("Enter")
    assert page.evaluate("document.activeElement.id") == "design"
    assert page.inner_text("#title-design") == f"Design {front.best[1]['id'][:8]}"
    assert page.locator("tr.is-open").count() == 1


def test_prints_without_controls(opened):
    page = opened("explore")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#filters").is_visible()
    assert page.locator("#table-front").is_visible()
    page.emulate_media(media="screen")


def test_without_scripts_the_tables_are_whole(browser, pages):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["run"].as_uri())
    assert page.locator("#table-layers tbody tr").count() == 3
    assert page.locator("noscript").inner_text().startswith("Without JavaScript")
    context.close()
