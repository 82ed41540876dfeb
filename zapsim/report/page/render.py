"""From the contents of a page to one HTML file, with its style, its scripts and plotly in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from zapsim.errors import ZapsimError, check_extra
from zapsim.files import check_writable, write_atomically
from zapsim.report.page.contents import Page, Plot, Table
from zapsim.version import __version__

_SCRIPTS = ("tables.js", "plots.js", "designs.js")


def check_report(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Check that a page can be made and written to `path`, before there is anything to show.

    Parameters
    ----------
    path
        Where the page goes.
    inputs
        Files that the command reads, which the page may not replace.

    Raises
    ------
    ZapsimError
        If the file's ending is not html, it cannot be written, or jinja2 or plotly is not installed.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise ZapsimError(f"{path}: a report is a web page, so its name must end in .html")
    check_writable(path, inputs)
    check_extra("reports need", "report", "jinja2", "plotly")


def write_report(page: Page, path: Path) -> None:
    """Write a page to a file that :func:`check_report` accepts; the same page gives the same bytes."""
    write_atomically(path, render_page(page))


def render_page(page: Page) -> str:
    """Return a page as HTML that asks for nothing from elsewhere.

    The browser runs no script but those of this page, whose digests stand in its content security policy: should a
    name ever be taken for a script, nothing would happen.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("zapsim.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["table"] = lambda block: isinstance(block, Table)
    own = files("zapsim.report.page")
    library = _safe_script(get_plotlyjs())
    script = _safe_script("\n".join(own.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS))
    # Markup is what this package and plotly ship; of the results, only JSON in which `_data` has escaped all signs.
    return environment.get_template("page.html.jinja").render(
        page=page,
        data=Markup(_data(page)),
        style=Markup(own.joinpath("page.css").read_text(encoding="utf-8")),
        library=Markup(library),
        script=Markup(script),
        digests=[_digest(library), _digest(script)],
        version=__version__,
    )


def _safe_script(text: str) -> str:
    """Return a script as a page can hold it: no text in it ends the script, and lines end as the browser reads them."""
    return text.strip().replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(script: str) -> str:
    """Return a script's digest as a content security policy has it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _data(page: Page) -> str:
    """Return plots and designs as JSON in which nothing can be taken for markup."""
    plots = {
        block.name: {"traces": block.traces, "layout": block.layout, "views": block.views}
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Plot)
    }
    text = json.dumps({"plots": plots, "designs": page.designs}, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
