"""Operating points: thresholds per layer, chosen from measured curves."""
