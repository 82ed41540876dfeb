// A systolic array between buffers that know where windows lie: masks, ifmap, filters, psums, outputs.
module tb_systolic #(
    parameter int unsigned ROWS = 4,
    parameter int unsigned COLS = 4,
    parameter int unsigned DATAFLOW = 0,
    parameter bit SERIAL = 1'b0,
    parameter bit SHRUNK = 1'b0,
    parameter bit MASKED = 1'b1,
    parameter int unsigned SCAN = 4
) (
    input logic clk,
    input logic rst,
    input logic load,  // read ifmap, filters, mask, pixels and taps
    input logic dump,  // write ofmap.hex and computed.hex
    input logic start,
    input logic [11:0] pixels,    // that the stage puts on the array
    input logic [11:0] filters,   // of a group
    input logic [11:0] tiles,
    input logic [11:0] products,
    input logic [11:0] groups,
    input logic [11:0] channels,  // of the ifmap, all groups
    input logic [11:0] rows,      // of the ifmap
    input logic [11:0] cols,
    output logic done,
    output logic [31:0] cycles,   // from the one after `start` until `done`
    output logic [31:0] running,
    output logic [31:0] waiting
);
  logic [16:0] all_filters;
  assign all_filters = 17'(groups) * 17'(filters);
`include "layer_memories.svh"
`include "systolic_edges.svh"

  logic is_running, is_waiting;
  logic [BITS-1:0] group, leaving_group;
  assign left_group = {ROWS{group}};
  assign top_group = {COLS{group}};
  assign out_group = {COLS{leaving_group}};

  systolic #(
      .ROWS(ROWS), .COLS(COLS), .DATAFLOW(DATAFLOW), .SERIAL(SERIAL), .SHRUNK(SHRUNK), .MASKED(MASKED),
      .SCAN(SCAN), .MAX_VECTORS(2048)
  ) dut (
      .clk, .rst, .start, .vectors(DATAFLOW == 2 ? filters : pixels), .items(DATAFLOW == 2 ? pixels : filters), .tiles,
      .products, .groups, .busy, .done, .running(is_running), .waiting(is_waiting),
      .scan_group, .scan_tile, .scan_vector, .scan_bits, .group,
      .left_valid, .left_vector, .left_product, .left_word, .top_valid, .top_item, .top_product, .top_word,
      .sum_asked, .sum_place, .sum_word, .out_group(leaving_group), .out_valid, .out_last, .out_place, .out_vector,
      .out_item, .out_word
  );

  always_ff @(posedge clk) begin
    if (start) begin
      cycles <= 0;
      running <= 0;
      waiting <= 0;
    end else if (busy) begin
      cycles <= cycles + 1;
      if (is_running) running <= running + 1;
      if (is_waiting) waiting <= waiting + 1;
    end
  end
endmodule
