"""Tests of the hardware: each runs its testbench and compares with zapsim's models."""
