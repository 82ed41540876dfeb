"""Activation traces: bit-packed masks of real images, with the shapes and the provenance that belong to them."""
