"""Libraries that exploring needs and a plain installation lacks."""

from __future__ import annotations

from importlib.util import find_spec

from zapsim.errors import ZapsimError

_NEEDED = ("distributed", "optuna", "pandas", "pyarrow", "scipy")


def check_extras() -> None:
    """Refuse to explore without the libraries of the extra.

    Raises
    ------
    ZapsimError
        If one is missing; the message says how to get them.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ZapsimError(f"exploring needs {', '.join(missing)}: pip install 'zapsim[explore]'")
