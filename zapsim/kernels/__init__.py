"""Numba kernels: arrays and numbers in, preallocated arrays out. Each has a slow walker in tests/reference/."""
