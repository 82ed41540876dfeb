// A small FIFO; the oldest word shows at once.
module word_fifo #(
    parameter int unsigned WIDTH = 24,
    parameter int unsigned DEPTH = 8  // a power of two
) (
    input  logic             clk,
    input  logic             clear,
    input  logic             push,
    input  logic [WIDTH-1:0] in_word,
    output logic             room,
    input  logic             pop,
    output logic             some,
    output logic [WIDTH-1:0] out_word
);
  localparam int unsigned PLACE_BITS = $clog2(DEPTH);
  if (DEPTH != 1 << PLACE_BITS || DEPTH < 2) begin : g_depth
    $fatal(1, "word_fifo: DEPTH = %0d: expected a power of two, at least 2", DEPTH);
  end

  logic [WIDTH-1:0] words[DEPTH];
  logic [PLACE_BITS:0] written, taken;

  assign some = written != taken;
  assign room = written - taken != (PLACE_BITS + 1)'(DEPTH);
  assign out_word = words[taken[PLACE_BITS-1:0]];

  always_ff @(posedge clk) begin
    if (push) words[written[PLACE_BITS-1:0]] <= in_word;
    if (clear) {written, taken} <= '0;
    else begin
      written <= written + (PLACE_BITS + 1)'(push);
      taken   <= taken + (PLACE_BITS + 1)'(pop);
    end
  end
endmodule
