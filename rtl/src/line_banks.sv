// Four lines of a map in three banks each: column x lies in bank x % 3, at x / 3.
//
// Near, the three rows and columns around an output are read and written at once: row q of three is in line (line + q - 1) % 4.
// Far, another line is read and written, three columns at once; while it is written it is none of the near ones, so that each
// bank has one place to read and to write.
module line_banks #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned DEPTH = 22,
    parameter int unsigned PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic                      clk,
    input  logic [1:0]                near_line,
    input  logic [2:0][PLACE_BITS-1:0] near_place,  // of each bank
    output logic [2:0][2:0][WIDTH-1:0] near_words,  // [row][bank]
    input  logic [2:0][2:0]           near_write,
    input  logic [2:0][2:0][WIDTH-1:0] near_new,
    input  logic [1:0]                far_line,
    input  logic [PLACE_BITS-1:0]     far_place,
    output logic [2:0][WIDTH-1:0]     far_words,
    input  logic [2:0]                far_write,
    input  logic [2:0][WIDTH-1:0]     far_new,
    input  logic                      clear         // writes far_new at far_place of all lines
);
  logic [3:0][2:0][WIDTH-1:0] words;

  for (genvar l = 0; l < 4; l++) begin : g_line
    logic far;
    logic [1:0] row;  // of the near ones; 3: none
    assign far = clear || (far_write != '0 && far_line == 2'(l));
    assign row = 2'(l) - near_line + 2'd1;
    for (genvar b = 0; b < 3; b++) begin : g_bank
      logic near_here;
      logic [WIDTH-1:0] near_word;
      logic [PLACE_BITS-1:0] place;
      always_comb begin
        near_here = 1'b0;
        near_word = near_new[2][b];
        for (int q = 0; q < 3; q++) begin
          if (row == 2'(q)) begin
            near_here = near_write[q][b];
            near_word = near_new[q][b];
          end
        end
      end
      assign place = far ? far_place : near_place[b];
      buffer_memory #(.WIDTH(WIDTH), .DEPTH(DEPTH)) bank (
          .clk, .write(far ? clear || far_write[b] : near_here), .write_place(place),
          .write_word(far ? far_new[b] : near_word), .read_place(place), .read_word(words[l][b])
      );
    end
  end

  for (genvar q = 0; q < 3; q++) begin : g_row
    assign near_words[q] = words[2'(near_line+2'(q)-2'd1)];
  end
  assign far_words = words[far_line];
endmodule
