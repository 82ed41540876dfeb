// The predictor unit between memories that files fill: what it reads, when each input is there, and what it writes.
module tb_zap_predictor #(
    parameter int unsigned TAPS = 9,
    parameter int unsigned CHANNELS = 1,
    parameter bit POWERS_OF_TWO = 1'b0,
    parameter int unsigned WORD = 16
) (
    input logic clk,
    input logic rst,
    input logic load,  // read inputs.hex, arrivals.hex and the weights
    input logic dump,  // write masks.hex
    input logic start,
    input logic [9:0] rows,
    input logic [9:0] cols,
    input logic [9:0] groups,
    input logic [24:0] tile,
    input logic [2:0] side,
    input logic [31:0] inputs,  // how many there are
    input logic [7:0] refusals,  // of 256 cycles, in how many nobody takes a mask word
    output logic done,
    output logic [31:0] cycles,  // from the one after `start` until `done`
    output logic [31:0] working,
    output logic [31:0] starved,
    output logic [31:0] last_input,  // cycle in which the last input was taken
    output logic [31:0] words
);
  localparam int unsigned WEIGHT_BITS = POWERS_OF_TWO ? 4 : 8;
  localparam int unsigned MOST_INPUTS = 1 << 16;
  localparam int unsigned MOST_GROUPS = 1 << 10;

  logic [CHANNELS*8-1:0] input_memory[MOST_INPUTS];
  logic [31:0] arrivals[MOST_INPUTS];  // cycle from which on each input is there
  logic [CHANNELS*9*WEIGHT_BITS-1:0] first_weights[MOST_GROUPS];
  logic [CHANNELS*9*WEIGHT_BITS-1:0] second_weights[MOST_GROUPS];
  logic [CHANNELS*24-1:0] first_biases[MOST_GROUPS];
  logic [CHANNELS*24-1:0] second_biases[MOST_GROUPS];
  logic [CHANNELS*5-1:0] first_shifts[MOST_GROUPS];
  logic [WORD-1:0] mask_memory[MOST_INPUTS];

  logic in_valid, in_ready, mask_valid, mask_ready, is_working, is_starved, busy;
  logic [31:0] taken;
  logic [15:0] lfsr;
  logic [9:0] first_group, finish_group, second_group;
  logic [WORD-1:0] mask_word;

  assign in_valid   = taken < inputs && arrivals[taken[15:0]] <= cycles;
  assign mask_ready = lfsr[7:0] >= refusals;

  zap_predictor #(
      .TAPS(TAPS), .CHANNELS(CHANNELS), .POWERS_OF_TWO(POWERS_OF_TWO), .WORD(WORD), .MAX_COLS(256)
  ) dut (
      .clk, .rst, .start, .rows, .cols, .groups, .tile, .side, .busy, .done,
      .in_valid, .in_ready, .in_values(input_memory[taken[15:0]]),
      .first_group, .first_weights(first_weights[first_group]),
      .finish_group, .first_bias(first_biases[finish_group]), .first_shift(first_shifts[finish_group]),
      .second_group, .second_weights(second_weights[second_group]), .second_bias(second_biases[second_group]),
      .mask_valid, .mask_ready, .mask_word, .working(is_working), .starved(is_starved)
  );

  always_ff @(posedge clk) begin
    if (rst) lfsr <= 16'hACE1;
    else lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
    if (start) begin
      cycles <= 0;
      working <= 0;
      starved <= 0;
      last_input <= 0;
      taken <= 0;
      words <= 0;
    end else if (busy) begin
      cycles <= cycles + 1;
      if (is_working) working <= working + 1;
      if (is_starved) starved <= starved + 1;
      if (in_valid && in_ready) begin
        taken <= taken + 1;
        last_input <= cycles;
      end
      if (mask_valid && mask_ready) begin
        mask_memory[words[15:0]] <= mask_word;
        words <= words + 1;
      end
    end
  end

  always_ff @(posedge load) begin
    $readmemh("inputs.hex", input_memory);
    $readmemh("arrivals.hex", arrivals);
    $readmemh("first_weights.hex", first_weights);
    $readmemh("second_weights.hex", second_weights);
    $readmemh("first_biases.hex", first_biases);
    $readmemh("second_biases.hex", second_biases);
    $readmemh("first_shifts.hex", first_shifts);
  end
  always_ff @(posedge dump) $writememh("masks.hex", mask_memory, 0, words - 1);
endmodule
