"""The parts of ``examples/sensitivity.py``: the study, and the page, tables and plot that show it."""
