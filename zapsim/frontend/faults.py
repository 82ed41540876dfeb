"""Making one line of other libraries' errors."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its type's name if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
