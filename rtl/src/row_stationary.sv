// A row-stationary array: PEs with scratch pads, psums up the columns, and multicast buses of limited width.
//
// A pass loads its filters, then lets everything move until its last psum is back in the buffer and the bus is
// empty. What a row or column of PEs stands for in the pass (filter row, set of channels, ofmap row, hand of
// filters) is set before. In a cycle the filter bus brings FILTER_BUS words, the ifmap bus one, to all PEs whose
// tags fit, once all of them have room; the psum buses bring and take PSUM_BUS words, one a column, the first column
// changing from cycle to cycle.
module row_stationary #(
    parameter int unsigned ROWS = 6,
    parameter int unsigned COLS = 5,
    parameter int unsigned FILTERS = 8,
    parameter int unsigned IFMAP_WORDS = 64,
    parameter int unsigned FILTER_WORDS = 128,
    parameter int unsigned FILTER_BUS = 4,
    parameter int unsigned PSUM_BUS = 4,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12,
    parameter int unsigned ADDRESS_BITS = $clog2(FILTER_WORDS),
    parameter int unsigned TAG = 6
) (
    input logic clk,
    input logic rst,
    input logic start,
    output logic busy,
    output logic done,

    // The pass; held while it runs.
    input logic [TAG-1:0] rows,  // PE rows at work
    input logic [TAG-1:0] cols,  // PE columns at work
    input logic [ROWS-1:0][TAG-1:0] row_set,
    input logic [ROWS-1:0][TAG-1:0] row_tap,   // filter row
    input logic [ROWS-1:0][BITS-1:0] row_channels,
    input logic [COLS-1:0][TAG-1:0] col_top,   // first ifmap row of the column's window, counted from the pass's first
    input logic [COLS-1:0][TAG-1:0] col_hand,
    input logic [COLS-1:0][BITS-1:0] col_windows,
    input logic [COLS-1:0][BITS-1:0] col_sums,
    input logic [BITS-1:0] taps,
    input logic [BITS-1:0] stride,

    // Filter words, and to whom they go; `filter_last` with the last ones.
    input logic [FILTER_BUS-1:0] filter_valid,
    input logic [FILTER_BUS-1:0][TAG-1:0] filter_row,  // PE row
    input logic [FILTER_BUS-1:0][TAG-1:0] filter_hand,
    input logic [FILTER_BUS-1:0][ADDRESS_BITS-1:0] filter_address,
    input logic [FILTER_BUS-1:0][DATA-1:0] filter_word,
    input logic filter_last,
    output logic loading,

    // Ifmap words: set of channels and ifmap row.
    input logic ifmap_valid,
    input logic [TAG-1:0] ifmap_set,
    input logic [TAG-1:0] ifmap_row,
    input logic [DATA-1:0] ifmap_word,
    output logic ifmap_taken,

    // Lists of windows of the columns, as each PE reads them.
    output logic [ROWS-1:0][COLS-1:0][BITS-1:0] window,
    input logic [ROWS-1:0][COLS-1:0][BITS-1:0] window_place,
    input logic [ROWS-1:0][COLS-1:0][FILTERS-1:0] window_filters,

    // Psums of each column, in the order of its windows and their filters.
    output logic [COLS-1:0] psum_asked,
    output logic [COLS-1:0][BITS-1:0] psum_place,
    input logic [COLS-1:0][SUM-1:0] psum_word,
    output logic [COLS-1:0] out_valid,
    output logic [COLS-1:0][BITS-1:0] out_place,
    output logic [COLS-1:0][SUM-1:0] out_word,
    output logic [BITS-1:0] macs  // in this cycle
);
  localparam int unsigned TURN = COLS > 1 ? $clog2(COLS) : 1;

  logic running;
  logic [TURN-1:0] turn;
  logic [ROWS-1:0][COLS-1:0] room, working, listens;
  logic [ROWS:0][COLS-1:0] push, free;
  logic [ROWS:0][COLS-1:0][SUM-1:0] rising;
  logic [COLS-1:0] all_out, top_some, top_pop;
  logic [COLS-1:0][SUM-1:0] top_word;

  always_comb begin
    macs = '0;
    ifmap_taken = running && ifmap_valid;
    for (int r = 0; r < int'(ROWS); r++) begin
      for (int c = 0; c < int'(COLS); c++) begin
        listens[r][c] = TAG'(r) < rows && TAG'(c) < cols && row_set[r] == ifmap_set &&
            col_top[c] + row_tap[r] == ifmap_row;
        if (listens[r][c] && !room[r][c]) ifmap_taken = 1'b0;
        macs = macs + BITS'(working[r][c]);
      end
    end
  end

  for (genvar c = 0; c < int'(COLS); c++) begin : g_col
    // A column's topmost PE at work hands up to the FIFO of the bus.
    logic top_room;
    assign push[0][c] = psum_asked[c];
    assign rising[0][c] = psum_word[c];
    for (genvar r = 0; r < int'(ROWS); r++) begin : g_row
      logic [FILTER_BUS-1:0] load;
      logic is_top;
      assign is_top = TAG'(r) + 1'b1 == rows;
      always_comb begin
        for (int w = 0; w < int'(FILTER_BUS); w++) begin
          load[w] = loading && filter_valid[w] && filter_row[w] == TAG'(r) && filter_hand[w] == col_hand[c];
        end
      end
      row_stationary_pe #(
          .FILTERS(FILTERS), .IFMAP_WORDS(IFMAP_WORDS), .FILTER_WORDS(FILTER_WORDS), .FILTER_BUS(FILTER_BUS),
          .DATA(DATA), .SUM(SUM), .BITS(BITS)
      ) pe (
          .clk, .start, .run(running && TAG'(r) < rows && TAG'(c) < cols), .channels(row_channels[r]), .taps, .stride,
          .load, .load_address(filter_address), .load_word(filter_word),
          .ifmap_valid(ifmap_taken && listens[r][c]), .ifmap_word, .ifmap_room(room[r][c]),
          .windows(col_windows[c]), .window(window[r][c]), .window_place(window_place[r][c]),
          .window_filters(window_filters[r][c]),
          .below_push(push[r][c] && (r == 0 || TAG'(r) < rows)), .below_word(rising[r][c]), .below_room(free[r][c]),
          .above_push(push[r+1][c]), .above_word(rising[r+1][c]), .above_room(is_top ? top_room : free[r+1][c]),
          .working(working[r][c])
      );
    end
    assign free[ROWS][c] = top_room;

    logic top_push;
    logic [SUM-1:0] top_in;
    always_comb begin
      top_push = 1'b0;
      top_in = '0;
      for (int r = 1; r <= int'(ROWS); r++) begin
        if (TAG'(r) == rows) begin
          top_push = push[r][c];
          top_in = rising[r][c];
        end
      end
    end
    word_fifo #(.WIDTH(SUM)) top (
        .clk, .clear(start), .push(top_push), .in_word(top_in), .room(top_room), .pop(top_pop[c]), .some(top_some[c]),
        .out_word(top_word[c])
    );
    assign all_out[c] = TAG'(c) >= cols || out_place[c] == col_sums[c];
  end

  // Who is served on the psum buses: columns from `turn` on, as many as the bus is wide.
  always_comb begin
    int given, came;
    given = 0;
    came = 0;
    psum_asked = '0;
    top_pop = '0;
    for (int i = 0; i < int'(2 * COLS); i++) begin
      for (int c = 0; c < int'(COLS); c++) begin
        if (i == (c < int'(turn) ? c + int'(COLS) : c) && running && TAG'(c) < cols) begin
          if (free[0][c] && psum_place[c] < col_sums[c] && given < int'(PSUM_BUS)) begin
            psum_asked[c] = 1'b1;
            given = given + 1;
          end
          if (top_some[c] && came < int'(PSUM_BUS)) begin
            top_pop[c] = 1'b1;
            came = came + 1;
          end
        end
      end
    end
  end
  assign out_valid = top_pop;
  assign out_word = top_word;
  assign busy = loading || running;
  assign done = running && !ifmap_valid && &all_out;

  always_ff @(posedge clk) begin
    if (rst) {loading, running} <= '0;
    else if (start) loading <= 1'b1;
    else if (loading && filter_last) {loading, running} <= 2'b01;
    else if (done) running <= 1'b0;
    turn <= start || TAG'(turn) + 1'b1 >= cols ? '0 : turn + 1'b1;
    for (int c = 0; c < int'(COLS); c++) begin
      psum_place[c] <= start ? '0 : psum_place[c] + BITS'(psum_asked[c]);
      out_place[c]  <= start ? '0 : out_place[c] + BITS'(top_pop[c]);
    end
  end
endmodule
