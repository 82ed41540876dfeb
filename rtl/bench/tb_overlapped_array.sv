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
  localparam int unsigned BITS = 12;
  localparam int unsigned MOST = 1 << 17;

  logic [7:0] ifmap[MOST];           // (image, row, column, channel)
  logic [7:0] filter[MOST];          // (filter, product)
  logic mask[MOST];                  // (pixel, filter), pixels as they are put on the array
  logic [47:0] pixel[1<<BITS];       // image, first row and column of the window, 16 bits each
  logic [47:0] tap[1<<BITS];         // channel within the group, row and column within the window
  logic [23:0] psum[MOST];           // (place, column)
  logic [23:0] ofmap[MOST];          // (pixel, filter)
  logic computed[MOST];

  logic busy, filling, streaming;
  logic [BITS-1:0] scan_group, scan_tile, scan_vector;
  logic [SCAN-1:0][COLS-1:0] scan_bits;
  logic [ROWS-1:0] left_valid;
  logic [ROWS-1:0][BITS-1:0] left_group, left_vector, left_product;
  logic [ROWS-1:0][7:0] left_word;
  logic [COLS-1:0] top_valid, sum_asked, out_valid, out_last;
  logic [COLS-1:0][BITS-1:0] top_group, out_group, top_item, top_product, sum_place, out_place, out_vector, out_item;
  logic [COLS-1:0][7:0] top_word;
  logic [COLS-1:0][23:0] sum_word, out_word;

  overlapped_array #(
      .ROWS(ROWS), .COLS(COLS), .DATAFLOW(DATAFLOW), .SCAN(SCAN), .MAX_VECTORS(2048)
  ) dut (
      .clk, .rst, .start, .vectors(DATAFLOW == 2 ? filters : pixels), .items(DATAFLOW == 2 ? pixels : filters), .tiles,
      .products, .groups, .busy, .done, .filling, .streaming,
      .scan_group, .scan_tile, .scan_vector, .scan_bits,
      .left_valid, .left_group, .left_vector, .left_product, .left_word, .top_valid, .top_group,
      .top_item, .top_product, .top_word, .sum_asked, .sum_place, .sum_word, .out_group, .out_valid, .out_last, .out_place, .out_vector, .out_item,
      .out_word
  );

  function automatic logic [16:0] output_place(input logic [11:0] of_group, input logic [11:0] p, input logic [11:0] k);
    return 17'(p) * 17'(groups) * 17'(filters) + 17'(of_group) * 17'(filters) + 17'(k);
  endfunction

  function automatic logic [7:0] ifmap_word(input logic [11:0] group, input logic [11:0] p, input logic [11:0] product);
    logic signed [15:0] row, col;
    logic [16:0] channel;
    row = $signed(pixel[p][31:16]) + $signed(tap[product][31:16]);
    col = $signed(pixel[p][15:0]) + $signed(tap[product][15:0]);
    channel = 17'(group) * (17'(channels) / 17'(groups)) + 17'(tap[product][47:32]);
    if (row < 0 || col < 0 || row >= 16'(rows) || col >= 16'(cols)) return '0;
    return ifmap[((17'(pixel[p][47:32])*17'(rows)+17'(row))*17'(cols)+17'(col))*17'(channels)+channel];
  endfunction

  function automatic logic [7:0] filter_word(input logic [11:0] group, input logic [11:0] k, input logic [11:0] product);
    return filter[(17'(group)*17'(filters)+17'(k))*17'(products)+17'(product)];
  endfunction

  always_comb begin
    for (int s = 0; s < int'(SCAN); s++) begin
      for (int c = 0; c < int'(COLS); c++) begin
        logic [11:0] vector, item;
        vector = scan_vector + 12'(s);
        item = 12'(scan_tile * COLS) + 12'(c);
        if (DATAFLOW == 2) scan_bits[s][c] = item < pixels && mask[output_place(scan_group, item, vector)];
        else scan_bits[s][c] = item < filters && mask[output_place(scan_group, vector, item)];
      end
    end
  end
  always_comb begin
    for (int r = 0; r < int'(ROWS); r++) begin
      if (!left_valid[r]) left_word[r] = 8'hxx;
      else if (DATAFLOW == 2) left_word[r] = filter_word(left_group[r], left_vector[r], left_product[r]);
      else left_word[r] = ifmap_word(left_group[r], left_vector[r], left_product[r]);
    end
  end
  always_comb begin
    for (int c = 0; c < int'(COLS); c++) begin
      if (!top_valid[c]) top_word[c] = 8'hxx;
      else if (DATAFLOW == 2) top_word[c] = ifmap_word(top_group[c], top_item[c], top_product[c]);
      else top_word[c] = filter_word(top_group[c], top_item[c], top_product[c]);
    end
  end
  always_comb begin
    for (int c = 0; c < int'(COLS); c++) begin
      sum_word[c] = sum_asked[c] ? psum[17'(sum_place[c])*17'(COLS)+17'(c)] : 24'hxxxxxx;
    end
  end

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
    for (int c = 0; c < int'(COLS); c++) begin
      if (out_valid[c] && out_last[c]) begin
        logic [16:0] place;
        if (DATAFLOW == 2) place = output_place(out_group[c], out_item[c], out_vector[c]);
        else place = output_place(out_group[c], out_vector[c], out_item[c]);
        ofmap[place] <= out_word[c];
        computed[place] <= 1'b1;
      end else if (out_valid[c]) psum[17'(out_place[c])*17'(COLS)+17'(c)] <= out_word[c];
    end
    if (load) for (int i = 0; i < int'(MOST); i++) computed[i] <= 1'b0;
  end

  always_ff @(posedge load) begin
    $readmemh("ifmap.hex", ifmap);
    $readmemh("filter.hex", filter);
    $readmemh("mask.hex", mask);
    $readmemh("pixel.hex", pixel);
    $readmemh("tap.hex", tap);
  end
  always_ff @(posedge dump) begin
    $writememh("ofmap.hex", ofmap, 0, 32'(pixels) * 32'(filters) * 32'(groups) - 1);
    $writememh("computed.hex", computed, 0, 32'(pixels) * 32'(filters) * 32'(groups) - 1);
  end
endmodule
