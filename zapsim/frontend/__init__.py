"""The frontend: train predictors for PyTorch networks, choose operating points, evaluate them, trace networks."""

from zapsim.errors import check_extra

# Whoever imports the frontend needs these, and should read what to install.
check_extra("training and tracing need", "frontend", "torch", "PIL", "scipy")
