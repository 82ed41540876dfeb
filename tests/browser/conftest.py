"""A headless Chromium, which comes from the system, and the pages that the tests open in it."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.builders import LAYERS, conv, trace_header, write_trace
from tests.explore_support import labelled_trace, space_of
from tests.optional import require
from zapsim.cli import main
from zapsim.report.page.evaluation import evaluation_page
from zapsim.report.page.render import write_report
from zapsim.shipped import shipped_folder
from zapsim.tracefile.records import TracedLayer

NAME = "<script>window.bad=1</script>"
"""A name that must stay text."""

SIZES = (1280, 400)


@dataclass(slots=True)
class Watched:
    """A page of the browser, and everything that it should not have done."""

    page: object
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser():
    """Start the system's Chromium."""
    sync_api = require("playwright.sync_api", "pip install 'zapsim[test]'")
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    chromium = require(Path(found or "/usr/bin/chromium"), "apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # A container has neither user namespaces for a sandbox nor much shared memory.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        started = playwright.chromium.launch(executable_path=str(chromium), args=options)
        yield started
        started.close()


@pytest.fixture(scope="session")
def _watched(browser, pages) -> dict[str, Watched]:
    """Open pages once for all tests, since plotly takes seconds to load."""
    return {}


@pytest.fixture
def opened(browser, pages, _watched) -> Iterator[Callable[[str], object]]:
    """Open the page of a kind, which may complain of nothing and ask for nothing but itself."""

    def open_kind(kind: str, width: int = SIZES[0]) -> object:
        if kind not in _watched:
            _watched[kind] = _open(browser, pages[kind])
        page = _watched[kind].page
        page.set_viewport_size({"width": width, "height": 900})
        return page

    yield open_kind
    assert {kind: one.complaints for kind, one in _watched.items() if one.complaints} == {}


def _open(browser, path: Path) -> Watched:
    page = browser.new_context(viewport={"width": SIZES[0], "height": 900}).new_page()
    watched = Watched(page)
    complain = watched.complaints.append
    page.on("console", lambda message: complain(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: complain(f"error: {error}"))
    page.on("dialog", lambda dialog: (complain(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: complain(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri(), timeout=120_000)
    return watched


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Write a page of each kind, from small inputs whose names are scripts, where names are free."""
    folder = tmp_path_factory.mktemp("pages")
    arch = yaml.safe_load((shipped_folder("arch_configs") / "eyeriss.yaml").read_text(encoding="utf-8"))
    bad_arch = folder / "bad.yaml"
    bad_arch.write_text(yaml.safe_dump(arch | {"name": NAME, "description": NAME}))
    first, _, last = LAYERS
    bad_layer = TracedLayer(shape=conv(NAME, C=5, K=11), relu=True)
    trace = write_trace(folder / "bad.safetensors", trace_header((first, bad_layer, last), images=2))
    paths = {kind: folder / f"{kind}.html" for kind in ("run", "explain", "compare", "explore", "eval")}
    design = ["--arch", str(bad_arch), "--trace", str(trace)]
    assert (
        main(["run", *design, "--set", "array.rows=6", "--out", str(folder / "run.txt"), "--report", str(paths["run"])])
        == 0
    )
    result = folder / "result.json"
    explain = ["explain", *design, "--out", str(folder / "explain.txt"), "--report", str(paths["explain"])]
    assert main(explain) == 0
    assert main(["run", *design, "--out", str(result)]) == 0
    assert main(["compare", str(result), str(result), "--report", str(paths["compare"])]) == 0
    labelled_trace(folder / "tiny.safetensors")
    space = space_of(folder, name=NAME, objectives=["latency", "energy", "area"], policy=["zap", "gate-input"])
    space["parameters"]["buffers.glb.size"] = ["64 KiB", "100 KiB"]
    (folder / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    explore = ["explore", str(folder / "space.yaml"), "--out", str(folder / "designs"), "--workers", "1"]
    assert main([*explore, "--report", str(paths["explore"])]) == 0
    write_report(evaluation_page(json.loads(EVALUATION), "Predictors save 20 % of the MACs."), paths["eval"])
    return paths


def _network(method: str, saved: float, agreement: float) -> dict[str, object]:
    figures = {
        "top1_agreement": agreement,
        "top1_agreement_low": agreement - 0.01,
        "top1_agreement_high": agreement + 0.01,
    }
    shares = {"macs_skipped": saved + 0.01, "predictor_macs_share": 0.01, "perfect_macs_skipped": 0.4}
    own = method == NAME
    difference = {f"macs_saved_difference{bound}": "" if own else 0.01 for bound in ("", "_low", "_high")}
    return {
        "method": method, "images": 12, "photographs": 12, "macs_saved": saved, **shares, **figures,
        "reference": NAME, **difference,
    }  # fmt: skip


EVALUATION = json.dumps({
    "networks": [_network("perfect", 0.4, 1.0), _network(NAME, 0.2, 0.98), _network("t=0.1", 0.3, 0.95)],
    "layers": [
        {"method": NAME, "layer": NAME, "pattern": "1/2", "pattern_outputs": 10, "zero_computed": 2, "zero_skipped": 5,
         "nonzero_computed": 2, "nonzero_skipped": 1, "skipped_share": 0.3, "perfect_share": 0.35, "zeros_found": 0.7,
         "nonzeros_lost": 0.3},
    ],
    "measured": "on 12 pictures",
    "provenance": {"network": NAME, "seed": 7},
})  # fmt: skip
"""What `zapsim eval --format json` writes, in short."""
