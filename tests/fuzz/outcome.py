"""The outcome of reading one file: accepted, refused in a way that helps, or a failure."""

import shutil
import tempfile
import time
import warnings
from pathlib import Path

from tests.fuzz.readers import Reader, absurdity
from zapsim.errors import ZapsimError

SLOW_S = 10.0
MOST_CHARACTERS = 3000
"""Of a line of a message; the command line cuts at 480."""
ACCEPTED, REFUSED = "accepted", "refused"


def outcome(reader: Reader, data: bytes, folder: Path) -> str:
    """Read `data` in a new folder below `folder`; return ``accepted``, ``refused``, or what is wrong.

    - *accepted*: the value has only finite numbers and printable text.
    - *refused*: a ZapsimError whose lines are printable and not endless.
    - Anything else is a failure and named: another exception with its place, an absurd value, an unreadable message, or
      more than ten seconds of computing.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    path = place / reader.file
    path.write_bytes(data)
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = reader.read(path)
        fault = absurdity(value)
        found = ACCEPTED if fault is None else f"accepted {fault}"
    except ZapsimError as error:
        lines = str(error).split("\n")
        printable = all(line.isprintable() for line in lines) and len(str(error)) <= MOST_CHARACTERS * len(lines)
        found = REFUSED if printable and str(error) else f"message {str(error)[:200]!r}"
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = "" if frame is None else f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
        found = f"{type(error).__name__} at {where}: {str(error)[:200]!r}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    seconds = time.process_time() - started
    return found if seconds < SLOW_S else f"took {seconds:.0f} s ({found})"
