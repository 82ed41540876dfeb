"""zapsim: what zero-activation prediction saves on a CNN accelerator, from real masks.

Everything public is listed in ``__all__`` and loaded when it is first used: importing the package loads neither torch,
numba, pandas nor matplotlib.

Examples
--------
>>> import zapsim
>>> result = zapsim.simulate("eyeriss", "traces/vgg16_hed_chelsea_1_3.safetensors", policy="zap")
>>> result.total.cycle_saving, result.total.energy_saving
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zapsim.version import __version__

if TYPE_CHECKING:
    from zapsim.arch.load import load_arch
    from zapsim.exploration.api import compare, explore
    from zapsim.frontend.api import evaluate, trace, train, tune
    from zapsim.plotting import plot
    from zapsim.simulation import simulate
    from zapsim.tracefile.reader import Trace

__all__ = [
    "Trace", "__version__", "compare", "evaluate", "explore", "load_arch", "plot", "simulate", "trace", "train", "tune",
]  # fmt: skip

_MODULE_OF = {
    "Trace": "zapsim.tracefile.reader",
    "compare": "zapsim.exploration.api",
    "evaluate": "zapsim.frontend.api",
    "explore": "zapsim.exploration.api",
    "load_arch": "zapsim.arch.load",
    "plot": "zapsim.plotting",
    "simulate": "zapsim.simulation",
    "trace": "zapsim.frontend.api",
    "train": "zapsim.frontend.api",
    "tune": "zapsim.frontend.api",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'zapsim' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
