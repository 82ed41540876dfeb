"""The frontend: train predictors for PyTorch networks, choose operating points, evaluate them, trace networks."""

from importlib.util import find_spec

from zapsim.errors import FrontendError

_MISSING = [name for module, name in (("torch", "PyTorch"), ("PIL", "Pillow")) if find_spec(module) is None]
if _MISSING:  # whoever imports the frontend needs them, and should read what to install
    raise FrontendError(f"training and tracing need {' and '.join(_MISSING)}: pip install 'zapsim[frontend]'")
