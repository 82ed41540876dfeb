// The zero-activation predictor: depthwise 3x3, ReLU, depthwise 3x3, compare; TAPS * CHANNELS MACs a cycle.
//
// The pattern's outputs stream in, CHANNELS at a time, in raster order; the zeros between them are sent by nobody and
// multiplied by nobody. Three walks over the layer share the work. The first kernel goes from output to output of the
// pattern and adds each, times all nine weights, to the sums around it (9 / TAPS cycles). The second kernel goes
// over the outputs outside the pattern and gathers its window (9 / TAPS cycles). Between them sums that are complete are
// finished, FINISHERS columns a cycle. Lines lie in memories of four, so that each walk may be two lines ahead of the next one; the
// first kernel goes first. The stream runs on from channel to channel.
//
// `rst` must be held for MAX_COLS / 3 cycles: it clears the lines of sums.
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
    parameter int unsigned FINISHERS = TAPS == 9 ? 3 : 1,
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

    // Weights and biases of the groups at which each walk is, given in the same cycle; tap (r, s) is 3r + s.
    output logic [GROUP_BITS-1:0] first_group,
    input logic [CHANNELS-1:0][8:0][WEIGHT_BITS-1:0] first_weights,
    output logic [GROUP_BITS-1:0] finish_group,
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
  localparam int unsigned DEPTH = (MAX_COLS + 2) / 3;
  localparam int unsigned PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  if (TAPS != 1 && TAPS != 3 && TAPS != 9) begin : g_taps
    $fatal(1, "zap_predictor: TAPS = %0d: expected 1, 3 or 9", TAPS);
  end
  if (FINISHERS != 1 && FINISHERS != 3) begin : g_finishers
    $fatal(1, "zap_predictor: FINISHERS = %0d: expected 1 or 3", FINISHERS);
  end
  if (CHANNELS < 1) begin : g_channels
    $fatal(1, "zap_predictor: CHANNELS = %0d: expected at least 1", CHANNELS);
  end
  if (SUM_BITS < 2 * DATA + 4) begin : g_sum_bits
    $fatal(1, "zap_predictor: SUM_BITS = %0d: nine products and a bias need at least %0d", SUM_BITS, 2 * DATA + 4);
  end
  if (SIZE_BITS < $clog2(MAX_COLS + 3)) begin : g_size_bits
    $fatal(1, "zap_predictor: SIZE_BITS = %0d do not hold MAX_COLS = %0d", SIZE_BITS, MAX_COLS);
  end

  logic begin_layer;
  assign begin_layer = start && !busy;

  // Where the walks are. What one of them needs of another is that rows have been left behind, or are free again.
  logic first_valid, first_top, first_bottom, first_left, first_right, first_done, first_step, first_free;
  logic second_valid, second_top, second_bottom, second_left, second_right, second_done, second_step, second_ready;
  logic [3:0] first_line, second_line, finish_line;
  logic [1:0] first_phase, second_phase;
  logic [SIZE_BITS-1:0] first_third, second_third;
  logic [4:0][4:0] others;
  assign others = ~tile;

  pattern_walk #(.SIZE_BITS(SIZE_BITS), .GROUP_BITS(GROUP_BITS)) first_walk (
      .clk, .start(begin_layer), .step(first_step), .skip(!first_valid && first_free), .rows, .cols, .groups, .tile, .side,
      .valid(first_valid), .top(first_top), .bottom(first_bottom), .left(first_left), .right(first_right),
      .third(first_third), .phase(first_phase), .line(first_line), .group(first_group), .done(first_done)
  );
  pattern_walk #(.SIZE_BITS(SIZE_BITS), .GROUP_BITS(GROUP_BITS)) second_walk (
      .clk, .start(begin_layer), .step(second_step), .skip(!second_valid && second_ready), .rows, .cols, .groups,
      .tile(others), .side,
      .valid(second_valid), .top(second_top), .bottom(second_bottom), .left(second_left), .right(second_right),
      .third(second_third), .phase(second_phase), .line(second_line), .group(second_group), .done(second_done)
  );

  // Lines by which a walk is ahead of the next one.
  logic [3:0] first_ahead, finish_ahead;
  assign first_ahead  = first_line - finish_line;
  assign finish_ahead = finish_line - second_line;

  // Finishing goes over all columns of a line that the first kernel can add nothing to, if the second has left the line four before.
  logic [SIZE_BITS-1:0] finish_row, finish_third;
  logic [1:0] finish_bank;
  logic finish_bottom, finish_done, finishing, finish_row_ends;
  logic [SIZE_BITS-1:0] finish_col;  // the last one of this cycle
  assign finish_bottom = finish_row + 1'b1 == rows;
  assign finishing = busy && !finish_done && finish_ahead <= 4'd2 &&
      (first_done || first_ahead >= 4'd2 || (finish_bottom && first_ahead >= 4'd1));
  assign finish_row_ends = finish_col + 1'b1 >= cols;

  always_ff @(posedge clk) begin
    if (begin_layer) begin
      finish_row <= '0;
      finish_line <= '0;
      finish_group <= '0;
      finish_done <= 1'b0;
    end else if (finishing && finish_row_ends) begin
      finish_row  <= finish_bottom ? '0 : finish_row + 1'b1;
      finish_line <= finish_line + 1'b1;
      if (finish_bottom) begin
        finish_group <= finish_group + 1'b1;
        finish_done  <= finish_group + 1'b1 == groups;
      end
    end
    if (rst) finish_third <= finish_third == SIZE_BITS'(DEPTH - 1) ? '0 : finish_third + 1'b1;
    else if (begin_layer || (finishing && finish_row_ends)) finish_third <= '0;
    else if (finishing && (FINISHERS == 3 || finish_bank == 2'd2)) finish_third <= finish_third + 1'b1;
    if (begin_layer || (finishing && finish_row_ends)) begin
      finish_bank <= '0;
      finish_col  <= SIZE_BITS'(FINISHERS - 1);
    end else if (finishing) begin
      finish_bank <= finish_bank == 2'd2 ? '0 : finish_bank + 1'b1;
      finish_col  <= finish_col + SIZE_BITS'(FINISHERS);
    end
  end

  // Whose turn it is: an output is worked on to its last slice; then the first kernel goes first, unless
  // finishing waits for the second one to leave a line.
  logic [3:0] slice;
  logic last_slice, first, second, turn_is_second, first_can, second_can, second_first, blocked;
  assign blocked = mask_valid && !mask_ready;
  assign first_free = busy && !first_done && first_ahead <= 4'd2;
  assign second_ready = busy && !second_done &&
      (finish_done || finish_ahead >= 4'd2 || (second_bottom && finish_ahead >= 4'd1));
  assign first_can = first_valid && first_free && in_valid;
  assign second_can = second_valid && second_ready && !blocked;
  assign second_first = finish_ahead > 4'd2;
  assign first = slice == 0 ? first_can && !(second_first && second_can) : !turn_is_second;
  assign second = slice == 0 ? second_can && !(first_can && !second_first) : turn_is_second && !blocked;
  assign last_slice = slice == 4'(SLICES - 1);
  assign first_step = first && last_slice;
  assign second_step = second && last_slice;
  assign in_ready = first_step;

  always_ff @(posedge clk) begin
    if (rst || begin_layer) slice <= '0;
    else if (first || second) begin
      slice <= last_slice ? '0 : slice + 1'b1;
      turn_is_second <= second;
    end
  end

  assign working = first || second;
  assign starved = busy && !working && first_valid && first_free && !in_valid;
  assign done = busy && second_done && packer_empty && !score_valid;

  always_ff @(posedge clk) begin
    if (rst || done) busy <= 1'b0;
    else if (start) busy <= 1'b1;
  end

  // Bank 0 holds column x + 1 of an output whose own column is in bank 2, and the other way round.
  function automatic logic [3*PLACE_BITS-1:0] places(input logic [SIZE_BITS-1:0] third, input logic [1:0] phase);
    places = {
      PLACE_BITS'(phase == 2'd0 ? third - 1'b1 : third),
      PLACE_BITS'(third),
      PLACE_BITS'(phase == 2'd2 ? third + 1'b1 : third)
    };
  endfunction

  logic [2:0] finish_banks;
  assign finish_banks = !finishing ? 3'd0 : FINISHERS == 3 ? 3'd7 : 3'd1 << finish_bank;

  logic [CHANNELS-1:0] score_positive;
  logic score_valid;

  for (genvar c = 0; c < int'(CHANNELS); c++) begin : g_channel
    predictor_channel #(
        .TAPS(TAPS), .POWERS_OF_TWO(POWERS_OF_TWO), .DATA(DATA), .SUM_BITS(SUM_BITS), .FINISHERS(FINISHERS), .DEPTH(DEPTH)
    ) channel (
        .clk, .clear(rst), .first, .second, .slice, .value(in_values[c]),
        .first_line(first_line[1:0]), .first_place(places(first_third, first_phase)), .first_phase,
        .first_rows({!first_bottom, 1'b1, !first_top}), .first_cols({!first_right, 1'b1, !first_left}),
        .second_line(second_line[1:0]), .second_place(places(second_third, second_phase)), .second_phase,
        .second_rows({!second_bottom, 1'b1, !second_top}), .second_cols({!second_right, 1'b1, !second_left}),
        .finish_line(finish_line[1:0]), .finish_place(PLACE_BITS'(finish_third)), .finish_banks, .finish_bank,
        .first_weights(first_weights[c]), .first_bias(first_bias[c]), .first_shift(first_shift[c]),
        .second_weights(second_weights[c]), .second_bias(second_bias[c]), .positive(score_positive[c])
    );
  end

  logic packer_empty;
  always_ff @(posedge clk) begin
    if (rst || begin_layer) score_valid <= 1'b0;
    else if (!blocked) score_valid <= second_step;
  end

  mask_packer #(.BITS(CHANNELS), .WORD(WORD)) packer (
      .clk, .start(begin_layer || rst), .valid(score_valid && !blocked), .bits(score_positive),
      .flush(second_done), .empty(packer_empty), .word_valid(mask_valid), .word_ready(mask_ready), .word(mask_word)
  );
endmodule
