// One PE of an array with overlapped fills: the next stationary word waits in a second register, through which those
// of the PEs below have passed; the first vector of a fold (`change_left`) brings it to work.
module overlapped_pe #(
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM  = 24
) (
    input  logic                   clk,
    input  logic signed [DATA-1:0] left,
    output logic signed [DATA-1:0] right,
    input  logic                   change_left,
    output logic                   change_right,
    input  logic                   load,
    input  logic signed [DATA-1:0] above,
    output logic signed [DATA-1:0] below,
    input  logic signed [ SUM-1:0] sum_above,
    output logic signed [ SUM-1:0] sum_below
);
  logic signed [  DATA-1:0] working, word;
  logic signed [2*DATA-1:0] product;

  assign word = change_left ? below : working;
  assign product = left * word;
  always_ff @(posedge clk) begin
    right <= left;
    change_right <= change_left;
    if (load) below <= above;
    working <= word;
    sum_below <= sum_above + SUM'(product);
  end
endmodule
