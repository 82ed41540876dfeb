// One output lane: finds its next kept output while it computes the present one.
//
// The lane's outputs are pixels 0, 1, ... (its own count) of block after block of filters. SCAN mask bits are looked
// at in a cycle, whenever the next output is not known (without MASKED none: every output is kept). `take` begins the next output, `last` ends the present one.
module lane #(
    parameter bit MASKED = 1'b1,
    parameter int unsigned SCAN = 8,
    parameter int unsigned MACS = 1,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [BITS-1:0] pixels,  // of this lane; 0: it has nothing to do
    input logic [BITS-1:0] blocks,  // in which it has a filter

    output logic [BITS-1:0] scan_block,
    output logic [BITS-1:0] scan_pixel,
    input logic [SCAN-1:0] scan_bits,

    output logic unknown,  // whether there is a next output has yet to be found out
    output logic next_valid,
    output logic [BITS-1:0] next_block,

    input logic take,
    input logic work,
    input logic first,
    input logic last,
    output logic busy,
    output logic [BITS-1:0] block,
    output logic [BITS-1:0] pixel,
    input logic [MACS-1:0][DATA-1:0] values,
    input logic [MACS-1:0][DATA-1:0] weights,
    output logic done,
    output logic signed [SUM-1:0] sum
);
  logic [BITS-1:0] next_pixel, offset, left;
  logic scanning, found, look, block_ends;
  logic signed [SUM-1:0] so_far;

  assign left = pixels - scan_pixel;
  assign look = scanning && (!next_valid || take);
  assign unknown = scanning && !next_valid;
  if (MASKED) begin : g_masked
    always_comb begin
      found  = 1'b0;
      offset = BITS'(SCAN - 1);
      for (int s = 0; s < int'(SCAN); s++) begin
        if (scan_bits[s] && BITS'(s) < left && !found) begin
          found  = 1'b1;
          offset = BITS'(s);
        end
      end
    end
  end else begin : g_dense
    assign found  = 1'b1;
    assign offset = '0;
    logic unused;
    assign unused = &{1'b0, scan_bits};
  end
  assign block_ends = left <= offset + 1'b1;

  always_ff @(posedge clk) begin
    if (rst || start) begin
      scanning <= start && !rst && pixels != 0 && blocks != 0;
      {scan_block, scan_pixel} <= '0;
      next_valid <= 1'b0;
      busy <= 1'b0;
    end else begin
      if (take) begin
        {block, pixel} <= {next_block, next_pixel};
        next_valid <= 1'b0;
      end
      if (look) begin
        if (found) begin
          next_valid <= 1'b1;
          {next_block, next_pixel} <= {scan_block, scan_pixel + offset};
        end
        scan_pixel <= block_ends ? '0 : scan_pixel + offset + 1'b1;
        if (block_ends) begin
          scan_block <= scan_block + 1'b1;
          scanning   <= scan_block + 1'b1 != blocks;
        end
      end
      if (take) busy <= 1'b1;
      else if (last) busy <= 1'b0;
    end
  end

  always_comb begin
    sum = first ? '0 : so_far;
    for (int m = 0; m < int'(MACS); m++) sum = sum + SUM'($signed(values[m]) * $signed(weights[m]));
  end
  always_ff @(posedge clk) if (busy && work) so_far <= sum;
  assign done = busy && last;
endmodule
