"""Functions of one object that are computed once for it, however often they are asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

Held = TypeVar("Held")
Result = TypeVar("Result")

MOST_OBJECTS = 256
"""Objects whose results each function keeps: those asked for last."""


def once_per_object(function: Callable[[Held], Result]) -> Callable[[Held], Result]:
    """Remember what `function` returns for each object, which must not change.

    Objects are told apart by identity, since comparing or hashing a whole architecture would take longer than most of
    what is remembered. An object lives at least as long as its result is kept, so that no other can take its place.
    """
    results: OrderedDict[int, tuple[Held, Result]] = OrderedDict()

    def remembered(held: Held) -> Result:
        entry = results.get(id(held))
        if entry is not None:
            return entry[1]
        result = function(held)
        results[id(held)] = held, result
        if len(results) > MOST_OBJECTS:
            results.popitem(last=False)
        return result

    remembered.__doc__, remembered.__name__ = function.__doc__, function.__name__
    return remembered
