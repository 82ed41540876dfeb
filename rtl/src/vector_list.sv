// The vectors that a tile of columns needs, found ahead of the array: those with at least one mask bit set.
//
// Tile after tile, group after group, a window of SCAN vectors is looked at in each cycle; its first needed vector
// goes on the list, and the window moves behind it (or, if it has none, on by SCAN). Two lists: one is read while
// the other fills. Tiles that need nothing leave no list.
module vector_list #(
    parameter int unsigned COLS = 8,
    parameter int unsigned SCAN = 4,
    parameter int unsigned MAX_VECTORS = 1024,  // a power of two
    parameter int unsigned BITS = 12            // of numbers of vectors, tiles and groups
) (
    input logic clk,
    input logic rst,

    input logic start,
    input logic [BITS-1:0] vectors,  // of a group
    input logic [BITS-1:0] tiles,    // of a group
    input logic [BITS-1:0] groups,

    // The mask: bits of SCAN vectors from `scan_vector` on, for the columns of a tile; same cycle.
    output logic [BITS-1:0] scan_group,
    output logic [BITS-1:0] scan_tile,
    output logic [BITS-1:0] scan_vector,
    input logic [SCAN-1:0][COLS-1:0] scan_bits,

    // The list that is next.
    output logic head_ready,
    output logic [BITS-1:0] head_group,
    output logic [BITS-1:0] head_tile,
    output logic [BITS-1:0] head_count,
    output logic head_bank,
    input logic take,  // reading it begins
    input logic free,  // the oldest list that was taken is not needed any more
    output logic finished,  // there is no list left to take

    // Two places to read.
    input logic [1:0] read_bank,
    input logic [1:0][BITS-1:0] read_place,
    output logic [1:0][BITS-1:0] read_vector
);
  localparam int unsigned PLACE_BITS = $clog2(MAX_VECTORS);

  logic [1:0] full, taken;
  logic [1:0][BITS-1:0] group_of, tile_of, count_of;
  logic fill_bank, take_bank, free_bank, scanning;
  logic [BITS-1:0] count;

  logic [SCAN-1:0] needed;
  logic any;
  logic [BITS-1:0] offset, next_vector, next_count;

  if (MAX_VECTORS != 1 << PLACE_BITS || MAX_VECTORS < 2) begin : g_max_vectors
    $fatal(1, "vector_list: MAX_VECTORS = %0d: expected a power of two, at least 2", MAX_VECTORS);
  end
  if (BITS < PLACE_BITS + 1) begin : g_bits
    $fatal(1, "vector_list: BITS = %0d do not hold MAX_VECTORS = %0d", BITS, MAX_VECTORS);
  end
  if (SCAN < 1) begin : g_scan
    $fatal(1, "vector_list: SCAN = %0d: expected at least 1", SCAN);
  end

  always_comb begin
    any = 1'b0;
    offset = BITS'(SCAN - 1);
    for (int s = 0; s < int'(SCAN); s++) begin
      needed[s] = |scan_bits[s] && BITS'(s) < vectors - scan_vector;
      if (needed[s] && !any) begin
        any = 1'b1;
        offset = BITS'(s);
      end
    end
    next_count = count + BITS'(any);
    // Never beyond the end, which BITS might not hold.
    next_vector = vectors - scan_vector <= offset + 1'b1 ? vectors : scan_vector + offset + 1'b1;
  end

  logic tile_ends, last_tile, last_group;
  assign tile_ends = scanning && !full[fill_bank] && next_vector == vectors;
  assign last_tile = scan_tile + 1'b1 == tiles;
  assign last_group = scan_group + 1'b1 == groups;

  assign head_ready = full[take_bank] && !taken[take_bank];
  assign head_group = group_of[take_bank];
  assign head_tile = tile_of[take_bank];
  assign head_count = count_of[take_bank];
  assign head_bank = take_bank;
  assign finished = !scanning && !head_ready;

  buffer_memory #(.WIDTH(BITS), .DEPTH(2 * MAX_VECTORS), .READS(2)) entries (
      .clk, .write(scanning && !full[fill_bank] && any), .write_place({fill_bank, count[PLACE_BITS-1:0]}),
      .write_word(scan_vector + offset),
      .read_place({read_bank[1], read_place[1][PLACE_BITS-1:0], read_bank[0], read_place[0][PLACE_BITS-1:0]}),
      .read_word(read_vector)
  );

  always_ff @(posedge clk) begin
    if (rst || start) begin
      scanning <= start && !rst;
      {scan_group, scan_tile, scan_vector, count} <= '0;
      {fill_bank, take_bank, free_bank} <= '0;
      full <= '0;
      taken <= '0;
    end else begin
      if (scanning && !full[fill_bank]) begin
        count <= next_count;
        scan_vector <= next_vector;
        if (tile_ends) begin
          count <= '0;
          scan_vector <= '0;
          scan_tile <= last_tile ? '0 : scan_tile + 1'b1;
          if (last_tile) scan_group <= scan_group + 1'b1;
          scanning <= !(last_tile && last_group);
          if (next_count != 0) begin
            full[fill_bank] <= 1'b1;
            group_of[fill_bank] <= scan_group;
            tile_of[fill_bank] <= scan_tile;
            count_of[fill_bank] <= next_count;
            fill_bank <= !fill_bank;
          end
        end
      end
      if (take) begin
        taken[take_bank] <= 1'b1;
        take_bank <= !take_bank;
      end
      if (free) begin
        full[free_bank]  <= 1'b0;
        taken[free_bank] <= 1'b0;
        free_bank <= !free_bank;
      end
    end
  end
endmodule
