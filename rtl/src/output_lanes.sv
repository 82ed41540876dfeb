// Output lanes with static dispatch: FILTERS x PIXELS lanes, each computes whole outputs, MACS products a cycle.
//
// Filter k goes to filter lane k mod FILTERS in block k div FILTERS, pixel i to pixel lane i mod PIXELS. Outputs
// that the mask does not keep take no time. The lanes of a domain (DOMAIN_FILTERS x DOMAIN_PIXELS) start their
// outputs together; domains do not wait for one another. Lane (f, j) is number f * PIXELS + j.
module output_lanes #(
    parameter int unsigned FILTERS = 4,
    parameter int unsigned PIXELS = 4,
    parameter int unsigned DOMAIN_FILTERS = 1,
    parameter int unsigned DOMAIN_PIXELS = 1,
    parameter int unsigned MACS = 1,
    parameter int unsigned SCAN = 8,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12,
    parameter int unsigned LANES = FILTERS * PIXELS,
    parameter int unsigned DOMAINS = LANES / (DOMAIN_FILTERS * DOMAIN_PIXELS)
) (
    input logic clk,
    input logic rst,
    input logic start,
    input logic [PIXELS-1:0][BITS-1:0] lane_pixels,   // pixels of each pixel lane
    input logic [FILTERS-1:0][BITS-1:0] lane_blocks,  // filters of each filter lane
    input logic [BITS-1:0] output_cycles,             // ceil(products / MACS)
    output logic busy,
    output logic done,
    output logic [DOMAINS-1:0] running,
    output logic [DOMAINS-1:0] waiting,

    output logic [LANES-1:0][BITS-1:0] scan_block,
    output logic [LANES-1:0][BITS-1:0] scan_pixel,
    input logic [LANES-1:0][SCAN-1:0] scan_bits,

    // Operands of the products from `cycle` * MACS on, of each lane's output; same cycle.
    output logic [LANES-1:0] working,
    output logic [LANES-1:0][BITS-1:0] block,
    output logic [LANES-1:0][BITS-1:0] pixel,
    output logic [LANES-1:0][BITS-1:0] cycle,
    input logic [LANES-1:0][MACS-1:0][DATA-1:0] values,
    input logic [LANES-1:0][MACS-1:0][DATA-1:0] weights,

    output logic [LANES-1:0] out_valid,
    output logic [LANES-1:0][SUM-1:0] out_sum
);
  localparam int unsigned INSIDE = DOMAIN_FILTERS * DOMAIN_PIXELS;
  localparam int unsigned ALONG = PIXELS / DOMAIN_PIXELS;

  if (DOMAIN_FILTERS < 1 || DOMAIN_PIXELS < 1 || FILTERS % DOMAIN_FILTERS != 0 ||
      PIXELS % DOMAIN_PIXELS != 0) begin : g_size
    $fatal(1, "output_lanes: domains of %0d x %0d lanes do not divide %0d x %0d",
           DOMAIN_FILTERS, DOMAIN_PIXELS, FILTERS, PIXELS);
  end
  if (MACS < 1 || SCAN < 1) begin : g_macs
    $fatal(1, "output_lanes: MACS = %0d, SCAN = %0d: expected at least 1 of each", MACS, SCAN);
  end

  logic [DOMAINS-1:0] open;

  for (genvar d = 0; d < int'(DOMAINS); d++) begin : g_domain
    logic [INSIDE-1:0] unknown, next_valid, take;
    logic [INSIDE-1:0][BITS-1:0] next_block;
    logic first, last;
    logic [BITS-1:0] at;

    lane_domain #(.LANES(INSIDE), .BITS(BITS)) steps (
        .clk, .rst, .start, .output_cycles, .unknown, .next_valid, .next_block, .take,
        .running(running[d]), .waiting(waiting[d]), .first, .last, .cycle(at)
    );
    assign open[d] = running[d] || unknown != 0 || next_valid != 0;

    for (genvar i = 0; i < int'(INSIDE); i++) begin : g_lane
      localparam int unsigned F = (d / ALONG) * DOMAIN_FILTERS + i / DOMAIN_PIXELS;
      localparam int unsigned J = (d % ALONG) * DOMAIN_PIXELS + i % DOMAIN_PIXELS;
      localparam int unsigned L = F * PIXELS + J;
      lane #(.SCAN(SCAN), .MACS(MACS), .DATA(DATA), .SUM(SUM), .BITS(BITS)) one (
          .clk, .rst, .start, .pixels(lane_pixels[J]), .blocks(lane_blocks[F]),
          .scan_block(scan_block[L]), .scan_pixel(scan_pixel[L]), .scan_bits(scan_bits[L]),
          .unknown(unknown[i]), .next_valid(next_valid[i]), .next_block(next_block[i]),
          .take(take[i]), .work(running[d]), .first, .last, .busy(working[L]), .block(block[L]), .pixel(pixel[L]),
          .values(values[L]), .weights(weights[L]), .done(out_valid[L]), .sum(out_sum[L])
      );
      assign cycle[L] = at;
    end
  end

  always_ff @(posedge clk) begin
    if (rst) busy <= 1'b0;
    else if (start) busy <= 1'b1;
    else if (done) busy <= 1'b0;
  end
  assign done = busy && open == 0;
endmodule
