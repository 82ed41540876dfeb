// A weight- or input-stationary array with its control, in which the next fold's words enter behind the running fold.
//
// Folds follow each other by max(vectors, ROWS) cycles. The words of a fold enter in the ROWS cycles before its first
// vector, the last row's first; a row takes part in the shifting from the cycle in which the running fold's first vector
// has passed it. Everything runs a cycle later in each column. DATAFLOW 0: weight-stationary, 2: input-stationary.
module overlapped_array #(
    parameter int unsigned ROWS = 8,
    parameter int unsigned COLS = 8,
    parameter int unsigned DATAFLOW = 0,
    parameter int unsigned SCAN = 4,
    parameter int unsigned MAX_VECTORS = 1024,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12
) (
    input logic clk,
    input logic rst,

    // A stage of a layer; held while it runs.
    input logic start,
    input logic [BITS-1:0] vectors,   // of a group, needed or not
    input logic [BITS-1:0] items,     // of a group: what is spread over columns
    input logic [BITS-1:0] tiles,     // ceil(items / COLS)
    input logic [BITS-1:0] products,  // of an output
    input logic [BITS-1:0] groups,
    output logic busy,
    output logic done,
    output logic filling,    // the first fold's words enter
    output logic streaming,  // a fold's vectors enter, or would if it had as many as there are rows

    // The mask.
    output logic [BITS-1:0] scan_group,
    output logic [BITS-1:0] scan_tile,
    output logic [BITS-1:0] scan_vector,
    input logic [SCAN-1:0][COLS-1:0] scan_bits,

    // Operands: the left edge asks for a vector's product, the top edge for an item's.
    output logic [ROWS-1:0] left_valid,
    output logic [ROWS-1:0][BITS-1:0] left_group,
    output logic [ROWS-1:0][BITS-1:0] left_vector,
    output logic [ROWS-1:0][BITS-1:0] left_product,
    input logic [ROWS-1:0][DATA-1:0] left_word,
    output logic [COLS-1:0] top_valid,
    output logic [COLS-1:0][BITS-1:0] top_group,
    output logic [COLS-1:0][BITS-1:0] top_item,
    output logic [COLS-1:0][BITS-1:0] top_product,
    input logic [COLS-1:0][DATA-1:0] top_word,

    // Sums that come back, by place of the vector in its list.
    output logic [COLS-1:0] sum_asked,
    output logic [COLS-1:0][BITS-1:0] sum_place,
    input logic [COLS-1:0][SUM-1:0] sum_word,

    // Sums that leave; `out_last`: they are outputs.
    output logic [COLS-1:0] out_valid,
    output logic [COLS-1:0] out_last,
    output logic [COLS-1:0][BITS-1:0] out_group,
    output logic [COLS-1:0][BITS-1:0] out_place,
    output logic [COLS-1:0][BITS-1:0] out_vector,
    output logic [COLS-1:0][BITS-1:0] out_item,
    output logic [COLS-1:0][SUM-1:0] out_word
);
  localparam int unsigned LAST_HOP = ROWS + COLS - 1;

  if (DATAFLOW != 0 && DATAFLOW != 2) begin : g_dataflow
    $fatal(1, "overlapped_array: DATAFLOW = %0d: expected 0 (weight-) or 2 (input-stationary)", DATAFLOW);
  end
  if (ROWS < 1 || COLS < 1) begin : g_size
    $fatal(1, "overlapped_array: ROWS = %0d, COLS = %0d: expected at least 1 of each", ROWS, COLS);
  end

  typedef struct packed {
    logic [BITS-1:0] group;
    logic [BITS-1:0] tile;
    logic [BITS-1:0] base;   // first product
    logic [BITS-1:0] count;  // vectors
    logic bank;
    logic last;              // of its tile
  } fold_t;

  fold_t next, entering, running;
  logic any, loading, load_ends, more_folds, begin_load, room, take, free, finished;
  logic head_ready, head_bank, slot_ends, started;
  logic [BITS-1:0] head_group, head_tile, head_count, load_cycle, cycle, slot, idle;
  logic [1:0][BITS-1:0] read_vector;

  vector_list #(.COLS(COLS), .SCAN(SCAN), .MAX_VECTORS(MAX_VECTORS), .BITS(BITS)) lists (
      .clk, .rst, .start, .vectors, .tiles, .groups, .scan_group, .scan_tile, .scan_vector, .scan_bits,
      .head_ready, .head_group, .head_tile, .head_count, .head_bank, .take, .free, .finished,
      .read_bank({running.bank, running.bank}), .read_place({BITS'(0), cycle}), .read_vector
  );

  // The fold after the one that has entered, or enters, last.
  assign more_folds = any && !entering.last;
  always_comb begin
    if (more_folds) begin
      next = entering;
      next.base = entering.base + BITS'(ROWS);
    end else next = {head_group, head_tile, BITS'(0), head_count, head_bank, 1'b0};
    next.last = products - next.base <= BITS'(ROWS);
  end

  assign slot = running.count < BITS'(ROWS) ? BITS'(ROWS) : running.count;
  assign slot_ends = streaming && cycle + 1'b1 == slot;
  assign load_ends = loading && load_cycle == BITS'(ROWS - 1);
  always_comb begin
    if (loading) room = load_ends && entering.count <= BITS'(ROWS);
    else room = !streaming || cycle + BITS'(ROWS + 1) >= slot;
  end
  assign begin_load = busy && room && (more_folds || head_ready);
  assign take = begin_load && !more_folds;
  assign free = slot_ends && running.last;
  assign filling = loading && !started;
  assign done = busy && !streaming && !loading && finished && !more_folds && idle >= BITS'(LAST_HOP) && !start;

  always_ff @(posedge clk) begin
    if (rst || start) begin
      busy <= start && !rst;
      {any, loading, streaming, started} <= '0;
      idle <= BITS'(LAST_HOP);
    end else begin
      if (done) busy <= 1'b0;
      if (begin_load) begin
        any <= 1'b1;
        entering <= next;
      end
      loading <= begin_load || (loading && !load_ends);
      if (load_ends) begin
        running <= entering;
        started <= 1'b1;
      end
      streaming <= load_ends || (streaming && !slot_ends);
      if (streaming) idle <= '0;
      else if (idle != BITS'(LAST_HOP)) idle <= idle + 1'b1;
    end
    load_cycle <= begin_load || !loading ? '0 : load_cycle + 1'b1;
    cycle <= load_ends || !streaming ? '0 : cycle + 1'b1;
  end

  // What runs along the edges, a cycle later in each row or column.
  typedef struct packed {
    logic valid;
    logic change;
    logic [BITS-1:0] group;
    logic [BITS-1:0] vector;
    logic [BITS-1:0] base;
  } left_t;
  typedef struct packed {
    logic [ROWS-1:0] rows;  // that shift
    logic valid;
    logic [BITS-1:0] group;
    logic [BITS-1:0] tile;
    logic [BITS-1:0] product;
  } top_t;
  typedef struct packed {
    logic valid;
    logic later;  // not the first fold of the tile: sums come back
    logic last;
    logic [BITS-1:0] group;
    logic [BITS-1:0] tile;
    logic [BITS-1:0] place;
    logic [BITS-1:0] vector;
  } sums_t;

  left_t left_now;
  top_t top_now;
  sums_t sums_now;
  left_t [ROWS-1:0] left_at;
  top_t [COLS-1:0] top_at;
  sums_t [ROWS+COLS-1:0] sums_at;
  logic stream;

  assign stream = streaming && cycle < running.count && !rst;
  assign left_now = {stream, stream && cycle == 0, running.group, read_vector[0], running.base};
  assign sums_now = {stream, running.base != 0, running.last, running.group, running.tile, cycle, read_vector[0]};
  always_comb begin
    top_now.valid = loading;
    top_now.group = entering.group;
    top_now.tile = entering.tile;
    top_now.product = entering.base + BITS'(ROWS - 1) - load_cycle;
    for (int r = 0; r < int'(ROWS); r++) top_now.rows[r] = loading && load_cycle >= BITS'(r);
  end
  delay_line #(.LENGTH(ROWS), .WIDTH($bits(left_t))) down_rows (.clk, .word(left_now), .words(left_at));
  delay_line #(.LENGTH(COLS), .WIDTH($bits(top_t))) along_cols (.clk, .word(top_now), .words(top_at));
  delay_line #(.LENGTH(ROWS + COLS), .WIDTH($bits(sums_t))) through (.clk, .word(sums_now), .words(sums_at));

  logic [ROWS-1:0][COLS:0][DATA-1:0] across;
  logic [ROWS-1:0][COLS:0] change;
  logic [ROWS:0][COLS-1:0][DATA-1:0] down;
  logic [COLS-1:0][SUM-1:0] sums_above;
  logic [ROWS-1:0][COLS-1:0][SUM-1:0] sums;  // below each row

  for (genvar r = 0; r < int'(ROWS); r++) begin : g_row
    assign left_valid[r] = left_at[r].valid && BITS'(r) < products - left_at[r].base;
    assign left_group[r] = left_at[r].group;
    assign left_vector[r] = left_at[r].vector;
    assign left_product[r] = left_at[r].base + BITS'(r);
    assign across[r][0] = left_valid[r] ? left_word[r] : '0;
    assign change[r][0] = left_at[r].change;
    for (genvar c = 0; c < int'(COLS); c++) begin : g_col
      logic [SUM-1:0] sum_above;
      if (r == 0) begin : g_top
        assign sum_above = sums_above[c];
      end else begin : g_below
        assign sum_above = sums[r-1][c];
      end
      overlapped_pe #(.DATA(DATA), .SUM(SUM)) pe (
          .clk, .left(across[r][c]), .right(across[r][c+1]), .change_left(change[r][c]), .change_right(change[r][c+1]),
          .load(top_at[c].rows[r]), .above(down[r][c]), .below(down[r+1][c]),
          .sum_above, .sum_below(sums[r][c])
      );
    end
  end
  for (genvar c = 0; c < int'(COLS); c++) begin : g_edge
    assign top_group[c] = top_at[c].group;
    assign top_item[c] = BITS'(top_at[c].tile * COLS) + BITS'(c);
    assign top_product[c] = top_at[c].product;
    assign top_valid[c] = top_at[c].valid && top_item[c] < items && top_product[c] < products;
    assign down[0][c] = top_valid[c] ? top_word[c] : '0;
    assign sum_asked[c] = sums_at[c].valid && sums_at[c].later && BITS'(sums_at[c].tile * COLS) + BITS'(c) < items;
    assign sum_place[c] = sums_at[c].place;
    // Folds of no more vectors than rows follow so closely that a sum comes back in the cycle in which it leaves.
    assign sums_above[c] = !sum_asked[c] ? '0
        : out_valid[c] && !out_last[c] && out_place[c] == sum_place[c] ? out_word[c] : sum_word[c];
    assign out_item[c] = BITS'(sums_at[ROWS+c].tile * COLS) + BITS'(c);
    assign out_valid[c] = sums_at[ROWS+c].valid && out_item[c] < items;
    assign out_last[c] = sums_at[ROWS+c].last;
    assign out_group[c] = sums_at[ROWS+c].group;
    assign out_place[c] = sums_at[ROWS+c].place;
    assign out_vector[c] = sums_at[ROWS+c].vector;
    assign out_word[c] = sums[ROWS-1][c];
  end

  // What leaves at the right and at the bottom goes nowhere.
  logic unused;
  always_comb begin
    unused = &{1'b0, down[ROWS], read_vector[1], sums_at};
    for (int r = 0; r < int'(ROWS); r++) unused &= &{1'b0, across[r][COLS], change[r][COLS]};
  end
endmodule
