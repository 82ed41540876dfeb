"""zapsim: what zero-activation prediction saves on a CNN accelerator, from real masks.

Everything public is listed in ``__all__`` and loaded when it is first used: importing the package loads neither torch,
numba, pandas nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zapsim.arch.load import load_arch
    from zapsim.exploration.api import explore
    from zapsim.tracefile.reader import Trace

__version__ = "0.1.0"

__all__ = ["Trace", "__version__", "explore", "load_arch"]

_HOME = {
    "Trace": "zapsim.tracefile.reader",
    "explore": "zapsim.exploration.api",
    "load_arch": "zapsim.arch.load",
}
"""Module of each public name."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'zapsim' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
