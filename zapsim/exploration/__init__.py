"""Design-space exploration: many designs, their accuracy in the loop, on all cores or on a cluster."""

from __future__ import annotations

from zapsim.errors import check_extra

_NEEDED = ("distributed", "optuna", "pandas", "pyarrow", "scipy")


def check_dependencies(purpose: str = "exploring", needed: tuple[str, ...] = _NEEDED) -> None:
    """Check that the libraries of the ``explore`` extra are installed.

    Raises
    ------
    MissingExtraError
        If one is missing; the message says how to install it.
    """
    check_extra(f"{purpose} needs", "explore", *needed)
