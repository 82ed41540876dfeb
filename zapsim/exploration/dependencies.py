"""Libraries that exploring needs and a plain installation lacks."""

from __future__ import annotations

from importlib.util import find_spec

from zapsim.errors import ZapsimError

_NEEDED = ("distributed", "optuna", "pandas", "pyarrow", "scipy")


def check_dependencies(purpose: str = "exploring", needed: tuple[str, ...] = _NEEDED) -> None:
    """Refuse to go on without the libraries of the ``explore`` extra.

    Raises
    ------
    ZapsimError
        If one is missing; the message says how to install it.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ZapsimError(f"{purpose} needs {', '.join(missing)}: pip install 'zapsim[explore]'")
