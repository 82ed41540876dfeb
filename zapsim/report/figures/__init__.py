"""Figures of results for papers: one kind a file, each drawn in the style of :mod:`zapsim.report.style`."""
