// One channel of the predictor: TAPS multipliers, which both kernels use, and lines of first sums and of what becomes of
// them.
//
// The first kernel adds one output of the pattern, times each weight, to the sums around it: nothing is multiplied by the
// zeros between the pattern's outputs. The second kernel gathers its window. A sum in which nothing is missing any more
// is finished (bias, ReLU, shift), FINISHERS columns at a time, and its place is cleared for the line that comes four later.
//
// Multiplier and bank go together: what lies in bank b is multiplied by, or added to a product of, multiplier b of a row; weights
// are turned instead.
module predictor_channel #(
    parameter int unsigned TAPS = 9,
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : DATA,
    parameter int unsigned SUM_BITS = 24,
    parameter int unsigned FINISHERS = 1,
    parameter int unsigned DEPTH = 22,
    parameter int unsigned PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input logic clk,
    input logic clear,
    input logic first,   // a cycle of the first kernel
    input logic second,  // a cycle of the second kernel
    input logic [3:0] slice,
    input logic [DATA-1:0] value,

    // Where both kernels are: the line, places in the banks, the bank of the middle column, and which rows and columns lie in the map.
    input logic [1:0] first_line,
    input logic [2:0][PLACE_BITS-1:0] first_place,
    input logic [1:0] first_phase,
    input logic [2:0] first_rows,
    input logic [2:0] first_cols,
    input logic [1:0] second_line,
    input logic [2:0][PLACE_BITS-1:0] second_place,
    input logic [1:0] second_phase,
    input logic [2:0] second_rows,
    input logic [2:0] second_cols,

    // What is finished in this cycle: a place of a line, the banks of it.
    input logic [1:0] finish_line,
    input logic [PLACE_BITS-1:0] finish_place,
    input logic [2:0] finish_banks,
    input logic [1:0] finish_bank,  // the only one, if FINISHERS is 1

    input logic [8:0][WEIGHT_BITS-1:0] first_weights,
    input logic signed [SUM_BITS-1:0] first_bias,
    input logic [4:0] first_shift,
    input logic [8:0][WEIGHT_BITS-1:0] second_weights,
    input logic signed [SUM_BITS-1:0] second_bias,
    output logic positive  // the second sum
);
  localparam int unsigned PART_BITS = 2 * DATA + 3;  // nine products
  localparam logic [DATA-1:0] LARGEST = {1'b0, {(DATA - 1) {1'b1}}};

  // Which column of three each bank holds, the middle one being in bank `phase`.
  function automatic logic [5:0] columns(input logic [1:0] phase);
    unique case (phase)
      2'd0: columns = {2'd0, 2'd2, 2'd1};
      2'd1: columns = {2'd2, 2'd1, 2'd0};
      default: columns = {2'd1, 2'd0, 2'd2};
    endcase
  endfunction

  logic [2:0][1:0] first_columns, second_columns;
  assign first_columns  = columns(first_phase);
  assign second_columns = columns(second_phase);

  logic [2:0][2:0][PART_BITS-1:0] sums, new_sums;
  logic [2:0][2:0] sum_write;
  logic [2:0][PART_BITS-1:0] full_sums;
  logic [2:0][2:0][DATA-1:0] hidden;
  logic [2:0][DATA-1:0] finished;

  line_banks #(.WIDTH(PART_BITS), .DEPTH(DEPTH)) sum_lines (
      .clk, .near_line(first_line), .near_place(first_place), .near_words(sums), .near_write(sum_write),
      .near_new(new_sums), .far_line(finish_line), .far_place(finish_place), .far_words(full_sums),
      .far_write(finish_banks), .far_new('0), .clear
  );
  /* verilator lint_off PINCONNECTEMPTY */
  line_banks #(.WIDTH(DATA), .DEPTH(DEPTH)) hidden_lines (
      .clk, .near_line(second_line), .near_place(second_place), .near_words(hidden), .near_write('0), .near_new('0),
      .far_line(finish_line), .far_place(finish_place), .far_words(), .far_write(finish_banks), .far_new(finished),
      .clear(1'b0)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  // Multiplier m works on a row of three and a bank; with TAPS = 9 always on the same.
  logic [TAPS-1:0][1:0] at_row, at_bank, second_column, first_column;
  logic signed [TAPS-1:0][2*DATA-1:0] products;

  for (genvar m = 0; m < int'(TAPS); m++) begin : g_multiplier
    logic [WEIGHT_BITS-1:0] weight;
    logic [DATA-1:0] factor;
    if (TAPS == 9) begin : g_whole
      assign at_row[m]  = 2'(m / 3);
      assign at_bank[m] = 2'(m % 3);
    end else if (TAPS == 3) begin : g_rows
      assign at_row[m]  = slice[1:0];
      assign at_bank[m] = 2'(m);
    end else begin : g_taps
      assign at_row[m]  = slice >= 4'd6 ? 2'd2 : slice >= 4'd3 ? 2'd1 : 2'd0;
      assign at_bank[m] = 2'(slice - 4'd3 * {2'd0, at_row[m]});
    end
    assign first_column[m]  = first_columns[at_bank[m]];
    assign second_column[m] = second_columns[at_bank[m]];
    always_comb begin
      if (second) begin
        factor = second_rows[at_row[m]] && second_cols[second_column[m]] ? hidden[at_row[m]][at_bank[m]] : '0;
        weight = second_weights[4'd3*{2'd0, at_row[m]}+{2'd0, second_column[m]}];
      end else begin
        // An output reaches the sum before it in a window by the window's last tap.
        factor = value;
        weight = first_weights[4'd8-4'd3*{2'd0, at_row[m]}-{2'd0, first_column[m]}];
      end
    end
    tap_product #(.POWERS_OF_TWO(POWERS_OF_TWO), .DATA(DATA)) multiplier (
        .value(factor), .weight, .product(products[m])
    );
  end

  logic signed [SUM_BITS-1:0] second_sum, gathered;
  logic signed [TAPS-1:0][PART_BITS-1:0] added;  // to the first sums
  for (genvar m = 0; m < int'(TAPS); m++) begin : g_adder
    assign added[m] = $signed(sums[at_row[m]][at_bank[m]]) + PART_BITS'($signed(products[m]));
  end
  always_comb begin
    sum_write = '0;
    new_sums  = '0;
    gathered  = slice == 0 ? second_bias : second_sum;
    for (int m = 0; m < int'(TAPS); m++) begin
      new_sums[at_row[m]][at_bank[m]]  = added[m];
      sum_write[at_row[m]][at_bank[m]] = first && first_rows[at_row[m]] && first_cols[first_column[m]];
      gathered = gathered + SUM_BITS'($signed(products[m]));
    end
  end
  always_ff @(posedge clk) if (second) second_sum <= gathered;
  assign positive = second_sum > 0;

  // Finishing: bias, ReLU, and a shift with the half rounded up.
  for (genvar f = 0; f < int'(FINISHERS); f++) begin : g_finisher
    logic signed [SUM_BITS-1:0] sum, half, rounded;
    logic [DATA-1:0] result;
    assign sum = SUM_BITS'($signed(full_sums[FINISHERS==3 ? 2'(f) : finish_bank])) + first_bias;
    assign half = first_shift == 0 ? '0 : SUM_BITS'(1) << (first_shift - 5'd1);
    assign rounded = (sum + half) >>> first_shift;
    assign result = sum < 0 ? '0 : rounded > SUM_BITS'(LARGEST) ? LARGEST : rounded[DATA-1:0];
    if (FINISHERS == 3) begin : g_own
      assign finished[f] = result;
    end else begin : g_any
      assign finished = {3{result}};
    end
  end
endmodule
