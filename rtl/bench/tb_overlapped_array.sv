// A systolic array with overlapped fills between buffers that know where windows lie: masks, ifmap, filters, psums, outputs.
module tb_overlapped_array #(
    parameter int unsigned ROWS = 4,
    parameter int unsigned COLS = 4,
    parameter int unsigned DATAFLOW = 0,
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
    output logic [31:0] running,  // filling and streaming
    output logic [31:0] waiting,  // before and between
    output logic [31:0] tail      // after the last fold
);
  logic [16:0] all_filters;
  assign all_filters = 17'(groups) * 17'(filters);
`include "layer_memories.svh"
`include "systolic_edges.svh"

  logic filling, streaming;

  overlapped_array #(
      .ROWS(ROWS), .COLS(COLS), .DATAFLOW(DATAFLOW), .SCAN(SCAN), .MAX_VECTORS(2048)
  ) dut (
      .clk, .rst, .start, .vectors(DATAFLOW == 2 ? filters : pixels), .items(DATAFLOW == 2 ? pixels : filters), .tiles,
      .products, .groups, .busy, .done, .filling, .streaming,
      .scan_group, .scan_tile, .scan_vector, .scan_bits,
      .left_valid, .left_group, .left_vector, .left_product, .left_word, .top_valid, .top_group,
      .top_item, .top_product, .top_word, .sum_asked, .sum_place, .sum_word, .out_group, .out_valid, .out_last,
      .out_place, .out_vector, .out_item, .out_word
  );

  always_ff @(posedge clk) begin
    if (start) begin
      cycles <= 0;
      running <= 0;
      waiting <= 0;
      tail <= 0;
    end else if (busy) begin
      cycles <= cycles + 1;
      if (filling || streaming) begin
        running <= running + 1;
        waiting <= waiting + tail;
        tail <= 0;
      end else tail <= tail + 1;
    end
  end
endmodule
