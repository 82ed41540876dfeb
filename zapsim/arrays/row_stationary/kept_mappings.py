"""Mappings that earlier runs have found: a search takes a single run as long as all the rest of its simulation.

They lie in one file beside the machine code of the kernels (:mod:`zapsim.kernels._cache`), as JSON with a digest. A
mapping is kept under the digest of all that it depends on: layer, array, objective, and the state of the search itself,
which is told by the text of its modules and the version of NumPy. Whatever is wrong with the file, mappings are
searched for.
"""

from __future__ import annotations

import atexit
import hashlib
import json
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from zapsim import workload
from zapsim.arch.arrays import PassParameters
from zapsim.arrays.row_stationary.mapping import Resources
from zapsim.arrays.row_stationary.search import Objective, search
from zapsim.kernels._cache import are_mappings_kept, cache_directory, read_sealed, write_sealed
from zapsim.workload import ConvShape

_MOST_KEPT = 2048
"""Mappings in the file, about 70 bytes each; the oldest make place for new ones."""

_NUMBERS = 7
"""Numbers of a mapping."""


def kept_search(
    shape: ConvShape, array: Resources, objective: Objective, *, exhaustive: bool = False
) -> PassParameters:
    """Look up the best mapping of a layer, or search for it and keep it if this process keeps mappings.

    Parameters, and what is returned, are those of :func:`zapsim.arrays.row_stationary.search.search`.
    """
    if not are_mappings_kept():
        return search(shape, array, objective, exhaustive=exhaustive)
    kept, key = _kept(), _digest(repr((shape, array, objective, exhaustive)).encode())
    numbers = kept.known.get(key)
    if numbers is None:
        mapping = search(shape, array, objective, exhaustive=exhaustive)
        m, n, e, p, q, r, t = mapping.m, mapping.n, mapping.e, mapping.p, mapping.q, mapping.r, mapping.t
        kept.new[key] = [m, n, e, p, q, r, t]
        return mapping
    m, n, e, p, q, r, t = numbers
    return PassParameters(m=m, n=n, e=e, p=p, q=q, r=r, t=t)


class _Kept:
    """The mappings of a file, and the new ones, which are added to it when the process ends.

    Attributes
    ----------
    known, new
        Seven numbers of each mapping (m, n, e, p, q, r, t) by the digest of what it depends on.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._of = path, _state_of_the_search()
        self.known, self.new = self._read(), dict[str, list[int]]()

    def _read(self) -> dict[str, list[int]]:
        """Read the file; nothing of it counts if it was written in another state of the search."""
        content = read_sealed(self._path, "kept mapping", "it is searched for again")
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # of a file that somebody has written by hand
            record = json.loads(content or b"{}")
            if record.get("of") == self._of and all(map(_is_mapping, record["mappings"].values())):
                return dict(record["mappings"])
        return {}

    def write(self) -> None:
        """Add the new mappings to the file, in which another process may have written meanwhile."""
        if self.new:
            mappings = list((self._read() | self.new).items())[-_MOST_KEPT:]
            text = json.dumps({"of": self._of, "mappings": dict(mappings)}, separators=(",", ":"))
            with suppress(OSError):  # a full disk, or a cache that nobody may write to: the next run searches again
                write_sealed(self._path, text.encode())


def _is_mapping(numbers: object) -> bool:
    """Tell whether these can be the numbers of a mapping."""
    return isinstance(numbers, list) and len(numbers) == _NUMBERS and all(type(n) is int and n > 0 for n in numbers)


@lru_cache(maxsize=1)
def _kept() -> _Kept:
    """Read the file of this process's cache directory, once, and see to it that new mappings are written."""
    kept = _Kept(cache_directory() / "mappings.sealed")
    atexit.register(kept.write)
    return kept


def _state_of_the_search() -> str:
    """Name the state of the code that finds mappings."""
    modules = [*sorted(Path(__file__).parent.glob("*.py")), Path(workload.__file__)]
    return _digest(b"\0".join([np.__version__.encode(), *(module.read_bytes() for module in modules)]))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:40]
