"""Numba kernels: arrays and numbers in, preallocated arrays out. A slow walker in tests/reference checks each."""
