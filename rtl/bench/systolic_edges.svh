// What a systolic array asks for at its edges, and where its sums go. For a testbench with the parameters ROWS, COLS, DATAFLOW and
// SCAN and a layer whose filters are numbered within their groups; it includes layer_memories.svh before this.
logic [23:0] psum[MOST];  // (place, column)

logic busy;
logic [BITS-1:0] scan_group, scan_tile, scan_vector;
logic [SCAN-1:0][COLS-1:0] scan_bits;
logic [ROWS-1:0] left_valid;
logic [ROWS-1:0][BITS-1:0] left_group, left_vector, left_product;
logic [ROWS-1:0][7:0] left_word;
logic [COLS-1:0] top_valid, sum_asked, out_valid, out_last;
logic [COLS-1:0][BITS-1:0] top_group, top_item, top_product, sum_place, out_group, out_place, out_vector, out_item;
logic [COLS-1:0][7:0] top_word;
logic [COLS-1:0][23:0] sum_word, out_word;

// Of a group's output in a column: vectors are pixels, and items filters; input-stationary the other way round.
function automatic logic [16:0] place_of(input logic [BITS-1:0] of_group, input logic [BITS-1:0] vector,
                                         input logic [BITS-1:0] item);
  return DATAFLOW == 2 ? output_place(item, of_group * filters + vector) : output_place(vector, of_group * filters + item);
endfunction

always_comb begin
  for (int s = 0; s < int'(SCAN); s++) begin
    for (int c = 0; c < int'(COLS); c++) begin
      logic [BITS-1:0] item;
      item = BITS'(scan_tile * COLS) + BITS'(c);
      scan_bits[s][c] = item < (DATAFLOW == 2 ? pixels : filters) &&
          mask[place_of(scan_group, scan_vector + BITS'(s), item)];
    end
  end
  for (int r = 0; r < int'(ROWS); r++) begin
    if (!left_valid[r]) left_word[r] = 8'hxx;
    else if (DATAFLOW == 2) left_word[r] = filter_word(left_group[r] * filters + left_vector[r], left_product[r]);
    else left_word[r] = ifmap_word(left_group[r], left_vector[r], left_product[r]);
  end
  for (int c = 0; c < int'(COLS); c++) begin
    if (!top_valid[c]) top_word[c] = 8'hxx;
    else if (DATAFLOW == 2) top_word[c] = ifmap_word(top_group[c], top_item[c], top_product[c]);
    else top_word[c] = filter_word(top_group[c] * filters + top_item[c], top_product[c]);
    sum_word[c] = sum_asked[c] ? psum[17'(sum_place[c])*17'(COLS)+17'(c)] : 24'hxxxxxx;
  end
end

always_ff @(posedge clk) begin
  for (int c = 0; c < int'(COLS); c++) begin
    if (out_valid[c] && out_last[c]) begin
      ofmap[place_of(out_group[c], out_vector[c], out_item[c])] <= out_word[c];
      computed[place_of(out_group[c], out_vector[c], out_item[c])] <= 1'b1;
    end else if (out_valid[c]) psum[17'(out_place[c])*17'(COLS)+17'(c)] <= out_word[c];
  end
  if (load) for (int i = 0; i < int'(MOST); i++) computed[i] <= 1'b0;
end
