"""Models of arrays: one room per dataflow, and what they share."""
