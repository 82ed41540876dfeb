// A layer's operands, mask and results, for a testbench that knows where windows lie. It declares, before including this:
// load, dump, pixels, products, groups, channels, rows, cols, and `all_filters`, those of all groups (17 bits). Filters are
// numbered over all groups here.
localparam int unsigned BITS = 12;
localparam int unsigned MOST = 1 << 17;

logic [7:0] ifmap[MOST];       // (image, row, column, channel)
logic [7:0] filter[MOST];      // (filter, product)
logic mask[MOST];              // (pixel, filter), pixels as they are put on the array
logic [47:0] origin[1<<BITS];  // image, first row and column of the window, 16 bits each
logic [47:0] tap[1<<BITS];     // channel within the group, row and column within the window
logic [23:0] ofmap[MOST];      // (pixel, filter)
logic computed[MOST];

function automatic logic [16:0] output_place(input logic [BITS-1:0] p, input logic [BITS-1:0] k);
  return 17'(p) * all_filters + 17'(k);
endfunction

function automatic logic [7:0] ifmap_word(input logic [BITS-1:0] of_group, input logic [BITS-1:0] p,
                                          input logic [BITS-1:0] product);
  logic signed [15:0] row, col;
  logic [16:0] channel;
  row = $signed(origin[p][31:16]) + $signed(tap[product][31:16]);
  col = $signed(origin[p][15:0]) + $signed(tap[product][15:0]);
  channel = 17'(of_group) * (17'(channels) / 17'(groups)) + 17'(tap[product][47:32]);
  if (row < 0 || col < 0 || row >= 16'(rows) || col >= 16'(cols)) return '0;
  return ifmap[((17'(origin[p][47:32])*17'(rows)+17'(row))*17'(cols)+17'(col))*17'(channels)+channel];
endfunction

function automatic logic [7:0] filter_word(input logic [BITS-1:0] k, input logic [BITS-1:0] product);
  return filter[17'(k)*17'(products)+17'(product)];
endfunction

always_ff @(posedge load) begin
  $readmemh("ifmap.hex", ifmap);
  $readmemh("filter.hex", filter);
  $readmemh("mask.hex", mask);
  $readmemh("pixel.hex", origin);
  $readmemh("tap.hex", tap);
end
always_ff @(posedge dump) begin
  $writememh("ofmap.hex", ofmap, 0, 32'(pixels) * 32'(all_filters) - 1);
  $writememh("computed.hex", computed, 0, 32'(pixels) * 32'(all_filters) - 1);
end
