"""What several commands take: the sub-parser type, and where the bundled trace lies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

BUNDLED_TRACE = Path(__file__).parents[2] / "traces" / "vgg16_hed_chelsea.safetensors"
"""VGG-16 (HED weights) on one photograph: what ``zapsim run`` takes if no trace is named."""
