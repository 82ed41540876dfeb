"""zapsim: what zero-activation prediction saves on a CNN accelerator, from real masks.

Importing the package needs neither torch nor a compiled kernel; the parts are imported where they are used
(``zapsim.simulate``, ``zapsim.trace``, ``zapsim.arch``, ``zapsim.frontend``). ``zapsim.explore(...)`` explores a space
of designs.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """Import :mod:`zapsim.explore` when it is first used."""
    if name == "explore":
        return import_module("zapsim.explore")
    raise AttributeError(f"module 'zapsim' has no attribute '{name}'")
