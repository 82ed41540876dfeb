"""Networks with real weights that install from package registries."""
