"""The tutorial is a page and a notebook: the notebook is made from the page."""

import json

from tests.docs.pages import ROOT
from tests.optional import require


def test_the_notebook_is_the_page():
    """If this fails: jupytext --to ipynb docs/tutorial.md."""
    jupytext = require("jupytext", "pip install -c constraints.txt -e '.[docs]'")
    page = jupytext.read(ROOT / "docs" / "tutorial.md")
    notebook = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]] == [
        (cell.cell_type, cell.source) for cell in page.cells
    ]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(not cell.get("outputs") for cell in notebook["cells"])
