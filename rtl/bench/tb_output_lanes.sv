// Output lanes between buffers that know where windows lie: masks, ifmap, filters, outputs.
module tb_output_lanes #(
    parameter int unsigned FILTERS = 4,
    parameter int unsigned PIXELS = 4,
    parameter int unsigned DOMAIN_FILTERS = 1,
    parameter int unsigned DOMAIN_PIXELS = 1,
    parameter int unsigned MACS = 1,
    parameter int unsigned SCAN = 8
) (
    input logic clk,
    input logic rst,
    input logic load,  // read ifmap, filters, mask, pixels and taps
    input logic dump,  // write ofmap.hex and computed.hex
    input logic start,
    input logic [11:0] pixels,
    input logic [11:0] filters,  // of all groups
    input logic [11:0] products,
    input logic [11:0] groups,
    input logic [11:0] channels,
    input logic [11:0] rows,
    input logic [11:0] cols,
    output logic done,
    output logic [31:0] cycles,   // from the one after `start` until `done`
    output logic [31:0] running,  // of the domain that runs longest
    output logic [31:0] waiting   // the most cycles in which a domain waits for a search of the mask
);
  localparam int unsigned LANES = FILTERS * PIXELS;
  localparam int unsigned DOMAINS = LANES / (DOMAIN_FILTERS * DOMAIN_PIXELS);

  logic [16:0] all_filters;
  assign all_filters = 17'(filters);
`include "layer_memories.svh"
`include "lane_memories.svh"

  logic busy;
  logic [PIXELS-1:0][BITS-1:0] lane_pixels;
  logic [FILTERS-1:0][BITS-1:0] lane_blocks;
  logic [DOMAINS-1:0] is_running, is_waiting;
  logic [DOMAINS-1:0][31:0] ran, waited;
  logic [LANES-1:0][BITS-1:0] scan_block, scan_pixel, block, pixel;
  logic [LANES-1:0][SCAN-1:0] scan_bits;

  always_comb begin
    for (int j = 0; j < int'(PIXELS); j++) lane_pixels[j] = (pixels + 12'(int'(PIXELS) - 1 - j)) / 12'(PIXELS);
    for (int f = 0; f < int'(FILTERS); f++) lane_blocks[f] = (filters + 12'(int'(FILTERS) - 1 - f)) / 12'(FILTERS);
  end

  output_lanes #(
      .FILTERS(FILTERS), .PIXELS(PIXELS), .DOMAIN_FILTERS(DOMAIN_FILTERS), .DOMAIN_PIXELS(DOMAIN_PIXELS), .MACS(MACS),
      .SCAN(SCAN)
  ) dut (
      .clk, .rst, .start, .lane_pixels, .lane_blocks, .output_cycles((products + 12'(MACS - 1)) / 12'(MACS)),
      .busy, .done, .running(is_running), .waiting(is_waiting), .scan_block, .scan_pixel, .scan_bits, .working, .block,
      .pixel, .cycle(lane_cycle), .values, .weights, .out_valid, .out_sum
  );

  function automatic logic [11:0] pixel_of(input int l, input logic [11:0] at);
    return 12'(at * PIXELS) + 12'(l % int'(PIXELS));
  endfunction

  function automatic logic [11:0] filter_of(input int l, input logic [11:0] at);
    return 12'(at * FILTERS) + 12'(l / int'(PIXELS));
  endfunction

  always_comb begin
    for (int l = 0; l < int'(LANES); l++) begin
      lane_pixel[l]  = pixel_of(l, pixel[l]);
      lane_filter[l] = filter_of(l, block[l]);
      for (int s = 0; s < int'(SCAN); s++) begin
        scan_bits[l][s] = mask[output_place(pixel_of(l, scan_pixel[l] + 12'(s)), filter_of(l, scan_block[l]))];
      end
    end
  end

  always_ff @(posedge clk) begin
    if (start) begin
      cycles <= 0;
      ran <= '0;
      waited <= '0;
    end else if (busy) begin
      cycles <= cycles + 1;
      for (int d = 0; d < int'(DOMAINS); d++) begin
        ran[d] <= ran[d] + 32'(is_running[d]);
        waited[d] <= waited[d] + 32'(is_waiting[d]);
      end
    end
  end
  always_comb begin
    running = 0;
    waiting = 0;
    for (int d = 0; d < int'(DOMAINS); d++) begin
      if (ran[d] > running) running = ran[d];
      if (waited[d] > waiting) waiting = waited[d];
    end
  end
endmodule
