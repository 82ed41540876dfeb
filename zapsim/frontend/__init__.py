"""From a PyTorch network to predictors and traces; the only package of zapsim that imports torch."""
