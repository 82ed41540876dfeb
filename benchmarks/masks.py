"""The kernels that read masks, beside a plain copy and a plain sum of the same bytes in the same run.

All maps are unread: what a map remembers would be a look-up.
"""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Expected, Row, Task, equal_to, medians
from benchmarks.points import layers
from zapsim.kernels import bits
from zapsim.tracefile.packed import PackedMap

GROUP = "masks of VGG-16"


def rows(_expected: Expected, quick: bool) -> list[Row]:
    """Time one pass over the masks of all layers, by each kernel."""
    masks = [layer.mask for layer in layers() if layer.mask is not None]
    words = [mask.words() for mask in masks]
    flat = np.concatenate([one.reshape(-1) for one in words])
    target = np.empty_like(flat)
    by_row = [np.empty((*one.shape[:2], mask.channels), np.int32) for one, mask in zip(words, masks, strict=True)]
    by_pixel = [np.empty((one.size // one.shape[-1], 1), np.int32) for one in words]
    set_bits = sum(int.from_bytes(one.tobytes(), "little").bit_count() for one in words)
    total = int(flat.sum(dtype=np.uint64))

    def copy(_: object) -> int:
        np.copyto(target, flat)
        return int(target[-1])

    def count_rows(_: object) -> None:
        for one, out in zip(words, by_row, strict=True):
            bits.row_counts(one, out)

    def count_pixels(_: object) -> None:
        for one, mask, out in zip(words, masks, by_pixel, strict=True):
            bits.group_counts(one.reshape(-1, one.shape[-1]), mask.channels, out)

    def all_counted(outs: list[np.ndarray]) -> None:
        assert sum(int(out.sum(dtype=np.int64)) for out in outs) == set_bits
        for out in outs:
            out.fill(-1)

    tasks = [
        Task("plain copy", copy, equal_to(int(flat[-1])), times=20),
        Task("plain sum", lambda _: int(flat.sum(dtype=np.uint64)), equal_to(total), times=20),
        Task(
            "count of a map",
            lambda fresh: sum(one.count() for one in fresh),
            equal_to(set_bits),
            prepare=lambda: [PackedMap(mask.bits, mask.channels) for mask in masks],
            times=20,
        ),
        Task("counts by row and channel", count_rows, lambda _: all_counted(by_row)),
        Task("counts by pixel", count_pixels, lambda _: all_counted(by_pixel)),
    ]
    taken = medians(tasks, rounds := 20 if quick else 100)
    speed = {name: flat.nbytes / 1e6 / milliseconds for name, milliseconds in taken.items()}
    size, memory = flat.nbytes / 1e6, speed["plain sum"]
    return [
        Row(
            GROUP, name, reached, "GB/s",
            f"{taken[name]:.3g} ms for {size:.2f} MB, {reached / memory:.2f} of a plain sum", rounds,
        )
        for name, reached in speed.items()
    ]  # fmt: skip
