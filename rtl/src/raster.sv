// Walks over the outputs of a layer in raster order, group of channels after group, and says which belong to the
// pattern.
//
// `step` moves to the next output. All outputs describe the present one. `done` is set when the last one has been
// left.
module raster #(
    parameter int unsigned SIZE_BITS  = 10,
    parameter int unsigned GROUP_BITS = 10
) (
    input  logic                  clk,
    input  logic                  start,   // to the first output of the layer
    input  logic                  step,
    input  logic [ SIZE_BITS-1:0] rows,    // of the ofmap, at least 1
    input  logic [ SIZE_BITS-1:0] cols,
    input  logic [GROUP_BITS-1:0] groups,  // groups of channels, at least 1
    input  logic [      4:0][4:0] tile,    // the pattern: bit [row][column] set = computed first
    input  logic [           2:0] side,    // of the tile, 1 to 5
    output logic                  top,
    output logic                  bottom,
    output logic                  left,
    output logic                  right,
    output logic                  in_pattern,
    output logic [GROUP_BITS-1:0] group,
    output logic                  done
);
  logic [SIZE_BITS-1:0] row, col;
  logic [2:0] tile_row, tile_col;

  function automatic logic [2:0] next_in_tile(input logic [2:0] at, input logic [2:0] length);
    next_in_tile = at + 3'd1 == length ? 3'd0 : at + 3'd1;
  endfunction

  assign top        = row == 0;
  assign bottom     = row + 1'b1 == rows;
  assign left       = col == 0;
  assign right      = col + 1'b1 == cols;
  assign in_pattern = tile[tile_row][tile_col];

  always_ff @(posedge clk) begin
    if (start) begin
      row <= '0;
      col <= '0;
      group <= '0;
      tile_row <= '0;
      tile_col <= '0;
      done <= 1'b0;
    end else if (step && !done) begin
      col <= right ? '0 : col + 1'b1;
      tile_col <= right ? '0 : next_in_tile(tile_col, side);
      if (right) begin
        row <= bottom ? '0 : row + 1'b1;
        tile_row <= bottom ? '0 : next_in_tile(tile_row, side);
        if (bottom) begin
          done  <= group + 1'b1 == groups;
          group <= group + 1'b1;
        end
      end
    end
  end
endmodule
