// The page is whole without any of this. What cannot be set up is left as it is.

const source = document.getElementById("runs");
if (source) {
  const state = new State(JSON.parse(source.textContent));
  for (const section of document.querySelectorAll("#curves, #layers")) {
    const figures = [...section.querySelectorAll("figure.chart")].filter((figure) => figure.querySelector("script"));
    const charts = figures.map((figure) => new Chart(figure, state));
    charts.forEach((chart) => new Pointer(chart));
    if (charts.length > 0) controls(section, state, charts);
  }
}
copies();
