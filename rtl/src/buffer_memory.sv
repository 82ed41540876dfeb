// A memory with one place to write and some to read in the same cycle; synthesis counts its bits apart from logic.
module buffer_memory #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned DEPTH = 64,
    parameter int unsigned READS = 1,
    parameter int unsigned PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic                             clk,
    input  logic                             write,
    input  logic [PLACE_BITS-1:0]            write_place,
    input  logic [     WIDTH-1:0]            write_word,
    input  logic [READS-1:0][PLACE_BITS-1:0] read_place,
    output logic [READS-1:0][     WIDTH-1:0] read_word
);
  logic [WIDTH-1:0] words[DEPTH];

  always_ff @(posedge clk) if (write) words[write_place] <= write_word;
  for (genvar port = 0; port < int'(READS); port++) begin : g_read
    assign read_word[port] = words[read_place[port]];
  end
endmodule
