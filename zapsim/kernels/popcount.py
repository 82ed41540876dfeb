"""How many bits of a word are set: the processor's own instruction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import config
from numba.extending import intrinsic


@intrinsic
def _ctpop(_context: Any, word: Any) -> Any:
    """Emit LLVM's ``ctpop`` for a 64-bit word."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _counted(word: np.uint64) -> int:
    """Count without a compiler, where kernels run as plain Python."""
    return int(word).bit_count()


popcount = _counted if config.DISABLE_JIT else _ctpop
"""Count the bits set in a uint64; inside kernels only."""
