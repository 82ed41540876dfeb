"""Make the screenshots of pages in this folder: ``python docs/images/make_screenshots.py`` (needs Chromium).

Needs the extra ``test``, whose playwright drives the Chromium of the system.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from zapsim.cli import main

HERE = Path(__file__).parent


def make_screenshot(name: str, command: list[str], height: int) -> None:
    """Run a command that writes a page, and save the upper part of the page as a picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "page.html"
        if main([*command, "--report", str(page_file)]):
            raise SystemExit(f"zapsim {' '.join(command)} failed")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": height})
        page.goto(page_file.as_uri(), timeout=120_000)
        page.screenshot(path=HERE / f"{name}.png", timeout=120_000)
        browser.close()


if __name__ == "__main__":
    make_screenshot("report-run", ["explain", "--arch", "eyeriss", "--trace", "digits_cnn"], 1500)
