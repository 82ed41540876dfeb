"""zapsim: what zero-activation prediction saves on a CNN accelerator, from real masks.

Everything public is listed in ``__all__`` and loaded when it is first used: importing the package loads neither torch,
numba, pandas nor matplotlib.

Examples
--------
>>> import zapsim
>>> result = zapsim.simulate("eyeriss", "traces/vgg16_hed_chelsea.safetensors", policy="zap")
>>> result.total.cycle_saving, result.total.energy_saving
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zapsim.version import __version__

if TYPE_CHECKING:
    from zapsim.arch.load import load_arch
    from zapsim.exploration.api import explore
    from zapsim.simulation import simulate
    from zapsim.tracefile.reader import Trace

__all__ = [
    "Trace", "__version__", "compare", "evaluate", "explore", "load_arch", "simulate", "trace", "train", "tune",
]  # fmt: skip

_MODULE_OF = {
    "Trace": "zapsim.tracefile.reader",
    "compare": "zapsim.exploration.api",
    "evaluate": "zapsim.frontend.api",
    "explore": "zapsim.exploration.api",
    "load_arch": "zapsim.arch.load",
    "simulate": "zapsim.simulation",
    "trace": "zapsim.frontend.api",
    "train": "zapsim.frontend.api",
    "tune": "zapsim.frontend.api",
}

_EXTRA_OF = {
    "zapsim.exploration.api": ("explore", "distributed", "optuna", "pandas", "pyarrow", "scipy"),
    "zapsim.frontend.api": ("frontend", "torch", "PIL"),
}
"""Of modules that need more than a plain installation: the extra, and what it brings."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used.

    Raises
    ------
    MissingExtraError
        If it needs libraries that are not installed; the message says how to get them.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'zapsim' has no attribute '{name}'")
    module = _MODULE_OF[name]
    if module in _EXTRA_OF:
        from zapsim.errors import check_extra

        check_extra(f"zapsim.{name} needs", *_EXTRA_OF[module])
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
