"""zapsim: what zero-activation prediction saves on a CNN accelerator, from real masks.

Importing the package needs neither torch nor a compiled kernel; the parts are imported where they are used
(``zapsim.simulate``, ``zapsim.trace``, ``zapsim.arch``, ``zapsim.frontend``).
"""

__version__ = "0.1.0"
