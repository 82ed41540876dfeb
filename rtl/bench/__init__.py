"""What runs inside the simulator: memories around each design, and the cocotb tests that drive them."""
