// ROWS x COLS processing elements, and the sums below the row that a fold uses last.
module systolic_array #(
    parameter int unsigned ROWS = 8,
    parameter int unsigned COLS = 8,
    parameter bit OUTPUT_STATIONARY = 1'b0,
    parameter bit DRAIN_BESIDE = 1'b0,
    parameter bit SHRUNK = 1'b0,  // sums may leave below any row
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned ROW_BITS = $clog2(ROWS + 1)
) (
    input  logic                          clk,
    input  logic [ROWS-1:0][DATA-1:0]     left,
    input  logic [ROWS-1:0]               first,
    input  logic [COLS-1:0][DATA-1:0]     above,
    input  logic [COLS-1:0][ SUM-1:0]     sums_above,
    input  logic                          load,
    input  logic                          capture,
    input  logic                          shift,
    input  logic [ROW_BITS-1:0]           used_rows,
    output logic [COLS-1:0][ SUM-1:0]     sums_below
);
  logic [ROWS-1:0][COLS:0][DATA-1:0] across;
  logic [ROWS-1:0][COLS:0] first_across;
  logic [ROWS:0][COLS-1:0][DATA-1:0] down;
  logic [ROWS:0][COLS-1:0][SUM-1:0] sums;

  assign down[0] = above;
  assign sums[0] = sums_above;

  for (genvar r = 0; r < int'(ROWS); r++) begin : g_row
    assign across[r][0] = left[r];
    assign first_across[r][0] = first[r];
    for (genvar c = 0; c < int'(COLS); c++) begin : g_col
      systolic_pe #(
          .OUTPUT_STATIONARY(OUTPUT_STATIONARY), .DRAIN_BESIDE(DRAIN_BESIDE), .DATA(DATA), .SUM(SUM)
      ) pe (
          .clk, .left(across[r][c]), .right(across[r][c+1]),
          .first_left(first_across[r][c]), .first_right(first_across[r][c+1]),
          .above(down[r][c]), .below(down[r+1][c]), .load, .capture, .shift,
          .sum_above(sums[r][c]), .sum_below(sums[r+1][c])
      );
    end
  end

  assign sums_below = SHRUNK ? sums[used_rows] : sums[ROWS];

  // What leaves at the right and at the bottom goes nowhere.
  logic unused;
  always_comb begin
    unused = &{1'b0, used_rows, down[ROWS]};
    for (int r = 0; r < int'(ROWS); r++) unused &= &{1'b0, across[r][COLS], first_across[r][COLS]};
  end
endmodule
