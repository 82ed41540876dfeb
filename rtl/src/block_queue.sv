// The kept outputs of a block of filters, in batches: a queue that all lanes take from together.
//
// Block after block, the mask bits of a pixel are looked at in each cycle, pixel after pixel. Kept outputs go into the
// batch in the order of their filters. A batch is closed when it is full, when the block is over, or at an output whose
// pixel lies `window` or more behind the batch's first (the windows between them would not fit the ifmap buffers).
module block_queue #(
    parameter int unsigned LANES = 16,
    parameter int unsigned FILTERS = 4,  // of a block
    parameter int unsigned BITS = 12
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [BITS-1:0] pixels,
    input logic [BITS-1:0] filters,  // of all blocks
    input logic [BITS-1:0] window,   // 0: no limit

    output logic [BITS-1:0] scan_pixel,
    output logic [BITS-1:0] scan_block,  // its first filter
    input logic [FILTERS-1:0] scan_bits,

    output logic closed,
    output logic empty,    // closed and without outputs: whoever takes it begins nothing
    output logic finished, // all blocks are over
    input logic take,
    output logic [LANES-1:0] valid,
    output logic [BITS-1:0] block,
    output logic [LANES-1:0][BITS-1:0] pixel,
    output logic [LANES-1:0][BITS-1:0] filter  // within the block
);
  localparam int unsigned COUNT_BITS = $clog2(LANES + 1);

  if (LANES < 1 || FILTERS < 1) begin : g_size
    $fatal(1, "block_queue: LANES = %0d, FILTERS = %0d: expected at least 1 of each", LANES, FILTERS);
  end

  logic [COUNT_BITS-1:0] count, next_count;
  logic [BITS-1:0] from, next_from, first_pixel;  // filters of the pixel before `from` have been taken
  logic [LANES-1:0][BITS-1:0] next_pixel, next_filter;
  logic scanning, block_over, left_over, fits, last_pixel, last_block;

  assign last_pixel = scan_pixel + 1'b1 == pixels;
  assign last_block = filters - scan_block <= BITS'(FILTERS);
  always_comb begin
    next_count = count;
    next_pixel = pixel;
    next_filter = filter;
    next_from = '0;
    left_over = 1'b0;
    fits = count == 0 || window == 0 || scan_pixel - first_pixel < window;
    for (int f = 0; f < int'(FILTERS); f++) begin
      if (scan_bits[f] && BITS'(f) >= from && BITS'(f) < filters - scan_block && !left_over) begin
        if (fits && next_count != COUNT_BITS'(LANES)) begin
          for (int l = 0; l < int'(LANES); l++) begin
            if (next_count == COUNT_BITS'(l)) begin
              next_pixel[l]  = scan_pixel;
              next_filter[l] = BITS'(f);
            end
          end
          next_count = next_count + 1'b1;
        end else begin
          left_over = 1'b1;
          next_from = BITS'(f);
        end
      end
    end
  end

  assign empty = closed && count == 0;
  assign finished = !scanning && !closed;
  assign block = scan_block;
  always_comb for (int l = 0; l < int'(LANES); l++) valid[l] = count > COUNT_BITS'(l);

  always_ff @(posedge clk) begin
    if (rst || start) begin
      scanning <= start && !rst && pixels != 0 && filters != 0;
      {scan_pixel, scan_block, from, count} <= '0;
      {closed, block_over} <= '0;
    end else if (take) begin
      closed <= 1'b0;
      count <= '0;
      block_over <= 1'b0;
      if (block_over) begin
        scan_block <= scan_block + BITS'(FILTERS);
        scanning <= !last_block;
      end
    end else if (scanning && !closed) begin
      if (count == 0) first_pixel <= scan_pixel;
      count <= next_count;
      pixel <= next_pixel;
      filter <= next_filter;
      from <= next_from;
      closed <= left_over || last_pixel || next_count == COUNT_BITS'(LANES);
      if (!left_over) begin
        scan_pixel <= last_pixel ? '0 : scan_pixel + 1'b1;
        block_over <= last_pixel;
      end
    end
  end
endmodule
