// A product of an activation (DATA bits, not negative) and a weight.
//
// Weights are as wide as activations, or with POWERS_OF_TWO four bits: a sign and a code, 0 for zero and c for 2**(c - 1).
module tap_product #(
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : DATA
) (
    input  logic        [       DATA-1:0] value,
    input  logic        [WEIGHT_BITS-1:0] weight,
    output logic signed [     2*DATA-1:0] product
);
  localparam int unsigned PRODUCT = 2 * DATA;

  if (POWERS_OF_TWO) begin : g_shift
    logic [PRODUCT-1:0] magnitude;
    assign magnitude = weight[2:0] == 0 ? '0 : PRODUCT'(value) << (weight[2:0] - 3'd1);
    assign product = weight[3] ? -magnitude : magnitude;
  end else begin : g_multiply
    assign product = PRODUCT'($signed(value) * $signed(weight));
  end
endmodule
