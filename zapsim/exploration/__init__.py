"""Design-space exploration: many designs, their accuracy in the loop, on all cores or on a cluster."""
