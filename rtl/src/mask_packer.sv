// Packs mask bits into words, first bit lowest; `flush` sends a last, partial word with zeros above.
module mask_packer #(
    parameter int unsigned BITS = 1,  // at a time
    parameter int unsigned WORD = 16  // a multiple of BITS
) (
    input  logic            clk,
    input  logic            start,
    input  logic            valid,
    input  logic [BITS-1:0] bits,
    input  logic            flush,
    output logic            empty,
    output logic            word_valid,
    input  logic            word_ready,
    output logic [WORD-1:0] word
);
  localparam int unsigned PARTS = WORD / BITS;
  localparam int unsigned COUNT_BITS = PARTS > 1 ? $clog2(PARTS) : 1;

  if (WORD % BITS != 0) begin : g_word
    $fatal(1, "mask_packer: WORD = %0d must be a multiple of BITS = %0d bits that come together", WORD, BITS);
  end

  logic [PARTS-1:0][BITS-1:0] filling, filled;
  logic [COUNT_BITS-1:0] count;
  logic last;

  assign last  = count == COUNT_BITS'(PARTS - 1);
  assign empty = count == 0 && !word_valid;

  always_comb begin
    filled = filling;
    if (valid) filled[count] = bits;
  end

  // Whoever gives bits waits while a word is not taken.
  always_ff @(posedge clk) begin
    if (start) begin
      filling <= '0;
      count <= '0;
      word_valid <= 1'b0;
    end else if (!word_valid || word_ready) begin
      word_valid <= 1'b0;
      if (valid ? last || flush : flush && count != 0) begin
        word <= filled;
        word_valid <= 1'b1;
        filling <= '0;
        count <= '0;
      end else if (valid) begin
        filling <= filled;
        count   <= count + 1'b1;
      end
    end
  end
endmodule
