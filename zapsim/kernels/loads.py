"""What stage B finds on chip of what stage A has loaded, block by block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zapsim.kernels._jit import helper, kernel

Ints = NDArray[np.int64]


@helper
def _by_block(words: Ints, block: Ints, out: Ints) -> None:
    """Add up words by block, or all of them in block 0 if `out` has no more."""
    out[:] = 0
    for tile in range(len(words)):
        out[block[tile] if len(out) > 1 else 0] += words[tile]


@helper
def _largest_block(words: Ints, block: Ints, blocks: int) -> int:
    """Return the words of the block that has most of them; with `blocks` = 1, all words."""
    sums = np.empty(blocks, dtype=np.int64)
    _by_block(words, block, sums)
    most = sums[0]
    for number in range(1, blocks):
        most = max(most, sums[number])
    return int(most)


@helper
def _words_beyond(loaded: Ints, used: Ints, block_a: Ints, block_b: Ints, blocks: int, out: Ints) -> None:
    """Reduce the words that stage B uses to those beyond what stage A loaded, block by block.

    The rest of a block is shared out among its tiles in proportion to what they use, rounded up.

    Parameters
    ----------
    loaded, used
        int64 (tiles,): words of the tiles of stage A and of stage B.
    block_a, block_b
        int64 (tiles,): their blocks.
    blocks
        Blocks that are told apart; 1: all are one.
    out
        int64 (tiles of stage B,), overwritten.
    """
    on_chip, wanted = np.empty(blocks, dtype=np.int64), np.empty(blocks, dtype=np.int64)
    _by_block(loaded, block_a, on_chip)
    _by_block(used, block_b, wanted)
    for tile in range(len(used)):
        block = block_b[tile] if blocks > 1 else 0
        missing = max(wanted[block] - on_chip[block], 0)
        out[tile] = 0
        if missing and used[tile]:
            out[tile] = (used[tile] * missing + wanted[block] - 1) // wanted[block]


APART, STAYS, TAKES_ROOM = range(3)
"""Whether the stages use different words of an operand, or the GLB holds what stage A has loaded: anyway, or in room
that both stages leave."""


@kernel
def beside_stage_a(
    loaded: Ints, block_a: Ints, used: Ints, block_b: Ints, kept: Ints, coded: float, words: Ints
) -> int:
    """Reduce the operand words that stage B uses to those that stage A has not left on chip.

    Parameters
    ----------
    loaded, used
        int64 (2, tiles): words of the ifmap and of filters for the tiles of stage A and of stage B.
    block_a, block_b
        int64 (tiles,): their blocks.
    kept
        int64 (5,): blocks that are told apart (1: all are one), and how many of them are on chip at a time; words that
        are free; what is kept of the ifmap and of filters: :data:`APART`, :data:`STAYS` or :data:`TAKES_ROOM`.
    coded
        Size of the ifmap in DRAM as a share of its plain size.

    words
        int64 (2, tiles of stage B), overwritten.

    Returns
    -------
    free_words
        Words that remain free. Ifmaps come first, since they are usually larger.
    """
    blocks, on_chip, free_words = kept[0], kept[1], kept[2]
    words[:] = used
    for operand in range(2):
        if kept[3 + operand] == APART:
            continue
        held = 0 * free_words
        if kept[3 + operand] == TAKES_ROOM:
            share = coded if operand == 0 else 1.0
            held = math.ceil(on_chip * _largest_block(loaded[operand], block_a, blocks) / share)
        if held <= free_words:
            _words_beyond(loaded[operand], used[operand], block_a, block_b, blocks, words[operand])
            free_words -= held
    return int(free_words)
