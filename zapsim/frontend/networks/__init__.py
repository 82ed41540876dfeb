"""Networks: some with real weights from package registries, and the standard CNNs for weights of one's own."""
