"""Time of pooling where nothing hides it: a unit that reads the ofmap before it, a few words per cycle.

Pooling is recognised by shapes: the next layer has the same channels and a smaller ifmap, or is a 1×1 layer on the
flattened smaller map. The model is pessimistic where rows are pooled as the array finishes them, and optimistic where
windows overlap and no line buffer keeps what was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from zapsim.workload import ConvShape


def pooled_words(layers: Sequence[ConvShape]) -> dict[str, int]:
    """Count the words that pooling reads for one image, by the layer whose ofmap is pooled.

    Parameters
    ----------
    layers
        In their order; where branches lie behind one another, pooling may be missed.
    """
    words = {}
    for before, after in pairwise(layers):
        smaller = after.H <= before.P and after.W <= before.Q and after.H * after.W < before.P * before.Q
        pooled = before.K == after.C and smaller
        places, rest = divmod(after.C, before.K)
        flattened = after.H == after.W == 1 and not rest and 1 < places < before.P * before.Q
        if pooled or flattened:
            words[before.name] = before.K * before.P * before.Q
    return words


def pooling_note(layers: Sequence[ConvShape], images: int, words_per_cycle: float, cycles: float) -> str:
    """Say how long pooling takes if the array waits for it.

    Parameters
    ----------
    layers
        In their order.
    images
        Number of images that ran.
    words_per_cycle
        What the pooling unit reads.
    cycles
        Cycles of the whole run without pooling.
    """
    words = pooled_words(layers)
    read = images * sum(words.values())
    extra = read / words_per_cycle
    return (
        f"{read / 1e6:,.3g} M words behind {len(words)} layers, read at {words_per_cycle:g} words per cycle while the "
        f"array waits, take {extra / 1e6:,.3g} M cycles more: {extra / cycles:.1%} of the total, which leaves them out"
    )
