"""The benchmarks check what they time: no look-up passes for work, and no other result for the one on file."""

import pytest

from benchmarks.measure import Expected, Row, Task, equal_to, measure, straight_line
from benchmarks.page import BEGIN, END, update
from benchmarks.points import MAPS, unread


def test_a_task_whose_result_differs_fails():
    with pytest.raises(AssertionError, match="another result"):
        measure([Task("sum", lambda _: 3, equal_to(4))], rounds=1)


def test_every_run_gets_something_prepared():
    prepared = []

    def prepare():
        prepared.append([])
        return prepared[-1]

    task = Task("append", lambda fresh: fresh.append(1) or len(fresh), equal_to(1), prepare, times=2)
    taken = measure([task], rounds=3)
    assert prepared == [[1]] * 8  # two in each of three rounds, and two to warm up
    assert len(taken["append"]) == 3


def test_digests_on_file(tmp_path, capsys):
    file = tmp_path / "expected.json"
    Expected(overwrite=True, file=file).check("cycles", [1, 2])
    on_file = Expected(file=file)
    on_file.check("cycles", [1, 2])
    with pytest.raises(SystemExit, match="cycles: the results have the digest"):
        on_file.check("cycles", [1, 3])
    on_file.check("other", [5])
    assert "no digest on file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="other"):
        on_file.check("other", [6])


def test_unread_maps_remember_nothing():
    maps = [getattr(layer, kind) for layer in unread() for kind in MAPS]
    assert sum(packed is not None for packed in maps) > 30
    assert not any(packed._summaries for packed in maps if packed is not None)


def test_a_line_through_points_on_a_line():
    line = straight_line({1: 5.0, 2: 7.0, 5: 13.0})
    assert (line.start, line.slope, line.fit) == pytest.approx((3.0, 2.0, 1.0))
    assert straight_line({1: 1.0, 2: 4.0, 3: 1.0, 4: 4.0}).fit < 0.5


def test_the_page_has_table_and_plot_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "images").mkdir()
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    rows = [Row("VGG-16", f"eyeriss, {kind}", value, "ms") for kind, value in (("remembered", 2.0), ("unread", 20.5))]
    update(page, rows, {"load": "1.0"})
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| eyeriss, unread | 20.5 ms |  | 1 |" in text
    assert (tmp_path / "images" / "performance.svg").stat().st_size > 1000
