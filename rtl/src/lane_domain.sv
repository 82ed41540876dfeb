// Lanes that start their outputs together; each step lasts as long as an output, and stays within a block of filters.
module lane_domain #(
    parameter int unsigned LANES = 4,
    parameter int unsigned BITS  = 12
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [BITS-1:0] output_cycles,
    input logic [LANES-1:0] unknown,
    input logic [LANES-1:0] next_valid,
    input logic [LANES-1:0][BITS-1:0] next_block,
    output logic [LANES-1:0] take,
    output logic running,
    output logic waiting,  // for a search of the mask, and to begin after it
    output logic first,
    output logic last,
    output logic [BITS-1:0] cycle
);
  logic [BITS-1:0] block;
  logic begins, armed;

  // The earliest block in which any lane has an output; blocks without any take no time.
  always_comb begin
    block = '1;
    for (int l = 0; l < int'(LANES); l++) if (next_valid[l] && next_block[l] < block) block = next_block[l];
  end
  assign begins = (!running || last) && next_valid != 0 && unknown == 0;
  assign first = running && cycle == 0;
  assign last = running && cycle + 1'b1 == output_cycles;
  assign waiting = armed && !running && (unknown != 0 || next_valid != 0);
  always_comb for (int l = 0; l < int'(LANES); l++) take[l] = begins && next_valid[l] && next_block[l] == block;

  always_ff @(posedge clk) begin
    if (rst) armed <= 1'b0;
    else if (start) armed <= 1'b1;
    if (rst || start) running <= 1'b0;
    else if (begins) running <= 1'b1;
    else if (last) running <= 1'b0;
    cycle <= begins || !running ? '0 : cycle + 1'b1;
  end
endmodule
