// Accuracy against latency, size as area, the Pareto front marked.

import { axis, colour, themedChart, tooltip, washed } from "./charts.js";
import { byId, fillSelect } from "./dom.js";
import { bytes, milliseconds, percent } from "./format.js";
import { MEASURES, paretoFront, pointsOf, staircase } from "./pareto.js";

const LARGEST_RADIUS = 30; // px
const SMALLEST_RADIUS = 5;

let models = [];
let plot = null;

/** Draw the models that were just read from the server. */
export function showTradeoff(listed) {
  models = listed;
  const found = Object.keys(MEASURES).filter((key) => pointsOf(models, key).length > 0);
  // the measure that most models have; they are in order of preference
  const most = found.toSorted((a, b) => pointsOf(models, b).length - pointsOf(models, a).length)[0];
  fillSelect(byId("measure"), found.map((key) => [key, MEASURES[key].title]), most);
  plot ??= themedChart(byId("tradeoff-chart"), configure, draw);
  plot.redraw();
}

byId("measure").addEventListener("change", () => plot.redraw());

function configure() {
  return {
    type: "bubble",
    plugins: [window.ChartDataLabels],
    data: { datasets: [] },
    options: {
      animation: false, maintainAspectRatio: false, clip: false,
      layout: { padding: { top: 24, right: 34, left: 6 } },
      scales: {
        x: axis("inference alone, ms", { grace: "18%", beginAtZero: true }),
        y: axis("accuracy, %", { ticks: { maxTicksLimit: 7 } }),
      },
      plugins: {
        legend: { display: false },
        datalabels: {
          anchor: "center", align: "top", clamp: true, offset: ({ dataset, dataIndex }) => dataset.data[dataIndex].r + 2,
          backgroundColor: washed(colour("surface"), 0.85), borderRadius: 3, padding: { top: 1, bottom: 1, left: 4, right: 4 }, color: colour("ink"),
          font: { weight: 550 }, display: ({ dataset }) => (dataset.named ? "auto" : false),
          formatter: ({ point }) => point.name,
        },
        tooltip: tooltip({ title: ([item]) => item.raw.point?.name ?? "", label: ({ raw }) => describe(raw.point) }),
      },
    },
  };
}

const describe = (p) => [`${percent(p.accuracy)}`, milliseconds(p.latency), bytes(p.size)];

function draw(chart) {
  const measure = byId("measure").value;
  const points = measure ? pointsOf(models, measure) : [];
  const front = new Set(paretoFront(points));
  const largest = Math.max(...points.map(({ size }) => size));
  const radius = ({ size }) => Math.max(SMALLEST_RADIUS, LARGEST_RADIUS * Math.sqrt(size / largest));
  const bubble = (point) => ({ x: point.latency, y: point.accuracy * 100, r: radius(point), point });
  const mine = colour("first");
  chart.data.datasets = [
    {
      type: "line", data: steps(points), borderColor: mine, borderWidth: 1.5, borderDash: [5, 5],
      pointRadius: 0, pointHitRadius: 0, stepped: "before", order: 2,
    },
    {
      named: true, data: points.map(bubble), order: 1, borderWidth: 2, borderColor: points.map((p) => (front.has(p) ? mine : colour("edge-strong"))),
      backgroundColor: points.map((p) => (front.has(p) ? washed(mine, 0.3) : "transparent")),
    },
  ];
  Object.assign(chart.options.scales.y, range(points));
  chart.options.scales.y.title.text = `${MEASURES[measure]?.title ?? "accuracy"}, %`;
  chart.update();
  explain(points, front, measure);
}

/** Return limits of the accuracy axis, %, with room for the circles and never above 100 by much. */
function range(points) {
  const values = points.map(({ accuracy }) => accuracy * 100);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(3, (high - low) * 0.45);
  return { min: Math.max(0, Math.floor(low - room)), max: Math.min(104, Math.ceil(high + room)) };
}

const steps = (points) => staircase(points).map((p) => ({ x: p.latency, y: p.accuracy * 100 }));

function explain(points, front, measure) {
  const names = points.filter((p) => front.has(p)).map(({ name }) => name);
  const left = models.map(({ name }) => name).filter((name) => !points.some((p) => p.name === name));
  const fewest = Math.min(...points.map(({ images }) => images ?? Infinity));
  const sentences = [
    points.length ? "Filled: on the Pareto front, so no other model is as accurate, as fast and as small. Dashed: the best accuracy within a latency." : "No model has both an accuracy and a latency yet.",
    fewest < 1000 ? `Measured on ${fewest} photos: uncertain by up to ${Math.round(98 / Math.sqrt(fewest))} points.` : "",
    left.length && points.length ? `Without this figure: ${left.join(", ")}.` : "",
  ];
  byId("tradeoff-note").textContent = sentences.filter(Boolean).join(" ");
  const listed = points.map((p) => `${p.name}: ${describe(p).join(", ")}`).join("; ");
  byId("tradeoff-chart").setAttribute("aria-label", `${points.length} models. ${listed}. On the Pareto front: ${names.join(", ") || "none"}.`);
}
