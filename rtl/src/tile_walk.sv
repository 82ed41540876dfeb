// The tiles of a layer of which every output is computed, in order: what stands in for lists of vectors without masks.
module tile_walk #(
    parameter int unsigned BITS = 12
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [BITS-1:0] tiles,  // of a group
    input logic [BITS-1:0] groups,
    output logic ready,
    output logic [BITS-1:0] group,
    output logic [BITS-1:0] tile,
    input logic take
);
  logic last_tile;
  assign last_tile = tile + 1'b1 == tiles;

  always_ff @(posedge clk) begin
    if (rst || start) begin
      ready <= start && !rst;
      {group, tile} <= '0;
    end else if (take) begin
      tile <= last_tile ? '0 : tile + 1'b1;
      if (last_tile) begin
        group <= group + 1'b1;
        ready <= group + 1'b1 != groups;
      end
    end
  end
endmodule
