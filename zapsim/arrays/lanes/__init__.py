"""Output-lane arrays: SnaPEA- and Cnvlutin-like."""
