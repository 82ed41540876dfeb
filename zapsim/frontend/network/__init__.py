"""Networks as prediction sees them: convolutions, the ReLU behind each, weights, and how pictures are prepared."""

from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network.network import Network

__all__ = ["Network", "Preprocessing"]
