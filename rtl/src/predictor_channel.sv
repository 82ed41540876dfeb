// One channel of the predictor: its multipliers, which both kernels use, and what becomes of their sums.
module predictor_channel #(
    parameter int unsigned TAPS = 9,
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : DATA,
    parameter int unsigned SUM_BITS = 24
) (
    input logic clk,
    input logic first,       // a cycle of the first kernel, or of what stands for it before and after the layer
    input logic second,      // a cycle of the second kernel
    input logic first_on,    // the first kernel is at work on an output
    input logic use_second,  // operands are those of the second kernel
    input logic [3:0] slice,
    input logic [8:0][DATA-1:0] in_taps,
    input logic [8:0][DATA-1:0] hidden_taps,
    input logic [8:0] first_inside,
    input logic [8:0] second_inside,
    input logic [8:0][WEIGHT_BITS-1:0] first_weights,
    input logic signed [SUM_BITS-1:0] first_bias,
    input logic [4:0] first_shift,
    input logic [8:0][WEIGHT_BITS-1:0] second_weights,
    input logic signed [SUM_BITS-1:0] second_bias,
    output logic [DATA-1:0] hidden,  // of the first sum
    output logic positive       // the second sum
);
  localparam logic [DATA-1:0] LARGEST = {1'b0, {(DATA - 1){1'b1}}};

  logic signed [SUM_BITS-1:0] first_sum, second_sum, carried, sum, half, rounded;
  logic [8:0][DATA-1:0] values;
  logic [8:0][WEIGHT_BITS-1:0] weights;
  logic [TAPS-1:0][DATA-1:0] slice_values;
  logic [TAPS-1:0][WEIGHT_BITS-1:0] slice_weights;
  logic [4:0] shift;

  always_comb begin
    for (int t = 0; t < 9; t++) begin
      if (use_second) values[t] = second_inside[t] ? hidden_taps[t] : '0;
      else values[t] = first_inside[t] ? in_taps[t] : '0;
    end
    weights = use_second ? second_weights : first_weights;
    if (slice == 0) carried = use_second ? second_bias : first_bias;
    else carried = use_second ? second_sum : first_sum;
  end

  if (TAPS == 9) begin : g_whole
    assign slice_values = values;
    assign slice_weights = weights;
  end else begin : g_slices
    always_comb begin
      for (int t = 0; t < int'(TAPS); t++) begin
        slice_values[t]  = values[4'(slice*TAPS)+4'(t)];
        slice_weights[t] = weights[4'(slice*TAPS)+4'(t)];
      end
    end
  end

  tap_sum #(.TAPS(TAPS), .POWERS_OF_TWO(POWERS_OF_TWO), .DATA(DATA), .SUM_BITS(SUM_BITS)) sums (
      .carried, .values(slice_values), .weights(slice_weights), .sum
  );

  always_ff @(posedge clk) begin
    if (first) first_sum <= sum;
    if (second) second_sum <= sum;
    // The shift of the group that the sum belongs to: the first kernel may be at the next one by now.
    if (first && first_on) shift <= first_shift;
  end

  assign half = shift == 0 ? '0 : SUM_BITS'(1) << (shift - 5'd1);
  assign rounded = (first_sum + half) >>> shift;
  assign hidden = first_sum < 0 ? '0 : rounded > SUM_BITS'(LARGEST) ? LARGEST : rounded[DATA-1:0];
  assign positive = second_sum > 0;
endmodule
