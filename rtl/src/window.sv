// The 3x3 neighbourhood of a stream in raster order: two line buffers and nine registers.
//
// After a push, tap (0, 0) to (2, 2) hold the words that came 2*cols + 2 pushes ago to just now. What lies outside
// the map is for the reader to leave out: the stream goes on from map to map, so that no cycle is lost between
// channels.
module window #(
    parameter int unsigned WIDTH     = 8,
    parameter int unsigned MAX_COLS  = 64,
    parameter int unsigned SIZE_BITS = 10
) (
    input  logic                            clk,
    input  logic                            start,
    input  logic                            push,
    input  logic [SIZE_BITS-1:0]            cols,
    input  logic [    WIDTH-1:0]            word,
    output logic [          2:0][2:0][WIDTH-1:0] taps  // [row][column]
);
  localparam int unsigned PLACE_BITS = MAX_COLS > 1 ? $clog2(MAX_COLS) : 1;

  logic [PLACE_BITS-1:0] place;
  logic [WIDTH-1:0] upper, lower;

  buffer_memory #(.WIDTH(WIDTH), .DEPTH(MAX_COLS)) upper_line (
      .clk, .write(push), .write_place(place), .write_word(lower), .read_place(place), .read_word(upper)
  );
  buffer_memory #(.WIDTH(WIDTH), .DEPTH(MAX_COLS)) lower_line (
      .clk, .write(push), .write_place(place), .write_word(word), .read_place(place), .read_word(lower)
  );

  always_ff @(posedge clk) begin
    if (push) begin
      for (int r = 0; r < 3; r++) begin
        taps[r][0] <= taps[r][1];
        taps[r][1] <= taps[r][2];
      end
      taps[0][2] <= upper;
      taps[1][2] <= lower;
      taps[2][2] <= word;
    end
    if (start) place <= '0;
    else if (push) place <= SIZE_BITS'(place) + 1'b1 == cols ? '0 : place + 1'b1;
  end
endmodule
