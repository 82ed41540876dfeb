"""How Sphinx builds the site of these pages: `.ci/run docs` writes it to build/site, with warnings as errors."""

from collections.abc import Sequence
from typing import Protocol

from zapsim.version import __version__

project = "zapsim"
author = "the authors of zapsim"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_argparse_cli"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["**/.ipynb_checkpoints"]

# No page needs a network: the theme takes the fonts of the system, and the search runs in the browser, also from files.
html_theme = "furo"
html_title = f"zapsim {version}"
html_show_copyright = html_show_sphinx = html_show_sourcelink = False

suppress_warnings = ["myst.header"]  # tables that scripts write begin at the second level
myst_heading_anchors = 4  # links such as workloads.md#synthetic-traces

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

_OUTSIDE = {"../traces/README.md": "/reference/bundled-traces.md"}
"""Pages outside this folder that pages link to, and the page of the site that shows each."""


class _App(Protocol):
    def connect(self, event: str, callback: object) -> int: ...


def _link_inside(_app: _App, name: str, source: Sequence[str]) -> None:
    """Turn links to pages outside this folder into links to those that show them; the clone has them as they are."""
    for target, page in _OUTSIDE.items():
        depth = "../" * name.count("/")
        source[0] = source[0].replace(f"]({depth}{target}", f"]({page}")  # type: ignore[index]


def setup(app: _App) -> None:
    """Connect what is ours."""
    app.connect("source-read", _link_inside)
