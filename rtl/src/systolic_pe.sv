// One PE of a systolic array; operands enter from the left and from above, and are handed on a cycle later.
//
// Weight- or input-stationary: words from above stay (`load`), sums move down. Output-stationary: sums stay, `first`
// starts them anew; then they move down themselves (`shift`) or, with DRAIN_BESIDE, a copy does while the next sums
// begin.
module systolic_pe #(
    parameter bit OUTPUT_STATIONARY = 1'b0,
    parameter bit DRAIN_BESIDE = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24
) (
    input  logic                   clk,
    input  logic signed [DATA-1:0] left,
    output logic signed [DATA-1:0] right,
    input  logic                   first_left,
    output logic                   first_right,
    input  logic signed [DATA-1:0] above,
    output logic signed [DATA-1:0] below,
    input  logic                   load,
    input  logic                   capture,
    input  logic                   shift,
    input  logic signed [ SUM-1:0] sum_above,
    output logic signed [ SUM-1:0] sum_below
);
  logic signed [2*DATA-1:0] product;

  always_ff @(posedge clk) right <= left;

  if (OUTPUT_STATIONARY) begin : g_sums_stay
    logic signed [SUM-1:0] sum;
    assign product = left * above;
    always_ff @(posedge clk) begin
      below <= above;
      first_right <= first_left;
      if (shift && !DRAIN_BESIDE) sum <= sum_above;
      else sum <= (first_left ? '0 : sum) + SUM'(product);
    end
    if (DRAIN_BESIDE) begin : g_copy
      logic signed [SUM-1:0] leaving;
      always_ff @(posedge clk) begin
        if (capture) leaving <= sum;
        else if (shift) leaving <= sum_above;
      end
      assign sum_below = leaving;
    end else begin : g_itself
      assign sum_below = sum;
      logic unused;
      assign unused = &{1'b0, capture};
    end
    logic unused_load;
    assign unused_load = &{1'b0, load};
  end else begin : g_words_stay
    assign product = left * below;
    always_ff @(posedge clk) begin
      if (load) below <= above;
      sum_below <= sum_above + SUM'(product);
    end
    assign first_right = 1'b0;
    logic unused;
    assign unused = &{1'b0, first_left, capture, shift};
  end
endmodule
