"""Imported first by processes that evaluate designs: what they load later starts quickly, and takes less memory."""

from zapsim.kernels._jit import start_without_numba

start_without_numba()
