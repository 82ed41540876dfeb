// What output lanes read and write. For a testbench with the parameters LANES and MACS; it includes layer_memories.svh
// before this, and says where each lane is: `lane_pixel` and `lane_filter`, and in which `lane_cycle` of its output.
logic [LANES-1:0] working, out_valid;
logic [LANES-1:0][BITS-1:0] lane_pixel, lane_filter, lane_cycle;
logic [LANES-1:0][MACS-1:0][7:0] values, weights;
logic [LANES-1:0][23:0] out_sum;

always_comb begin
  for (int l = 0; l < int'(LANES); l++) begin
    for (int m = 0; m < int'(MACS); m++) begin
      logic [BITS-1:0] product, of_group;
      product = BITS'(lane_cycle[l] * MACS) + BITS'(m);
      of_group = BITS'(17'(lane_filter[l]) / (all_filters / 17'(groups)));
      values[l][m] = '0;
      weights[l][m] = '0;
      if (working[l] && product < products) begin
        values[l][m] = ifmap_word(of_group, lane_pixel[l], product);
        weights[l][m] = filter_word(lane_filter[l], product);
      end
    end
  end
end

always_ff @(posedge clk) begin
  for (int l = 0; l < int'(LANES); l++) begin
    if (out_valid[l]) begin
      ofmap[output_place(lane_pixel[l], lane_filter[l])] <= out_sum[l];
      computed[output_place(lane_pixel[l], lane_filter[l])] <= 1'b1;
    end
  end
  if (load) for (int i = 0; i < int'(MOST); i++) computed[i] <= 1'b0;
end
