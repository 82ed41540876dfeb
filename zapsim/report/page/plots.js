// Plots: drawn from the data of the page; a menu shows one of several views.

const pageData = JSON.parse(document.getElementById("page-data").textContent);
const plotOptions = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

function isNarrow(element) {
  return element.clientWidth < 560;
}

// On a narrow screen labels stand upright, so that no plot is wider than the page.
function fitted(layout, element) {
  const copy = structuredClone(layout);
  copy.modebar = { orientation: "v", bgcolor: "rgba(255,255,255,0.7)", color: "#55626f", activecolor: "#005a8e" };
  if (isNarrow(element)) {
    copy.margin = Object.assign({}, copy.margin, { l: 44, r: 6 });
    copy.font = Object.assign({}, copy.font, { size: 11 });
  }
  return copy;
}

function drawPlot(name, plot) {
  const element = document.getElementById("plot-" + name);
  const traces = plot.traces.map((trace) => Object.assign({}, trace, plot.views.length ? { visible: trace.view === 0 } : {}));
  const views = plot.traces.map((trace) => trace.view);
  traces.forEach((trace) => delete trace.view);
  Plotly.newPlot(element, traces, fitted(plot.layout, element), plotOptions);
  const menu = document.querySelector('select[data-plot="' + name + '"]');
  if (menu) {
    menu.addEventListener("change", () => {
      Plotly.restyle(element, { visible: views.map((view) => view === Number(menu.value)) });
      Plotly.relayout(element, { "xaxis.autorange": true });
    });
  }
}

for (const [name, plot] of Object.entries(pageData.plots)) drawPlot(name, plot);
