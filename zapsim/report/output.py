"""Writing result files: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from zapsim.errors import ZapsimError


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8) through a temporary file beside it.

    Raises
    ------
    ZapsimError
        If the directory does not exist or cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise ZapsimError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)
