// A word now, a cycle later, two cycles later, and so on.
module delay_line #(
    parameter int unsigned LENGTH = 4,
    parameter int unsigned WIDTH  = 1
) (
    input  logic                         clk,
    input  logic [WIDTH-1:0]             word,
    output logic [LENGTH-1:0][WIDTH-1:0] words
);
  for (genvar i = 0; i < int'(LENGTH); i++) begin : g_delay
    if (i == 0) begin : g_now
      assign words[0] = word;
      // A line of one word holds nothing.
      logic unused;
      assign unused = &{1'b0, clk};
    end else begin : g_later
      logic [WIDTH-1:0] held;
      always_ff @(posedge clk) held <= words[i-1];
      assign words[i] = held;
    end
  end
endmodule
