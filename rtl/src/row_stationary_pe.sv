// One PE of a row-stationary array: a row of some filters for some channels, on one ofmap row, one MAC a cycle.
//
// Windows come from a list, each with its place in the row and the filters wanted there; a window is worked off one
// ifmap value after the other, each for all its filters, so that its sums are finished one a cycle at the end. A
// finished sum is added to the one that comes from the PE below and goes to the PE above. The ifmap buffer takes
// words AHEAD columns beyond the window. Without MASKED, every place of a row has its window, and `window_filters` are
// the first ones, always the same.
module row_stationary_pe #(
    parameter bit MASKED = 1'b1,
    parameter int unsigned FILTERS = 8,        // at most, of a window
    parameter int unsigned IFMAP_WORDS = 64,   // a power of two
    parameter int unsigned FILTER_WORDS = 128,
    parameter int unsigned FILTER_BUS = 4,
    parameter int unsigned AHEAD = 8,
    parameter int unsigned FIFO = 8,
    parameter int unsigned DATA = 8,
    parameter int unsigned SUM = 24,
    parameter int unsigned BITS = 12,
    parameter int unsigned ADDRESS_BITS = $clog2(FILTER_WORDS)
) (
    input logic clk,
    input logic start,  // of a pass
    input logic run,    // MACs may be done

    input logic [BITS-1:0] channels,  // of the PE's set
    input logic [BITS-1:0] taps,      // of a filter row
    input logic [BITS-1:0] stride,

    input logic [FILTER_BUS-1:0] load,
    input logic [FILTER_BUS-1:0][ADDRESS_BITS-1:0] load_address,  // (filter * channels + channel) * taps + tap
    input logic [FILTER_BUS-1:0][DATA-1:0] load_word,

    input logic ifmap_valid,  // a word for this PE, if it is taken
    input logic [DATA-1:0] ifmap_word,
    output logic ifmap_room,

    input logic [BITS-1:0] windows,  // how many the list has
    output logic [BITS-1:0] window,
    input logic [BITS-1:0] window_place,
    input logic [FILTERS-1:0] window_filters,

    input logic below_push,
    input logic [SUM-1:0] below_word,
    output logic below_room,
    output logic above_push,
    output logic [SUM-1:0] above_word,
    input logic above_room,
    output logic working
);
  localparam int unsigned F_BITS = FILTERS > 1 ? $clog2(FILTERS) : 1;
  localparam int unsigned I_BITS = $clog2(IFMAP_WORDS);

  if (IFMAP_WORDS != 1 << I_BITS) begin : g_ifmap_words
    $fatal(1, "row_stationary_pe: IFMAP_WORDS = %0d: expected a power of two", IFMAP_WORDS);
  end

  logic [DATA-1:0] ifmap[IFMAP_WORDS];
  logic [DATA-1:0] filter[FILTER_WORDS];
  logic [SUM-1:0] sums[FILTERS];
  logic [2*BITS-1:0] taken, wanted, limit;  // words of the ifmap row, counted from its first column
  logic [BITS-1:0] tap, channel;
  logic [F_BITS-1:0] at, first_filter, next_filter;
  logic going_on, more, last_channel, last_tap, last, fresh, present;
  logic [ADDRESS_BITS-1:0] address;
  logic signed [SUM-1:0] sum;
  logic begun;  // `at` holds a filter of the window; before, its first one is meant

  // Filters of the window: the first, and the one after the present.
  logic [F_BITS-1:0] filter_now;
  assign filter_now = begun ? at : first_filter;
  logic [BITS-1:0] place;
  if (MASKED) begin : g_masked
    assign place = window_place;
    always_comb begin
      first_filter = '0;
      next_filter = '0;
      more = 1'b0;
      for (int f = int'(FILTERS) - 1; f >= 0; f--) if (window_filters[f]) first_filter = F_BITS'(f);
      for (int f = int'(FILTERS) - 1; f >= 0; f--) begin
        if (window_filters[f] && F_BITS'(f) > filter_now) begin
          next_filter = F_BITS'(f);
          more = 1'b1;
        end
      end
    end
  end else begin : g_dense
    assign place = window;
    assign first_filter = '0;
    assign next_filter = filter_now + 1'b1;
    assign more = filter_now != F_BITS'(FILTERS - 1) && window_filters[next_filter];
    logic unused;
    assign unused = &{1'b0, window_place};
  end

  assign going_on = window < windows;
  assign wanted = ((2 * BITS)'(place) * (2 * BITS)'(stride) + (2 * BITS)'(tap)) * (2 * BITS)'(channels)
      + (2 * BITS)'(channel);
  assign limit = ((2 * BITS)'(place) * (2 * BITS)'(stride) + (2 * BITS)'(taps) + (2 * BITS)'(AHEAD))
      * (2 * BITS)'(channels);
  assign present = wanted < taken;
  assign ifmap_room = !going_on || taken < limit;
  assign last_channel = channel + 1'b1 == channels;
  assign last_tap = tap + 1'b1 == taps;
  assign last = last_channel && last_tap;
  assign fresh = tap == 0 && channel == 0;
  assign working = run && going_on && present && (!last || finished_room);
  assign address = ADDRESS_BITS'((filter_now * channels + channel) * taps + tap);
  assign sum = (fresh ? '0 : $signed(sums[filter_now]))
      + SUM'($signed(ifmap[wanted[I_BITS-1:0]]) * $signed(filter[address]));

  logic finished_room, finished_some, below_some, hand_up;
  logic [SUM-1:0] finished_word, from_below;

  word_fifo #(.WIDTH(SUM), .DEPTH(FIFO)) finished (
      .clk, .clear(start), .push(working && last), .in_word(sum), .room(finished_room), .pop(hand_up),
      .some(finished_some), .out_word(finished_word)
  );
  word_fifo #(.WIDTH(SUM), .DEPTH(FIFO)) below (
      .clk, .clear(start), .push(below_push), .in_word(below_word), .room(below_room), .pop(hand_up),
      .some(below_some), .out_word(from_below)
  );
  assign hand_up = finished_some && below_some && above_room;
  assign above_push = hand_up;
  assign above_word = finished_word + from_below;

  always_ff @(posedge clk) begin
    for (int w = 0; w < int'(FILTER_BUS); w++) if (load[w]) filter[load_address[w]] <= load_word[w];
    if (ifmap_valid) ifmap[taken[I_BITS-1:0]] <= ifmap_word;
    if (working && !last) sums[filter_now] <= sum;
    if (start) begin
      {taken, window, tap, channel, at} <= '0;
      begun <= 1'b0;
    end else begin
      if (ifmap_valid) taken <= taken + 1'b1;
      if (working) begin
        begun <= more;
        at <= next_filter;
        if (!more) begin
          channel <= last_channel ? '0 : channel + 1'b1;
          if (last_channel) begin
            tap <= last_tap ? '0 : tap + 1'b1;
            if (last_tap) window <= window + 1'b1;
          end
        end
      end
    end
  end
endmodule
