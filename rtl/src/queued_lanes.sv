// Output lanes that take whole outputs from one queue per block of filters, MACS products a cycle in each lane.
//
// All outputs of a layer take equally long, so that all lanes are free at once: they take the next batch together,
// while the queue looks for the one after.
module queued_lanes #(
    parameter int unsigned LANES = 16,
    parameter int unsigned FILTERS = 4,  // of a block
    parameter int unsigned MACS = 1,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [BITS-1:0] pixels,
    input logic [BITS-1:0] filters,
    input logic [BITS-1:0] window,         // pixels at work together; 0: no limit
    input logic [BITS-1:0] output_cycles,  // ceil(products / MACS)
    output logic busy,
    output logic done,
    output logic running,
    output logic waiting,  // for the queue

    output logic [BITS-1:0] scan_pixel,
    output logic [BITS-1:0] scan_block,
    input logic [FILTERS-1:0] scan_bits,

    // Operands of the products from `cycle` * MACS on, of each lane's output; same cycle.
    output logic [LANES-1:0] working,
    output logic [LANES-1:0][BITS-1:0] pixel,
    output logic [LANES-1:0][BITS-1:0] filter,
    output logic [BITS-1:0] cycle,
    input logic [LANES-1:0][MACS-1:0][DATA-1:0] values,
    input logic [LANES-1:0][MACS-1:0][DATA-1:0] weights,

    output logic [LANES-1:0] out_valid,
    output logic [LANES-1:0][SUM-1:0] out_sum
);
  if (MACS < 1) begin : g_macs
    $fatal(1, "queued_lanes: MACS = %0d: expected at least 1", MACS);
  end

  logic closed, empty, finished, begins, last;
  logic [BITS-1:0] block;
  logic [LANES-1:0] next_valid, valid;
  logic [LANES-1:0][BITS-1:0] next_pixel, next_filter;
  logic [LANES-1:0][SUM-1:0] so_far;

  block_queue #(.LANES(LANES), .FILTERS(FILTERS), .BITS(BITS)) queue (
      .clk, .rst, .start, .pixels, .filters, .window, .scan_pixel, .scan_block, .scan_bits, .closed, .empty, .finished,
      .take(begins || empty), .valid(next_valid), .block, .pixel(next_pixel), .filter(next_filter)
  );

  assign last = running && cycle + 1'b1 == output_cycles;
  assign begins = closed && !empty && (!running || last);
  assign done = busy && !running && finished;
  assign waiting = busy && !running && !finished;
  assign working = running ? valid : '0;
  assign out_valid = last ? valid : '0;

  always_comb begin
    for (int l = 0; l < int'(LANES); l++) begin
      out_sum[l] = cycle == 0 ? '0 : so_far[l];
      for (int m = 0; m < int'(MACS); m++) begin
        out_sum[l] = out_sum[l] + SUM'($signed(values[l][m]) * $signed(weights[l][m]));
      end
    end
  end

  always_ff @(posedge clk) begin
    if (rst || start) begin
      busy <= start && !rst;
      running <= 1'b0;
    end else begin
      if (done) busy <= 1'b0;
      if (begins) running <= 1'b1;
      else if (last) running <= 1'b0;
    end
    cycle <= begins || !running ? '0 : cycle + 1'b1;
    if (begins) begin
      valid <= next_valid;
      pixel <= next_pixel;
      for (int l = 0; l < int'(LANES); l++) filter[l] <= block + next_filter[l];
    end
    if (running) so_far <= out_sum;
  end
endmodule
