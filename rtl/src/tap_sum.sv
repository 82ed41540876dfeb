// One channel's share of a cycle: TAPS products of an activation (DATA bits, not negative) and a weight, added
// to what was there.
//
// Weights are as wide as activations, or with POWERS_OF_TWO four bits: a sign and a code, 0 for zero and c for 2**(c - 1).
module tap_sum #(
    parameter int unsigned TAPS = 9,
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : DATA,
    parameter int unsigned SUM_BITS = 24
) (
    input  logic signed [SUM_BITS-1:0]                  carried,
    input  logic        [    TAPS-1:0][       DATA-1:0] values,
    input  logic        [    TAPS-1:0][WEIGHT_BITS-1:0] weights,
    output logic signed [SUM_BITS-1:0]                  sum
);
  localparam int unsigned PRODUCT = 2 * DATA + 1;

  logic signed [TAPS-1:0][PRODUCT-1:0] products;

  for (genvar t = 0; t < int'(TAPS); t++) begin : g_tap
    if (POWERS_OF_TWO) begin : g_shift
      logic [PRODUCT-1:0] magnitude;
      assign magnitude = weights[t][2:0] == 0 ? '0 : PRODUCT'(values[t]) << (weights[t][2:0] - 3'd1);
      assign products[t] = weights[t][3] ? -magnitude : magnitude;
    end else begin : g_multiply
      assign products[t] = PRODUCT'($signed(values[t]) * $signed(weights[t]));
    end
  end

  always_comb begin
    sum = carried;
    for (int t = 0; t < int'(TAPS); t++) sum = sum + SUM_BITS'($signed(products[t]));
  end
endmodule
