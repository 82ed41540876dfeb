"""Time as it really passes: tiles share a DRAM channel, an array and a predictor."""
