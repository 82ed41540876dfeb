"""Areas of the hardware, by synthesis."""
