// Output lanes at a block queue, between buffers that know where windows lie: masks, ifmap, filters, outputs.
module tb_queued_lanes #(
    parameter int unsigned LANES = 16,
    parameter int unsigned FILTERS = 4,
    parameter int unsigned MACS = 1
) (
    input logic clk,
    input logic rst,
    input logic load,  // read ifmap, filters, mask, pixels and taps
    input logic dump,  // write ofmap.hex and computed.hex
    input logic start,
    input logic [11:0] pixels,
    input logic [11:0] filters,  // of all groups
    input logic [11:0] window,
    input logic [11:0] products,
    input logic [11:0] groups,
    input logic [11:0] channels,
    input logic [11:0] rows,
    input logic [11:0] cols,
    output logic done,
    output logic [31:0] cycles,   // from the one after `start` until `done`
    output logic [31:0] running,
    output logic [31:0] waiting
);
  logic [16:0] all_filters;
  assign all_filters = 17'(filters);
`include "layer_memories.svh"
`include "lane_memories.svh"

  logic busy, is_running, is_waiting;
  logic [BITS-1:0] scan_block, scan_pixel, cycle;
  logic [FILTERS-1:0] scan_bits;
  assign lane_cycle = {LANES{cycle}};

  queued_lanes #(.LANES(LANES), .FILTERS(FILTERS), .MACS(MACS)) dut (
      .clk, .rst, .start, .pixels, .filters, .window, .output_cycles((products + 12'(MACS - 1)) / 12'(MACS)),
      .busy, .done, .running(is_running), .waiting(is_waiting), .scan_pixel, .scan_block, .scan_bits, .working,
      .pixel(lane_pixel), .filter(lane_filter), .cycle, .values, .weights, .out_valid, .out_sum
  );

  always_comb begin
    for (int f = 0; f < int'(FILTERS); f++) begin
      scan_bits[f] = scan_block + 12'(f) < filters && mask[output_place(scan_pixel, scan_block + 12'(f))];
    end
  end

  always_ff @(posedge clk) begin
    if (start) begin
      cycles <= 0;
      running <= 0;
      waiting <= 0;
    end else if (busy) begin
      cycles <= cycles + 1;
      running <= running + 32'(is_running);
      waiting <= waiting + 32'(is_waiting);
    end
  end
endmodule
