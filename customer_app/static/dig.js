/* Charts to dig in: zoom by dragging, all three share their time. The numbers stand in the table below. */
(() => {
  "use strict";
  const box = document.getElementById("plot");
  if (!box || !globalThis.Plotly) return;
  const given = JSON.parse(document.getElementById("plot-numbers").textContent);
  const charts = given.charts.filter((chart) => chart.values.some((one) => one !== null));
  if (!given.at.length || !charts.length) return;
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("i");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const draw = () => {
    const lines = [colour("--teal"), colour("--indigo"), colour("--amber-fill")];
    const share = 1 / charts.length;
    const layout = {
      height: 230 * charts.length,
      margin: { l: 64, r: 14, t: 20, b: 40 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: style.getPropertyValue("--font"), color: colour("--ink"), size: 13 },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line") },
      dragmode: "zoom",
      xaxis: { anchor: `y${charts.length > 1 ? charts.length : ""}`, gridcolor: colour("--line"), type: "date", tickformat: "%m-%d %H:%M" },
      shapes: [],
    };
    const traces = charts.map((chart, index) => {
      const axis = index ? `y${index + 1}` : "y";
      layout[`yaxis${index ? index + 1 : ""}`] = {
        domain: [1 - (index + 1) * share + 0.03, 1 - index * share - 0.03],
        title: { text: `${chart.name} (${chart.unit})` },
        gridcolor: colour("--line"),
        zeroline: false,
      };
      if (chart.band) {
        for (const limit of chart.band) {
          const known = chart.values.filter((one) => one !== null);
          if (limit < Math.min(...known) * 0.8 || limit > Math.max(...known) * 1.25) continue;
          layout.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, yref: axis, y0: limit, y1: limit, line: { color: colour("--red"), width: 1, dash: "dash" } });
        }
      }
      return {
        type: "scatter", mode: "lines", name: chart.name, x: given.at, y: chart.values, xaxis: "x", yaxis: axis,
        line: { color: lines[index % 3], width: 2, shape: chart.shape }, connectgaps: false,
        hovertemplate: `%{y} ${chart.unit}<extra>${chart.name}</extra>`,
      };
    });
    const config = {
      showSendToCloud: false, plotlyServerURL: "", displaylogo: false, responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    };
    return Plotly.react(box, traces, layout, config);
  };
  draw().then(() => {
    document.getElementById("plot-svg").hidden = true;
    box.hidden = false;
    Plotly.Plots.resize(box);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
