"""Design-space exploration: many designs, their accuracy in the loop, on all cores or on a cluster.

The package is also the function: ``zapsim.explore("space.yaml")`` is :func:`zapsim.explore.api.explore`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class _CallableModule(ModuleType):
    """A package that can be called: a function of its name would be hidden by it as soon as it is imported."""

    def __call__(self, *arguments: Any, **options: Any) -> pd.DataFrame:
        from zapsim.explore.extras import check_extras

        check_extras()
        from zapsim.explore.api import explore

        return explore(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
