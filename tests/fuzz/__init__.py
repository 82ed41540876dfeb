"""Hostile files: seeds of every kind, mutations of them, and the three outcomes that a reader may have."""
