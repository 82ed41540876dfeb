"""Hardware in SystemVerilog that computes what zapsim counts, with its testbenches and its synthesis."""
