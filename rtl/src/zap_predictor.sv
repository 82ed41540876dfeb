// The zero-activation predictor: depthwise 3x3, ReLU, depthwise 3x3, compare; TAPS * CHANNELS MACs a cycle.
//
// The pattern's outputs stream in, CHANNELS at a time, in raster order; other positions are zeros that nobody sends.
// A step takes the next position in, evaluates the first kernel one row and one column behind it, and the second
// kernel as much behind that, if this position lies outside the pattern. Each kernel takes 9 / TAPS cycles; both use
// the same multipliers. The stream runs on from channel to channel, so that the multipliers rest only while the
// first row comes in and while the last row goes out.
//
// Numbers: activations of DATA bits, 8: 0 to 127; first sums are shifted right (rounded half up) to the same range, a
// shift per channel; the threshold is in the second bias, so that an output is computed if its second sum is above 0. Only
// bits outside the pattern are sent, CHANNELS at a time in raster order.
module zap_predictor #(
    parameter int unsigned TAPS = 9,
    parameter int unsigned CHANNELS = 1,
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned DATA = 8,
    parameter int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : DATA,
    parameter int unsigned SUM_BITS = 24,
    parameter int unsigned MAX_COLS = 64,
    parameter int unsigned SIZE_BITS = 10,
    parameter int unsigned GROUP_BITS = 10,
    parameter int unsigned WORD = 16
) (
    input logic clk,
    input logic rst,

    // The layer; held while the unit is busy.
    input logic start,
    input logic [SIZE_BITS-1:0] rows,
    input logic [SIZE_BITS-1:0] cols,
    input logic [GROUP_BITS-1:0] groups,  // of CHANNELS channels
    input logic [4:0][4:0] tile,
    input logic [2:0] side,
    output logic busy,
    output logic done,  // for one cycle, after the last mask word has been taken

    // Outputs of the pattern.
    input logic in_valid,
    output logic in_ready,
    input logic [CHANNELS-1:0][DATA-1:0] in_values,

    // Weights of the groups that both kernels work on, given in the same cycle; tap (r, s) is 3r + s.
    output logic [GROUP_BITS-1:0] first_group,
    input logic [CHANNELS-1:0][8:0][WEIGHT_BITS-1:0] first_weights,
    input logic [CHANNELS-1:0][SUM_BITS-1:0] first_bias,
    input logic [CHANNELS-1:0][4:0] first_shift,
    output logic [GROUP_BITS-1:0] second_group,
    input logic [CHANNELS-1:0][8:0][WEIGHT_BITS-1:0] second_weights,
    input logic [CHANNELS-1:0][SUM_BITS-1:0] second_bias,

    // Mask bits.
    output logic mask_valid,
    input logic mask_ready,
    output logic [WORD-1:0] mask_word,

    // What the multipliers do in this cycle.
    output logic working,
    output logic starved  // they wait for an output of the pattern
);
  localparam int unsigned SLICES = 9 / TAPS;

  if (TAPS != 1 && TAPS != 3 && TAPS != 9) begin : g_taps
    $fatal(1, "zap_predictor: TAPS = %0d: expected 1, 3 or 9", TAPS);
  end
  if (CHANNELS < 1) begin : g_channels
    $fatal(1, "zap_predictor: CHANNELS = %0d: expected at least 1", CHANNELS);
  end
  if (SUM_BITS < 2 * DATA + 4) begin : g_sum_bits
    $fatal(1, "zap_predictor: SUM_BITS = %0d: nine products and a bias need at least %0d", SUM_BITS, 2 * DATA + 4);
  end
  if (SIZE_BITS < $clog2(MAX_COLS + 1)) begin : g_size_bits
    $fatal(1, "zap_predictor: SIZE_BITS = %0d do not hold MAX_COLS = %0d", SIZE_BITS, MAX_COLS);
  end

  typedef enum logic [2:0] {
    IDLE,
    TAKE,    // wait for the next position of the pattern
    FIRST,   // first kernel (or, before the first and after the last one, nothing for a cycle)
    SECOND,  // second kernel
    FLUSH
  } state_t;
  state_t state;

  logic [3:0] slice;
  logic last_slice, enable, begin_layer;
  assign enable = !(mask_valid && !mask_ready);
  assign begin_layer = start && state == IDLE;
  assign last_slice = slice == 4'(SLICES - 1);

  // Three walks over the layer: what comes in, what the first kernel is at, and the second one.
  logic in_pattern, in_done, take;
  logic first_top, first_bottom, first_left, first_right, first_done, first_step;
  logic second_top, second_bottom, second_left, second_right, second_in_pattern, second_done, second_step;
  logic [SIZE_BITS:0] first_lag, second_lag;  // steps until the kernels begin
  logic first_on, second_on, second_wanted, step_ends, needs_input, can_take;

  /* verilator lint_off PINCONNECTEMPTY */
  raster #(.SIZE_BITS(SIZE_BITS), .GROUP_BITS(GROUP_BITS)) in_walk (
      .clk, .start(begin_layer), .step(take), .rows, .cols, .groups, .tile, .side, .in_pattern, .done(in_done),
      .top(), .bottom(), .left(), .right(), .group()
  );
  raster #(.SIZE_BITS(SIZE_BITS), .GROUP_BITS(GROUP_BITS)) first_walk (
      .clk, .start(begin_layer), .step(first_step), .rows, .cols, .groups, .tile, .side, .in_pattern(),
      .done(first_done),
      .top(first_top), .bottom(first_bottom), .left(first_left), .right(first_right), .group(first_group)
  );
  raster #(.SIZE_BITS(SIZE_BITS), .GROUP_BITS(GROUP_BITS)) second_walk (
      .clk, .start(begin_layer), .step(second_step), .rows, .cols, .groups, .tile, .side,
      .in_pattern(second_in_pattern), .done(second_done),
      .top(second_top), .bottom(second_bottom), .left(second_left), .right(second_right), .group(second_group)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign first_on = first_lag == 0 && !first_done;
  assign second_on = second_lag == 0 && !second_done;
  assign second_wanted = second_on && !second_in_pattern;
  assign step_ends = enable && (
      (state == FIRST && (last_slice || !first_on) && !second_wanted) || (state == SECOND && last_slice));
  assign needs_input = in_pattern && !in_done;
  assign can_take = !needs_input || in_valid;
  // The next position comes in while the last cycle of a step is at work.
  assign take = enable && (state == TAKE || (step_ends && !second_last)) && can_take;
  assign in_ready = take && needs_input;
  assign first_step = step_ends && first_on;
  assign second_step = step_ends && second_on;

  logic second_last;  // nothing is left after this step
  assign second_last = second_on && second_right && second_bottom && second_group + 1'b1 == groups;

  assign working = enable && ((state == FIRST && first_on) || state == SECOND);
  assign starved = enable && state == TAKE && !can_take;
  assign busy = state != IDLE;
  assign done = state == FLUSH && packer_empty && !score_valid;

  always_ff @(posedge clk) begin
    if (rst) begin
      state <= IDLE;
    end else begin
      unique case (state)
        IDLE: if (start) begin
          state <= TAKE;
          slice <= '0;
          first_lag <= {1'b0, cols} + 1'b1;
          second_lag <= {1'b0, cols} + (SIZE_BITS + 1)'(2);
        end
        TAKE: if (take) state <= FIRST;
        FIRST, SECOND: if (enable) begin
          if (step_ends) begin
            slice <= '0;
            state <= second_last ? FLUSH : take ? FIRST : TAKE;
            if (first_lag != 0) first_lag <= first_lag - 1'b1;
            else if (second_lag != 0) second_lag <= second_lag - 1'b1;
          end else if (state == FIRST && (last_slice || !first_on)) begin
            slice <= '0;
            state <= SECOND;
          end else slice <= slice + 1'b1;
        end
        FLUSH: if (done) state <= IDLE;
        default: state <= IDLE;
      endcase
    end
  end

  // Operands: the tap of the window, or 0 outside the map.
  logic [CHANNELS-1:0][DATA-1:0] in_word, hidden_word;
  logic [2:0][2:0][CHANNELS*DATA-1:0] in_taps, hidden_taps;
  logic hidden_push, use_second;
  assign in_word = needs_input ? in_values : '0;
  assign hidden_push = enable && state == FIRST && slice == 0;
  assign use_second = state == SECOND;

  window #(.WIDTH(CHANNELS * DATA), .MAX_COLS(MAX_COLS), .SIZE_BITS(SIZE_BITS)) in_window (
      .clk, .start(begin_layer), .push(take), .cols, .word(in_word), .taps(in_taps)
  );
  window #(.WIDTH(CHANNELS * DATA), .MAX_COLS(MAX_COLS), .SIZE_BITS(SIZE_BITS)) hidden_window (
      .clk, .start(begin_layer), .push(hidden_push), .cols, .word(hidden_word), .taps(hidden_taps)
  );

  function automatic logic in_map(input int r, input int s, input logic top, input logic bottom, input logic left,
                                  input logic right);
    in_map = !((r == 0 && top) || (r == 2 && bottom) || (s == 0 && left) || (s == 2 && right));
  endfunction

  logic [8:0] first_inside, second_inside;
  always_comb begin
    for (int r = 0; r < 3; r++) begin
      for (int s = 0; s < 3; s++) begin
        first_inside[3*r+s]  = in_map(r, s, first_top, first_bottom, first_left, first_right);
        second_inside[3*r+s] = in_map(r, s, second_top, second_bottom, second_left, second_right);
      end
    end
  end

  logic [CHANNELS-1:0] score_positive;
  logic score_valid;

  for (genvar c = 0; c < int'(CHANNELS); c++) begin : g_channel
    logic [9*DATA-1:0] own_in, own_hidden;
    for (genvar t = 0; t < 9; t++) begin : g_tap
      assign own_in[DATA*t+:DATA] = in_taps[t/3][t%3][DATA*c+:DATA];
      assign own_hidden[DATA*t+:DATA] = hidden_taps[t/3][t%3][DATA*c+:DATA];
    end
    predictor_channel #(
        .TAPS(TAPS), .POWERS_OF_TWO(POWERS_OF_TWO), .DATA(DATA), .SUM_BITS(SUM_BITS)
    ) channel (
        .clk, .first(enable && state == FIRST), .second(enable && state == SECOND), .first_on, .use_second, .slice,
        .in_taps(own_in), .hidden_taps(own_hidden), .first_inside, .second_inside,
        .first_weights(first_weights[c]), .first_bias(first_bias[c]), .first_shift(first_shift[c]),
        .second_weights(second_weights[c]), .second_bias(second_bias[c]),
        .hidden(hidden_word[c]), .positive(score_positive[c])
    );
  end

  logic packer_empty;
  always_ff @(posedge clk) begin
    if (rst || begin_layer) score_valid <= 1'b0;
    else if (enable) score_valid <= state == SECOND && last_slice;
  end

  mask_packer #(.BITS(CHANNELS), .WORD(WORD)) packer (
      .clk, .start(begin_layer || rst), .valid(score_valid && enable), .bits(score_positive),
      .flush(state == FLUSH), .empty(packer_empty), .word_valid(mask_valid), .word_ready(mask_ready), .word(mask_word)
  );
endmodule
