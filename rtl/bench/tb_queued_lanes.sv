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
  localparam int unsigned BITS = 12;
  localparam int unsigned MOST = 1 << 17;

  logic [7:0] ifmap[MOST];      // (image, row, column, channel)
  logic [7:0] filter[MOST];     // (filter, product)
  logic mask[MOST];             // (pixel, filter)
  logic [47:0] origin[1<<BITS]; // image, first row and column of the window, 16 bits each
  logic [47:0] tap[1<<BITS];    // channel within the group, row and column within the window
  logic [23:0] ofmap[MOST];     // (pixel, filter)
  logic computed[MOST];

  logic busy, is_running, is_waiting;
  logic [BITS-1:0] scan_block, scan_pixel, cycle;
  logic [FILTERS-1:0] scan_bits;
  logic [LANES-1:0] working, out_valid;
  logic [LANES-1:0][BITS-1:0] pixel, lane_filter;
  logic [LANES-1:0][MACS-1:0][7:0] values, weights;
  logic [LANES-1:0][23:0] out_sum;

  queued_lanes #(.LANES(LANES), .FILTERS(FILTERS), .MACS(MACS)) dut (
      .clk, .rst, .start, .pixels, .filters, .window, .output_cycles((products + 12'(MACS - 1)) / 12'(MACS)),
      .busy, .done, .running(is_running), .waiting(is_waiting), .scan_pixel, .scan_block, .scan_bits, .working,
      .pixel, .filter(lane_filter), .cycle, .values, .weights, .out_valid, .out_sum
  );

  function automatic logic [16:0] output_place(input logic [11:0] p, input logic [11:0] k);
    return 17'(p) * 17'(filters) + 17'(k);
  endfunction

  function automatic logic [7:0] ifmap_word(input logic [11:0] p, input logic [11:0] k, input logic [11:0] product);
    logic signed [15:0] row, col;
    logic [16:0] channel;
    row = $signed(origin[p][31:16]) + $signed(tap[product][31:16]);
    col = $signed(origin[p][15:0]) + $signed(tap[product][15:0]);
    channel = 17'(k) / (17'(filters) / 17'(groups)) * (17'(channels) / 17'(groups)) + 17'(tap[product][47:32]);
    if (row < 0 || col < 0 || row >= 16'(rows) || col >= 16'(cols)) return '0;
    return ifmap[((17'(origin[p][47:32])*17'(rows)+17'(row))*17'(cols)+17'(col))*17'(channels)+channel];
  endfunction

  always_comb begin
    for (int f = 0; f < int'(FILTERS); f++) begin
      scan_bits[f] = scan_block + 12'(f) < filters && mask[output_place(scan_pixel, scan_block + 12'(f))];
    end
  end
  always_comb begin
    for (int l = 0; l < int'(LANES); l++) begin
      for (int m = 0; m < int'(MACS); m++) begin
        logic [11:0] product;
        product = 12'(cycle * MACS) + 12'(m);
        values[l][m] = '0;
        weights[l][m] = '0;
        if (working[l] && product < products) begin
          values[l][m] = ifmap_word(pixel[l], lane_filter[l], product);
          weights[l][m] = filter[17'(lane_filter[l])*17'(products)+17'(product)];
        end
      end
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
    for (int l = 0; l < int'(LANES); l++) begin
      if (out_valid[l]) begin
        ofmap[output_place(pixel[l], lane_filter[l])] <= out_sum[l];
        computed[output_place(pixel[l], lane_filter[l])] <= 1'b1;
      end
    end
    if (load) for (int i = 0; i < int'(MOST); i++) computed[i] <= 1'b0;
  end

  always_ff @(posedge load) begin
    $readmemh("ifmap.hex", ifmap);
    $readmemh("filter.hex", filter);
    $readmemh("mask.hex", mask);
    $readmemh("pixel.hex", origin);
    $readmemh("tap.hex", tap);
  end
  always_ff @(posedge dump) begin
    $writememh("ofmap.hex", ofmap, 0, 32'(pixels) * 32'(filters) - 1);
    $writememh("computed.hex", computed, 0, 32'(pixels) * 32'(filters) - 1);
  end
endmodule
