// Walks over those outputs of a layer that a tile of bits marks, in raster order, group of channels after group.
//
// All outputs describe the present one, if `valid`. `step` moves to the next one at once, over whatever lies between, at
// most one row on; while a row has no (further) marked output, `skip` moves on by a row. `line` counts rows from the start of the layer,
// whatever group they are in, modulo 16; all rows before it have been left.
module pattern_walk #(
    parameter int unsigned SIZE_BITS  = 10,
    parameter int unsigned GROUP_BITS = 10
) (
    input  logic                  clk,
    input  logic                  start,   // to the first output of the layer
    input  logic                  step,
    input  logic                  skip,
    input  logic [ SIZE_BITS-1:0] rows,    // of the ofmap, at least 1
    input  logic [ SIZE_BITS-1:0] cols,
    input  logic [GROUP_BITS-1:0] groups,  // groups of channels, at least 1
    input  logic [      4:0][4:0] tile,    // bit [row][column]: go there
    input  logic [           2:0] side,    // of the tile, 1 to 5
    output logic                  valid,
    output logic                  top,
    output logic                  bottom,
    output logic                  left,
    output logic                  right,
    output logic [ SIZE_BITS-1:0] third,   // column / 3
    output logic [           1:0] phase,   // column % 3
    output logic [           3:0] line,
    output logic [GROUP_BITS-1:0] group,
    output logic                  done
);
  logic [SIZE_BITS-1:0] row, col;
  logic [2:0] tile_row, tile_col;

  // The next marked column of the row, and the first one of the next row, each as a distance and a place in the tile.
  logic [2:0] ahead, first, next_tile_row, next_tile_col;
  logic first_marked;
  logic [SIZE_BITS:0] next_col;
  logic [3:0] thirds;

  function automatic logic [2:0] next_in_tile(input logic [2:0] at, input logic [2:0] length);
    next_in_tile = at + 3'd1 == length ? 3'd0 : at + 3'd1;
  endfunction

  always_comb begin
    next_tile_row = bottom ? '0 : next_in_tile(tile_row, side);
    first = '0;
    first_marked = 1'b0;
    for (int place = 4; place >= 0; place--) begin
      if (tile_start_row[place] && 3'(place) < side) begin
        first = 3'(place);
        first_marked = 1'b1;
      end
    end
  end

  logic [4:0] tile_start_row;
  assign tile_start_row = tile[start ? 3'd0 : next_tile_row];

  logic [2:0] candidate;
  logic found;
  always_comb begin
    ahead = side;
    next_tile_col = tile_col;
    candidate = tile_col;
    found = 1'b0;
    for (int distance = 1; distance <= 5; distance++) begin
      candidate = next_in_tile(candidate, side);
      if (!found && tile[tile_row][candidate]) begin
        ahead = 3'(distance);
        next_tile_col = candidate;
        found = 1'b1;
      end
    end
  end

  logic row_ends;
  assign next_col = {1'b0, col} + (SIZE_BITS + 1)'(ahead);
  assign row_ends = !valid || next_col >= {1'b0, cols};
  assign thirds   = {2'd0, phase} + {1'd0, ahead};

  assign top    = row == 0;
  assign bottom = row + 1'b1 == rows;
  assign left   = col == 0;
  assign right  = col + 1'b1 == cols;

  always_ff @(posedge clk) begin
    if (start || ((step || skip) && !done && row_ends)) begin
      col <= SIZE_BITS'(first);
      tile_col <= first;
      third <= first >= 3'd3 ? SIZE_BITS'(1) : '0;
      phase <= first >= 3'd3 ? 2'(first - 3'd3) : first[1:0];
      valid <= first_marked && SIZE_BITS'(first) < cols;
      if (start) begin
        row <= '0;
        tile_row <= '0;
        line <= '0;
        group <= '0;
        done <= 1'b0;
      end else begin
        row <= bottom ? '0 : row + 1'b1;
        tile_row <= next_tile_row;
        line <= line + 1'b1;
        if (bottom) begin
          group <= group + 1'b1;
          done  <= group + 1'b1 == groups;
          if (group + 1'b1 == groups) valid <= 1'b0;
        end
      end
    end else if (step && !done) begin
      col <= next_col[SIZE_BITS-1:0];
      tile_col <= next_tile_col;
      third <= third + (thirds >= 4'd6 ? SIZE_BITS'(2) : thirds >= 4'd3 ? SIZE_BITS'(1) : '0);
      phase <= thirds >= 4'd6 ? 2'(thirds - 4'd6) : thirds >= 4'd3 ? 2'(thirds - 4'd3) : thirds[1:0];
    end
  end
endmodule
