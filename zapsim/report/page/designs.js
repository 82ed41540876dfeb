// Designs of an exploration: filters, a plot of two figures, and one design that is open, with its command line.

function exploreDesigns(data) {
  const find = (selector) => document.querySelector(selector);
  const columns = data.columns, rows = data.rows, front = new Set(data.front);
  const numeric = columns.filter((column) => column.kind !== "choice");
  const chosen = columns.filter((column) => column.kind === "choice" && column.differs);
  const place = new Map(columns.map((column, index) => [column.key, index]));
  const raw = (row, column) => rows[row][place.get(column.key)];
  const value = (row, column) => (column.values && raw(row, column) !== null ? column.values[raw(row, column)] : raw(row, column));
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
  const text = (row, column) => {
    const cell = value(row, column);
    if (cell === null) return "–";
    return (typeof cell === "number" ? digits.format(cell) : cell) + (column.unit ? " " + column.unit : "");
  };
  const title = (column) => column.label + (column.unit ? ", " + column.unit : "");
  const goalTitle = (column) => title(column) + (column.kind === "goal" ? (column.maximise ? " (more is better)" : " (less is better)") : "");
  // What plotly would take for a tag stays text.
  const plain = (word) => word.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  let open = null, shown = [];

  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  // --- filters

  const tests = []; // functions from the index of a row to whether it passes

  function addChoiceFilter(column) {
    const boxes = column.values.map((option, index) => element("input", { type: "checkbox", defaultChecked: true, value: String(index) }));
    const labels = boxes.map((box, index) => element("label", {}, box, String(column.values[index])));
    find(".choices").append(element("fieldset", {}, element("legend", { textContent: column.label }), ...labels));
    tests.push((row) => raw(row, column) === null || boxes[raw(row, column)].checked);
  }

  function addRangeFilter(column, key) {
    const values = rows.map((_, row) => value(row, column)).filter((one) => typeof one === "number");
    const [least, most] = [Math.min(...values), Math.max(...values)];
    if (!(least < most)) return;
    const [from, to] = [least, most].map((bound, index) => element("input", {
      type: "number", step: "any", placeholder: digits.format(bound), name: key + (index ? "-most" : "-least"),
      ariaLabel: (index ? "largest " : "smallest ") + title(column),
    }));
    find(".choices").append(element("fieldset", {}, element("legend", { textContent: title(column) }), from, " to ", to));
    tests.push((row) => {
      const one = value(row, column);
      if (from.value === "" && to.value === "") return true;
      return one !== null && (from.value === "" || one >= Number(from.value)) && (to.value === "" || one <= Number(to.value));
    });
  }

  chosen.forEach((column) => (column.values.length <= 16 ? addChoiceFilter(column) : addRangeFilter(column, column.key)));
  columns.filter((column) => column.kind === "goal").forEach((column) => addRangeFilter(column, column.key));

  // --- plot

  const axes = ["#axis-x", "#axis-y"].map(find);
  axes.forEach((menu, index) => {
    numeric.forEach((column) => menu.append(element("option", { value: column.key, textContent: title(column) })));
    menu.selectedIndex = Math.min(index, numeric.length - 1);
    menu.options[menu.selectedIndex].defaultSelected = true;
  });

  const symbols = ["circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down"];
  const colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#A39A00", "#000000"];
  const byKey = (key) => columns.find((column) => column.key === key);
  const [arch, policy] = [byKey("arch"), byKey("policy")];

  function groups(members) {
    const found = new Map();
    for (const row of members) {
      const key = raw(row, arch) + " " + raw(row, policy);
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(row);
    }
    return Array.from(found.values()).sort((a, b) => raw(a[0], arch) - raw(b[0], arch) || raw(a[0], policy) - raw(b[0], policy));
  }

  function hover(row, x, y) {
    const lines = ["<b>" + plain(data.ids[row]) + "</b>", ...[x, y].map((column) => plain(column.label) + ": " + plain(text(row, column)))];
    return lines.concat(chosen.filter((column) => raw(row, column) !== null).map((column) => plain(column.label) + ": " + plain(text(row, column)))).join("<br>");
  }

  function points(members, x, y, isFront, withLegend) {
    const first = members[0];
    const name = [arch, policy].map((column) => plain(String(value(first, column)))).join(", ");
    const colour = colours[raw(first, arch) % colours.length], symbol = symbols[raw(first, policy) % symbols.length];
    return {
      type: "scatter", mode: "markers", name, legendgroup: name, showlegend: withLegend,
      x: members.map((row) => value(row, x)), y: members.map((row) => value(row, y)), customdata: members,
      text: members.map((row) => hover(row, x, y)), hovertemplate: "%{text}<extra></extra>",
      marker: isFront
        ? { color: colour, symbol, size: 10, line: { width: 1, color: "#1b2733" } }
        : { color: colour, symbol, size: 6, opacity: 0.3 },
    };
  }

  // The designs that none beats in both axes, joined by steps; only of axes that say which way is better.
  function bestLine(x, y) {
    if (x.kind !== "goal" || y.kind !== "goal" || x === y) return [];
    const cost = (row, column) => (column.maximise ? -1 : 1) * value(row, column);
    const sorted = shown.slice().sort((a, b) => cost(a, x) - cost(b, x) || cost(a, y) - cost(b, y));
    let least = Infinity;
    const best = sorted.filter((row) => cost(row, y) < least && ((least = cost(row, y)), true));
    return [{
      type: "scatter", mode: "lines", name: "best for these axes", hoverinfo: "skip", line: { shape: "hv", color: "#1b2733", width: 1.3, dash: "dot" },
      x: best.map((row) => value(row, x)), y: best.map((row) => value(row, y)),
    }];
  }

  function isWide(column) {
    const values = shown.map((row) => value(row, column)).filter((one) => one !== null);
    return values.length > 1 && Math.min(...values) > 0 && Math.max(...values) > 20 * Math.min(...values);
  }

  function draw() {
    const canvas = find("#plot-designs");
    const [x, y] = axes.map((menu) => byKey(menu.value));
    const known = shown.filter((row) => value(row, x) !== null && value(row, y) !== null);
    const others = groups(known.filter((row) => !front.has(row))), best = groups(known.filter((row) => front.has(row)));
    const named = new Set(best.map((members) => raw(members[0], arch) + " " + raw(members[0], policy)));
    const layout = structuredClone(data.layout);
    [[layout.xaxis, x], [layout.yaxis, y]].forEach(([axis, column]) => {
      axis.title.text = plain(goalTitle(column));
      axis.type = isWide(column) ? "log" : "linear";
      if (axis.type === "log") axis.dtick = "D2";
    });
    const marked = open !== null && known.includes(open)
      ? [{ type: "scatter", mode: "markers", x: [value(open, x)], y: [value(open, y)], showlegend: false, hoverinfo: "skip",
           marker: { symbol: "circle-open", size: 20, color: "#1b2733", line: { width: 2.5 } } }]
      : [];
    const traces = [
      ...others.map((members) => points(members, x, y, false, !named.has(raw(members[0], arch) + " " + raw(members[0], policy)))),
      ...bestLine(x, y), ...best.map((members) => points(members, x, y, true, true)), ...marked,
    ];
    Plotly.react(canvas, traces, fitted(layout, canvas), plotOptions);
  }

  // --- one design

  function command(row) {
    const parts = columns.filter((column) => column.arguments && raw(row, column) !== null).map((column) => column.arguments[raw(row, column)]);
    return [data.command, ...parts.filter((part) => part)].join(" ");
  }

  function show(row, focus) {
    open = row;
    find("#title-design").textContent = "Design " + data.ids[row];
    find("#design .hint").hidden = true;
    find("#design .opened").hidden = false;
    find("#design .place").textContent = front.has(row) ? "On the front: no design beats it in one goal without losing in another." : "Not on the front.";
    find("#command").value = command(row);
    find("#copied").textContent = "";
    const order = ["goal", "choice", "metric"].flatMap((kind) => columns.filter((column) => column.kind === kind));
    const entries = order.filter((column) => raw(row, column) !== null).map((column) =>
      element("div", {}, element("dt", { textContent: column.label }), element("dd", { textContent: text(row, column) })));
    find("#design dl").replaceChildren(...entries);
    document.querySelectorAll("tr.is-open").forEach((line) => line.classList.remove("is-open"));
    const line = find('tr[data-design="' + row + '"]');
    if (line) line.classList.add("is-open");
    draw();
    if (focus) find("#design").focus();
  }

  async function copyCommand() {
    const field = find("#command");
    field.select();
    let copied = false;
    try {
      await navigator.clipboard.writeText(field.value);
      copied = true;
    } catch {
      copied = document.execCommand("copy"); // pages from files may have no clipboard
    }
    find("#copied").textContent = copied ? "copied" : "press Ctrl+C";
  }

  function update() {
    const frontOnly = find("#front-only").checked;
    shown = rows.map((_, row) => row).filter((row) => (!frontOnly || front.has(row)) && tests.every((test) => test(row)));
    const visible = new Set(shown), onFront = shown.filter((row) => front.has(row)).length;
    const count = new Intl.NumberFormat("en");
    find("#shown").textContent = count.format(shown.length) + " of " + count.format(rows.length) + " designs shown, " + count.format(onFront) + " of them on the front.";
    document.querySelectorAll("tr[data-design]").forEach((line) => (line.hidden = !visible.has(Number(line.dataset.design))));
    draw();
  }

  find("#filters").addEventListener("input", update);
  find("#filters").addEventListener("submit", (event) => event.preventDefault());
  find("#filters").addEventListener("reset", () => setTimeout(update));
  find("#copy").addEventListener("click", copyCommand);
  document.querySelectorAll("tr[data-design] button.open").forEach((button) =>
    button.addEventListener("click", () => show(Number(button.closest("tr").dataset.design), true)));
  if (window.matchMedia("(max-width: 60rem)").matches) find("#filter-list").open = false;
  update();
  find("#plot-designs").on("plotly_click", (event) => {
    const row = event.points[0].customdata;
    if (typeof row === "number") show(row, false);
  });
}

if (pageData.designs.rows) exploreDesigns(pageData.designs);
