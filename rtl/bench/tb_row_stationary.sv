// A row-stationary array between buffers that hold its passes: streams of words with their tags, lists of windows,
// psums.
module tb_row_stationary #(
    parameter int unsigned ROWS = 6,
    parameter int unsigned COLS = 5,
    parameter int unsigned FILTER_BUS = 4,
    parameter int unsigned PSUM_BUS = 4
) (
    input logic clk,
    input logic rst,
    input logic load,
    input logic dump,  // write psums.hex and spans.hex
    input logic start,
    input logic [15:0] passes,
    input logic [31:0] psums,
    output logic done,
    output logic [31:0] cycles,  // in which a pass runs
    output logic [31:0] worked   // MACs
);
  localparam int unsigned BITS = 12;
  localparam int unsigned TAG = 6;
  localparam int unsigned FILTERS = 8;
  localparam int unsigned MOST = 1 << 18;
  localparam int unsigned FIELDS = 12;  // of a pass, before those of rows and columns

  logic [15:0] pass_fields[1<<17];    // pass after pass
  logic [31:0] filter_stream[MOST];   // row, hand, address, word: 8 bits each
  logic [31:0] ifmap_stream[MOST];    // set, row, -, word: 8 bits each
  logic [31:0] lists[MOST];           // place of a window, and its filters, 16 bits each
  logic [23:0] psum[MOST];
  logic [31:0] spans[1<<14];          // cycles of each pass

  localparam int unsigned STEP = FIELDS + 3 * ROWS + 6 * COLS;

  logic [15:0] pass;
  logic [16:0] at;
  logic pass_start, pass_done, busy, loading, running_layer;
  logic [31:0] filter_at, ifmap_at, filter_end, ifmap_end, span;
  logic [ROWS-1:0][TAG-1:0] row_set, row_tap;
  logic [ROWS-1:0][BITS-1:0] row_channels;
  logic [COLS-1:0][TAG-1:0] col_top, col_hand;
  logic [COLS-1:0][BITS-1:0] col_windows, col_sums;
  logic [COLS-1:0][31:0] col_list, col_psum;
  logic [FILTER_BUS-1:0] filter_valid;
  logic [FILTER_BUS-1:0][TAG-1:0] filter_row, filter_hand;
  logic [FILTER_BUS-1:0][6:0] filter_address;
  logic [FILTER_BUS-1:0][7:0] filter_word;
  logic ifmap_taken;
  logic [ROWS-1:0][COLS-1:0][BITS-1:0] window, window_place;
  logic [ROWS-1:0][COLS-1:0][FILTERS-1:0] window_filters;
  logic [COLS-1:0] psum_asked, out_valid;
  logic [COLS-1:0][BITS-1:0] psum_place, out_place;
  logic [COLS-1:0][23:0] psum_word, out_word;
  logic [BITS-1:0] macs;

  assign at = 17'(pass) * 17'(STEP);
  always_comb begin
    for (int r = 0; r < int'(ROWS); r++) begin
      row_set[r] = pass_fields[at+17'(FIELDS)+17'(r)][TAG-1:0];
      row_tap[r] = pass_fields[at+17'(FIELDS+ROWS)+17'(r)][TAG-1:0];
      row_channels[r] = pass_fields[at+17'(FIELDS+2*ROWS)+17'(r)][BITS-1:0];
    end
    for (int c = 0; c < int'(COLS); c++) begin
      col_top[c] = pass_fields[at+17'(FIELDS+3*ROWS)+17'(c)][TAG-1:0];
      col_hand[c] = pass_fields[at+17'(FIELDS+3*ROWS+COLS)+17'(c)][TAG-1:0];
      col_windows[c] = pass_fields[at+17'(FIELDS+3*ROWS+2*COLS)+17'(c)][BITS-1:0];
      col_sums[c] = pass_fields[at+17'(FIELDS+3*ROWS+3*COLS)+17'(c)][BITS-1:0];
      col_list[c] = {pass_fields[at+17'd8], pass_fields[at+17'd7]}
          + 32'(pass_fields[at+17'(FIELDS+3*ROWS+4*COLS)+17'(c)]);
      col_psum[c] = {pass_fields[at+17'd10], pass_fields[at+17'd9]}
          + 32'(pass_fields[at+17'(FIELDS+3*ROWS+5*COLS)+17'(c)]);
    end
    for (int w = 0; w < int'(FILTER_BUS); w++) begin
      filter_valid[w] = filter_at + 32'(w) < filter_end;
      filter_row[w] = filter_stream[18'(filter_at)+18'(w)][29:24];
      filter_hand[w] = filter_stream[18'(filter_at)+18'(w)][21:16];
      filter_address[w] = filter_stream[18'(filter_at)+18'(w)][14:8];
      filter_word[w] = filter_stream[18'(filter_at)+18'(w)][7:0];
    end
  end
  always_comb begin
    for (int r = 0; r < int'(ROWS); r++) begin
      for (int c = 0; c < int'(COLS); c++) begin
        window_place[r][c] = lists[18'(col_list[c])+18'(window[r][c])][BITS-1:0];
        window_filters[r][c] = lists[18'(col_list[c])+18'(window[r][c])][16+:FILTERS];
      end
    end
  end
  always_comb for (int c = 0; c < int'(COLS); c++) psum_word[c] = psum[18'(col_psum[c])+18'(psum_place[c])];

  row_stationary #(
      .ROWS(ROWS), .COLS(COLS), .FILTERS(FILTERS), .FILTER_BUS(FILTER_BUS), .PSUM_BUS(PSUM_BUS)
  ) dut (
      .clk, .rst, .start(pass_start), .busy, .done(pass_done), .rows(pass_fields[at][TAG-1:0]),
      .cols(pass_fields[at+17'd1][TAG-1:0]), .row_set, .row_tap, .row_channels, .col_top, .col_hand, .col_windows,
      .col_sums,
      .taps(pass_fields[at+17'd2][BITS-1:0]), .stride(pass_fields[at+17'd3][BITS-1:0]),
      .filter_valid, .filter_row, .filter_hand, .filter_address, .filter_word,
      .filter_last(filter_at + FILTER_BUS >= filter_end), .loading,
      .ifmap_valid(ifmap_at < ifmap_end), .ifmap_set(ifmap_stream[18'(ifmap_at)][29:24]),
      .ifmap_row(ifmap_stream[18'(ifmap_at)][21:16]), .ifmap_word(ifmap_stream[18'(ifmap_at)][7:0]), .ifmap_taken,
      .window, .window_place, .window_filters, .psum_asked, .psum_place, .psum_word, .out_valid, .out_place, .out_word,
      .macs
  );

  always_ff @(posedge clk) begin
    pass_start <= 1'b0;
    if (rst) {running_layer, done} <= '0;
    else if (start) begin
      running_layer <= 1'b1;
      done <= 1'b0;
      pass <= '0;
      cycles <= 0;
      worked <= 0;
      filter_at <= 0;
      ifmap_at <= 0;
      pass_start <= 1'b1;
    end else if (running_layer) begin
      if (pass_start) begin
        // Streams go on from pass to pass; a pass says how many words are its own.
        filter_end <= filter_at + {pass_fields[at+17'd5], pass_fields[at+17'd4]};
        ifmap_end <= ifmap_at + 32'(pass_fields[at+17'd6]);
        span <= 0;
      end
      if (busy) begin
        cycles <= cycles + 1;
        span <= span + 1;
        worked <= worked + 32'(macs);
      end
      if (loading) filter_at <= filter_at + FILTER_BUS < filter_end ? filter_at + FILTER_BUS : filter_end;
      if (ifmap_taken) ifmap_at <= ifmap_at + 1;
      if (pass_done) begin
        spans[pass[13:0]] <= span + 1;
        pass <= pass + 1'b1;
        pass_start <= pass + 1'b1 < passes;
        if (pass + 1'b1 == passes) begin
          running_layer <= 1'b0;
          done <= 1'b1;
        end
      end
      for (int c = 0; c < int'(COLS); c++) if (out_valid[c]) psum[18'(col_psum[c])+18'(out_place[c])] <= out_word[c];
    end
    if (load) for (int i = 0; i < int'(MOST); i++) psum[i] <= '0;
  end

  always_ff @(posedge load) begin
    $readmemh("pass.hex", pass_fields);
    $readmemh("filter.hex", filter_stream);
    $readmemh("ifmap.hex", ifmap_stream);
    $readmemh("lists.hex", lists);
  end
  always_ff @(posedge dump) begin
    $writememh("psums.hex", psum, 0, psums - 1);
    $writememh("spans.hex", spans, 0, 32'(passes) - 1);
  end

  // Psums are given whenever they are asked for.
  logic unused;
  assign unused = &{1'b0, psum_asked};
endmodule
