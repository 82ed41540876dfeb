"""Simulate a trace on an accelerator: ``run_sim.py --arch X`` is ``zapsim run --arch X``."""

import sys

from zapsim.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "run")
    sys.exit(main())
