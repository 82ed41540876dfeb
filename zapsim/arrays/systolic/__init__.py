"""Systolic arrays: weight-, output- and input-stationary."""
