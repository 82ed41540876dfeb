// A systolic array with its control: folds of tiles, compacted to the vectors that masks need.
//
// DATAFLOW 0: weight-stationary, 1: output-stationary, 2: input-stationary. Vectors are pixels (input-stationary:
// filters), columns hold filters (input-stationary: pixels); both are numbered within a group, pixels in the order
// in which they are put on the array. A fold is one residency: rows x columns of the stationary operand, or rows of
// pixels. Folds follow each other without a gap, unless the next list of vectors is not there (`waiting`).
//
// Operands are asked for and given in the same cycle; the buffers around know where windows lie.
module systolic #(
    parameter int unsigned ROWS = 8,
    parameter int unsigned COLS = 8,
    parameter int unsigned DATAFLOW = 0,
    parameter bit SERIAL = 1'b0,  // output-stationary: results leave before the next fold fills
    parameter bit SHRUNK = 1'b0,  // partial folds fill and drain as an array of their size
    parameter bit MASKED = 1'b1,  // otherwise every vector is issued for every tile
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
    output logic running,  // the array is in a fold
    output logic waiting,  // the array waits for a list of vectors

    // The mask.
    output logic [BITS-1:0] scan_group,
    output logic [BITS-1:0] scan_tile,
    output logic [BITS-1:0] scan_vector,
    input logic [SCAN-1:0][COLS-1:0] scan_bits,

    // Operands: the left edge asks for a vector's product, the top edge for an item's.
    output logic [BITS-1:0] group,
    output logic [ROWS-1:0] left_valid,
    output logic [ROWS-1:0][BITS-1:0] left_vector,
    output logic [ROWS-1:0][BITS-1:0] left_product,
    input logic [ROWS-1:0][DATA-1:0] left_word,
    output logic [COLS-1:0] top_valid,
    output logic [COLS-1:0][BITS-1:0] top_item,
    output logic [COLS-1:0][BITS-1:0] top_product,
    input logic [COLS-1:0][DATA-1:0] top_word,

    // Sums that come back (never output-stationary), by place of the vector in its list.
    output logic [COLS-1:0] sum_asked,
    output logic [COLS-1:0][BITS-1:0] sum_place,
    input logic [COLS-1:0][SUM-1:0] sum_word,

    // Sums that leave; `out_last`: they are outputs.
    output logic [BITS-1:0] out_group,
    output logic [COLS-1:0] out_valid,
    output logic [COLS-1:0] out_last,
    output logic [COLS-1:0][BITS-1:0] out_place,
    output logic [COLS-1:0][BITS-1:0] out_vector,
    output logic [COLS-1:0][BITS-1:0] out_item,
    output logic [COLS-1:0][SUM-1:0] out_word
);
  localparam bit OUTPUT_STATIONARY = DATAFLOW == 1;
  localparam int unsigned ROW_BITS = $clog2(ROWS + 1);
  localparam int unsigned COL_BITS = $clog2(COLS + 1);

  if (DATAFLOW > 2) begin : g_dataflow
    $fatal(1, "systolic: DATAFLOW = %0d: expected 0 (weight-), 1 (output-) or 2 (input-stationary)", DATAFLOW);
  end
  if (SERIAL && !OUTPUT_STATIONARY) begin : g_serial
    $fatal(1, "systolic: SERIAL goes with DATAFLOW = 1 (output-stationary) only");
  end
  if (SHRUNK && DATAFLOW == 2) begin : g_shrunk
    $fatal(1, "systolic: SHRUNK input-stationary folds would move pixels between columns, which is not built");
  end
  if (ROWS < 1 || COLS < 1) begin : g_size
    $fatal(1, "systolic: ROWS = %0d, COLS = %0d: expected at least 1 of each", ROWS, COLS);
  end

  // The present tile and fold.
  logic [BITS-1:0] tile, count, base;  // vectors of the tile; first product, or place, of the fold
  logic [BITS+1:0] cycle;
  logic bank;
  logic head_ready, head_bank, take, free, finished;
  logic [BITS-1:0] head_group, head_tile, head_count;
  logic [1:0] read_bank;
  logic [1:0][BITS-1:0] read_place, read_vector;

  if (MASKED) begin : g_masked
    vector_list #(.COLS(COLS), .SCAN(SCAN), .MAX_VECTORS(MAX_VECTORS), .BITS(BITS)) lists (
        .clk, .rst, .start, .vectors, .tiles, .groups, .scan_group, .scan_tile, .scan_vector, .scan_bits,
        .head_ready, .head_group, .head_tile, .head_count, .head_bank, .take, .free, .finished,
        .read_bank, .read_place, .read_vector
    );
  end else begin : g_dense
    tile_walk #(.BITS(BITS)) all_tiles (
        .clk, .rst, .start, .tiles, .groups, .ready(head_ready), .group(head_group), .tile(head_tile), .take
    );
    assign head_count = vectors;
    assign head_bank = 1'b0;
    assign finished = !head_ready;
    assign read_vector = read_place;
    assign {scan_group, scan_tile, scan_vector} = '0;
    logic unused_mask;
    assign unused_mask = &{1'b0, scan_bits, read_bank, free};
  end

  // Sizes of the fold.
  logic [BITS-1:0] left_over, cols_left;  // rows and columns from here to the end
  logic [ROW_BITS-1:0] rows_at_work, used_rows, used_rows_before;
  logic [BITS+1:0] used_cols, fold_cycles, streamed, rows_wide;
  logic last_fold, fold_ends, begin_tile;
  logic still_draining;  // sums that the fold before has left will be in the way of this one's

  assign left_over = (OUTPUT_STATIONARY ? count : products) - base;
  assign rows_at_work = left_over < BITS'(ROWS) ? left_over[ROW_BITS-1:0] : ROW_BITS'(ROWS);
  assign last_fold = left_over <= BITS'(ROWS);
  assign used_rows = SHRUNK ? rows_at_work : ROW_BITS'(ROWS);
  assign cols_left = items - BITS'(tile * COLS);
  assign used_cols = (BITS + 2)'(SHRUNK && cols_left < BITS'(COLS) ? cols_left : BITS'(COLS));
  assign streamed = (BITS + 2)'(OUTPUT_STATIONARY ? products : count);
  assign rows_wide = (BITS + 2)'(used_rows);
  assign fold_cycles = streamed + used_cols - (BITS + 2)'(2)
      + (OUTPUT_STATIONARY && !SERIAL ? rows_wide : rows_wide << 1);
  assign fold_ends = running && cycle + 1'b1 >= fold_cycles && !still_draining;
  assign begin_tile = busy && head_ready && (!running || (fold_ends && last_fold));
  assign take = begin_tile;
  assign waiting = busy && !running && !finished;

  always_ff @(posedge clk) begin
    if (rst) begin
      running <= 1'b0;
      busy <= 1'b0;
    end else begin
      if (start) busy <= 1'b1;
      else if (done) busy <= 1'b0;
      if (begin_tile) begin
        running <= 1'b1;
        cycle <= '0;
        base <= '0;
        group <= head_group;
        tile <= head_tile;
        count <= head_count;
        bank <= head_bank;
      end else if (fold_ends) begin
        running <= !last_fold;
        cycle <= '0;
        base <= base + BITS'(ROWS);
      end else if (running) cycle <= cycle + 1'b1;
    end
    used_rows_before <= used_rows;
  end

  // What results belong to, a cycle later: the last ones of a fold leave in the first cycle of the next.
  logic [BITS-1:0] tile_before, items_left_before;
  always_ff @(posedge clk) begin
    tile_before <= tile;
    items_left_before <= cols_left;
  end

  logic [ROWS-1:0] row_first;
  logic load, capture, shift, quiet;
  logic [COLS-1:0][SUM-1:0] sums_above, sums_below;
  logic [ROWS-1:0][DATA-1:0] left_given;
  logic [COLS-1:0][DATA-1:0] top_given;

  always_comb begin
    for (int r = 0; r < int'(ROWS); r++) left_given[r] = left_valid[r] ? left_word[r] : '0;
    for (int c = 0; c < int'(COLS); c++) top_given[c] = top_valid[c] ? top_word[c] : '0;
  end

  systolic_array #(
      .ROWS(ROWS), .COLS(COLS), .OUTPUT_STATIONARY(OUTPUT_STATIONARY), .DRAIN_BESIDE(OUTPUT_STATIONARY && !SERIAL),
      .SHRUNK(SHRUNK), .DATA(DATA), .SUM(SUM)
  ) pes (
      .clk, .left(left_given), .first(row_first), .above(top_given), .sums_above, .load, .capture, .shift,
      .used_rows(!OUTPUT_STATIONARY ? used_rows_before : SERIAL ? used_rows : drain_rows), .sums_below
  );

  logic [ROW_BITS-1:0] drain_rows;
  // What runs along the edges, with a bit that says whether it is there: a vector or a product down the rows; a place
  // or a product along the columns; of results whether they are outputs, their place and their vector.
  logic [ROWS-1:0][BITS:0] along_row;
  logic [COLS-1:0][BITS:0] along_col;
  logic [COLS-1:0][2*BITS+1:0] results;
  logic [COLS-1:0][COL_BITS-1:0] result_cols;
  logic [ROWS-1:0][BITS-1:0] kept_vector;

  if (OUTPUT_STATIONARY) begin : g_output_stationary
    // Products run down the rows and along the columns, a cycle later in each.
    logic stream;

    assign stream = running && cycle < (BITS + 2)'(products);
    delay_line #(.LENGTH(ROWS), .WIDTH(BITS + 1)) down_rows (
        .clk, .word({stream, cycle[BITS-1:0]}), .words(along_row)
    );
    delay_line #(.LENGTH(COLS), .WIDTH(BITS + 1)) along_cols (
        .clk, .word({stream, cycle[BITS-1:0]}), .words(along_col)
    );
    // A row's pixel is looked up in the cycle in which it begins, and kept.
    always_ff @(posedge clk) begin
      for (int r = 0; r < int'(ROWS); r++) if (running && cycle == (BITS + 2)'(r)) kept_vector[r] <= read_vector[0];
    end

    always_comb begin
      for (int r = 0; r < int'(ROWS); r++) begin
        left_valid[r] = along_row[r][BITS] && ROW_BITS'(r) < rows_at_work;
        left_vector[r] = cycle == (BITS + 2)'(r) ? read_vector[0] : kept_vector[r];
        left_product[r] = along_row[r][BITS-1:0];
        row_first[r] = along_row[r] == {1'b1, BITS'(0)};
      end
      for (int c = 0; c < int'(COLS); c++) begin
        top_valid[c] = along_col[c][BITS] && BITS'(c) < cols_left;
        top_item[c] = BITS'(tile * COLS) + BITS'(c);
        top_product[c] = along_col[c][BITS-1:0];
      end
    end
    assign load = 1'b0;
    assign sums_above = '0;
    assign sum_asked = '0;
    assign sum_place = '0;

    // Results leave, the last row's first.
    logic drain_on, drain_bank, drain_last_fold, ends_before;
    logic [ROW_BITS-1:0] drain_left, drain_at_work;
    logic [BITS-1:0] drain_base, drain_tile, drain_group, drain_items;
    logic [ROW_BITS-1:0] out_row;
    logic out_any;

    if (SERIAL) begin : g_serial_drain
      assign shift = running && cycle + (BITS + 2)'(used_rows) >= fold_cycles;
      assign drain_left = ROW_BITS'(fold_cycles - cycle);
      assign drain_on = shift;
      assign {drain_bank, drain_base, drain_tile, drain_group, drain_items} = {bank, base, tile, group, cols_left};
      assign drain_at_work = rows_at_work;
      assign drain_rows = used_rows;
      assign capture = 1'b0;
      assign free = fold_ends && last_fold;
      assign quiet = 1'b1;
      assign still_draining = 1'b0;
      assign {ends_before, drain_last_fold} = '0;
      logic unused;
      assign unused = &{1'b0, ends_before, drain_last_fold, used_rows_before};
    end else begin : g_overlapped_drain
      logic next_bank, next_last_fold;
      logic [BITS-1:0] next_base, next_tile, next_group, next_items;
      logic [ROW_BITS-1:0] next_rows, next_at_work;
      // The cycle after a fold copies its sums; then they go down, a row a cycle.
      assign capture = ends_before;
      assign shift = drain_on;
      assign free = drain_on && drain_left == 1 && drain_last_fold;
      assign quiet = !ends_before && !drain_on;
      // Whole folds take as long as they drain; a shrunk one may be shorter than the drain of the one before.
      assign still_draining = SHRUNK && (ends_before ? 32'(next_rows) > 1 : drain_on && 32'(drain_left) > 2);
      always_ff @(posedge clk) begin
        ends_before <= !rst && fold_ends;
        if (fold_ends) begin
          // Kept aside until the copy is made: the next fold has begun by then.
          {next_bank, next_base, next_tile, next_group, next_items} <= {bank, base, tile, group, cols_left};
          {next_rows, next_at_work, next_last_fold} <= {used_rows, rows_at_work, last_fold};
        end
        if (rst) drain_on <= 1'b0;
        else if (ends_before) begin
          drain_on <= 1'b1;
          drain_left <= next_rows;
          {drain_bank, drain_base, drain_tile, drain_group, drain_items} <=
              {next_bank, next_base, next_tile, next_group, next_items};
          {drain_rows, drain_at_work, drain_last_fold} <= {next_rows, next_at_work, next_last_fold};
        end else if (drain_on) begin
          drain_left <= drain_left - 1'b1;
          drain_on   <= drain_left != 1;
        end
      end
      logic unused;
      assign unused = &{1'b0, used_rows_before};
    end

    assign out_row = drain_left - 1'b1;
    assign out_any = drain_on && out_row < drain_at_work;
    assign read_bank = {drain_bank, bank};
    assign read_place = {drain_base + BITS'(out_row), base + cycle[BITS-1:0]};
    assign out_group = drain_group;
    always_comb begin
      for (int c = 0; c < int'(COLS); c++) begin
        out_valid[c] = out_any && BITS'(c) < drain_items;
        out_vector[c] = read_vector[1];
        out_item[c] = BITS'(drain_tile * COLS) + BITS'(c);
      end
    end
    assign out_last = '1;
    assign out_place = '0;
    assign results = '0;
    assign result_cols = '0;
    assign out_word = sums_below;
    logic unused_os;
    assign unused_os = &{1'b0, results, result_cols, sum_word, tile_before, items_left_before, cycle[BITS+1:BITS]};
  end else begin : g_operand_stationary
    logic stream, leaves;
    logic [BITS+1:0] stream_cycle, out_cycle;
    assign stream_cycle = cycle - rows_wide;
    assign out_cycle = cycle - (rows_wide << 1) + 1'b1;
    assign load = running && cycle < rows_wide;
    assign stream = running && !load && stream_cycle < (BITS + 2)'(count);
    assign leaves = running && cycle + 1'b1 >= rows_wide << 1 && out_cycle < (BITS + 2)'(count);

    // Vectors run down the rows; what they ask of psums, and what leaves, runs along the columns.
    logic [2*BITS+1:0] leaving;

    delay_line #(.LENGTH(ROWS), .WIDTH(BITS + 1)) down_rows (
        .clk, .word({stream, read_vector[0]}), .words(along_row)
    );
    delay_line #(.LENGTH(COLS), .WIDTH(BITS + 1)) along_cols (
        .clk, .word({stream, stream_cycle[BITS-1:0]}), .words(along_col)
    );
    delay_line #(.LENGTH(COLS), .WIDTH(2 + 2 * BITS)) out_along_cols (.clk, .word(leaving), .words(results));
    // A shrunk fold ends before its vectors have passed the columns that it does not use; they get nothing of the next one.
    logic [COL_BITS-1:0] leaving_cols;
    if (SHRUNK) begin : g_own_columns
      delay_line #(.LENGTH(COLS), .WIDTH(COL_BITS)) cols_along_cols (.clk, .word(leaving_cols), .words(result_cols));
    end else begin : g_same_columns
      assign result_cols = '1;
      logic unused_cols;
      assign unused_cols = &{1'b0, leaving_cols};
    end
    always_ff @(posedge clk) begin
      leaving_cols <= used_cols[COL_BITS-1:0];
      leaving   <= {leaves && !rst, last_fold, out_cycle[BITS-1:0], read_vector[1]};
      out_group <= group;
    end
    assign read_bank = {bank, bank};
    assign read_place = {out_cycle[BITS-1:0], stream_cycle[BITS-1:0]};
    assign row_first = '0;
    assign kept_vector = '0;

    always_comb begin
      for (int r = 0; r < int'(ROWS); r++) begin
        left_valid[r] = along_row[r][BITS] && ROW_BITS'(r) < rows_at_work;
        left_vector[r] = along_row[r][BITS-1:0];
        left_product[r] = base + BITS'(r);
      end
      for (int c = 0; c < int'(COLS); c++) begin
        top_item[c] = BITS'(tile * COLS) + BITS'(c);
        top_product[c] = base + BITS'(used_rows) - 1'b1 - cycle[BITS-1:0];
        top_valid[c] = load && BITS'(c) < cols_left && rows_wide - cycle <= (BITS + 2)'(rows_at_work);
        sum_asked[c] = along_col[c][BITS] && base != 0 && BITS'(c) < cols_left;
        sum_place[c] = along_col[c][BITS-1:0];
      end
    end
    always_comb for (int c = 0; c < int'(COLS); c++) sums_above[c] = sum_asked[c] ? sum_word[c] : '0;
    always_comb begin
      quiet = 1'b1;
      for (int c = 0; c < int'(COLS); c++) begin
        out_valid[c] = results[c][2*BITS+1] && BITS'(c) < items_left_before && COL_BITS'(c) < result_cols[c];
        out_last[c] = results[c][2*BITS];
        out_place[c] = results[c][2*BITS-1:BITS];
        out_vector[c] = results[c][BITS-1:0];
        out_item[c] = BITS'(tile_before * COLS) + BITS'(c);
        if (results[c][2*BITS+1]) quiet = 1'b0;
      end
    end
    assign out_word = sums_below;
    assign {capture, shift, still_draining} = '0;
    assign free = fold_ends && last_fold;
    assign drain_rows = '0;
    logic unused;
    assign unused = &{1'b0, kept_vector, stream_cycle[BITS+1:BITS], out_cycle[BITS+1:BITS]};
  end

  assign done = busy && !running && finished && quiet && !start;
endmodule
