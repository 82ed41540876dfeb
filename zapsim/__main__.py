"""``python -m zapsim`` is ``zapsim``."""

import sys

from zapsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
