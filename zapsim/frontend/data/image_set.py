"""Sets of images ready for a network: pixels, names and, where known, labels."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from zapsim.errors import FrontendError
from zapsim.frontend.data.photographs import photograph_digest
from zapsim.frontend.data.preprocessing import Preprocessing

PIXELS_PER_BATCH = 224 * 224
"""Input pixels that are evaluated at a time: maps that fit a processor's cache take half the time of larger ones."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images of one size.

    Attributes
    ----------
    pixels
        uint8 (images, rows, columns, channels); channels are RGB or one grey. Or float32 (images, C, rows, columns),
        which the network takes as it is.
    names
        A name per image (file names, never paths).
    preprocessing
        What turns the pixels into the network's input.
    description
        What these images are, for provenance.
    labels
        int64 class of each image, or None.
    skipped
        Names of the files that did not decode.
    sources
        Digest of the photograph (or other subject) that each image was cut from, see
        :mod:`zapsim.frontend.data.photographs`; empty if every image is a photograph of its own.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    names: tuple[str, ...]
    preprocessing: Preprocessing
    description: str
    labels: NDArray[np.int64] | None = None
    skipped: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.pixels):
            raise FrontendError(f"{len(self.pixels)} images but {len(self.names)} names")
        if self.labels is not None and len(self.labels) != len(self.pixels):
            raise FrontendError(f"{len(self.pixels)} images but {len(self.labels)} labels")
        if self.sources and len(self.sources) != len(self.pixels):
            raise FrontendError(f"{len(self.pixels)} images but {len(self.sources)} sources")

    def __len__(self) -> int:
        return len(self.pixels)

    def tensor(self, indices: Sequence[int] | NDArray[np.int64]) -> torch.Tensor:
        """Return the network's input for these images: float32 (images, C, rows, columns)."""
        chosen = self.pixels[np.asarray(indices)]
        if chosen.dtype == np.float32:
            return torch.from_numpy(np.array(chosen))
        return self.preprocessing.tensor(chosen.astype(np.uint8, copy=False))

    def batches(self, size: int | None = None) -> Iterator[tuple[torch.Tensor, NDArray[np.int64] | None]]:
        """Yield (input, labels) in order, `size` images at a time (default: :data:`PIXELS_PER_BATCH`)."""
        size = size or max(1, PIXELS_PER_BATCH // self.preprocessing.size**2)
        for start in range(0, len(self), size):
            chosen = np.arange(start, min(start + size, len(self)))
            yield self.tensor(chosen), None if self.labels is None else self.labels[chosen]

    def first(self, count: int) -> ImageSet:
        """Return the first `count` images."""
        if count < 1 or count > len(self):
            raise FrontendError(f"{count} images wanted, but {self.description} has only {len(self)}")
        if count == len(self):
            return self
        return self.part(0, count, f"the first {count} of {self.description}")

    def part(self, start: int, stop: int, description: str) -> ImageSet:
        """Return the images from number `start` up to, but not including, `stop`."""
        return replace(
            self,
            pixels=self.pixels[start:stop],
            names=self.names[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            sources=self.sources[start:stop],
            description=description,
        )

    def sample(self, count: int, seed: int) -> ImageSet:
        """Return `count` images drawn without replacement."""
        if count > len(self):
            raise FrontendError(f"{count} images wanted, but {self.description} has only {len(self)}")
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        return replace(self._take(chosen), description=f"{count} of {self.description}, seed {seed}")

    def without(self, photographs: frozenset[str]) -> ImageSet:
        """Return the images that are of other photographs than these (digests)."""
        if not photographs:
            return self
        kept = np.array([index for index, one in enumerate(self.photographs()) if one not in photographs], np.int64)
        if len(kept) == len(self):
            return self
        return replace(self._take(kept), description=f"{len(kept)} unseen of {self.description}")

    def sha256(self, index: int) -> str:
        """Return the SHA-256 of the tensor that the network sees for one image."""
        return hashlib.sha256(self.tensor([index]).numpy().tobytes()).hexdigest()

    def photographs(self) -> tuple[str, ...]:
        """Return the digest of every image's photograph; images of the same photograph have the same."""
        return self.sources or tuple(photograph_digest(image) for image in self.pixels)

    def digest(self) -> str:
        """Return a SHA-256 over all pixels and what is done to them."""
        digest = hashlib.sha256(f"{self.preprocessing} {self.pixels.shape}".encode())
        for start in range(0, len(self), 64):
            digest.update(np.ascontiguousarray(self.pixels[start : start + 64]).data)
        return digest.hexdigest()

    def _take(self, chosen: NDArray[np.int64]) -> ImageSet:
        labels = None if self.labels is None else self.labels[chosen]
        names = tuple(self.names[index] for index in chosen)
        sources = tuple(self.sources[index] for index in chosen) if self.sources else ()
        return replace(self, pixels=self.pixels[chosen], names=names, labels=labels, sources=sources)


IN_MEMORY_BYTES = 256 * 2**20
"""What is kept in memory; larger sets go to a temporary file without a name, which the system maps in as needed."""


class ImageStore:
    """Collects arrays of one shape and type and joins them, without keeping many in memory."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._limit = in_memory_bytes
        self._kept: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, image: NDArray[Any]) -> None:
        """Take one image."""
        self._count += 1
        if self._file is None:
            self._kept.append(image)
            if self._count * image.nbytes > self._limit:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (`array` closes it)
                for earlier in self._kept:
                    self._file.write(earlier.tobytes())
                del self._kept[1:]
        else:
            self._file.write(image.tobytes())

    def array(self) -> NDArray[Any]:
        """Return all images (images, ...) and take no more; there must be one at least."""
        if self._file is None:
            return np.stack(self._kept)
        first = self._kept[0]
        with self._file as file:  # what is mapped in outlives the file object
            file.flush()
            return np.memmap(file, dtype=first.dtype, mode="r", shape=(self._count, *first.shape))
