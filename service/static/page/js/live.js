// Latency as it is now: GET /latency every few seconds, not while nobody looks.

import { stageBar } from "./answers.js";
import { Problem, get } from "./api.js";
import { axis, colour, themedChart, tooltip, washed } from "./charts.js";
import { byId, fillSelect } from "./dom.js";
import { milliseconds, plural } from "./format.js";
import { clearProblem, showProblem } from "./problem.js";

const EVERY_MS = 5000;
const SHOWN_S = 300;
const AT_FIRST_S = 60;

const samples = []; // {at: ms since the page was opened, models: as /latency says}
const own = []; // {at, model, total}: this page's own requests
let windowSeconds = SHOWN_S;
let paused = false;
let timer = null;
let plot = null;
let onSample = () => {};

/** Begin, once; `listener` is called with the models of every sample. */
export function startLive(listener) {
  if (plot) return;
  onSample = listener;
  plot = themedChart(byId("latency-chart"), configure, draw);
  byId("watched").addEventListener("change", show);
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    byId("pause").textContent = paused ? "Go on" : "Pause";
    schedule(0);
  });
  document.addEventListener("visibilitychange", () => schedule(0));
  schedule(0);
}

export function watch(models, fallback) {
  fillSelect(byId("watched"), models.map(({ name }) => [name, name]), fallback);
}

/** Take in an answer that this page got, and look at once what it changed. */
export function noteOwn({ model, timings_ms: timings }) {
  own.push({ at: performance.now(), model, total: timings.total });
  schedule(0);
}

function schedule(delay) {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(poll, delay);
}

async function poll() {
  let next = EVERY_MS;
  try {
    const latency = await get("latency", { quiet: true });
    samples.push({ at: performance.now(), models: latency.models });
    windowSeconds = latency.window_seconds;
    forgetOld();
    clearProblem(byId("latency-problem"));
    show();
    onSample(latency.models);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(byId("latency-problem"), error);
    next = Math.max(3 * EVERY_MS, (error.retryAfter ?? 0) * 1000);
  }
  schedule(next);
}

function forgetOld() {
  const oldest = performance.now() - SHOWN_S * 1000;
  for (const list of [samples, own]) {
    while (list.length && list[0].at < oldest) list.shift();
  }
}

function show() {
  plot.redraw();
  const now = samples.at(-1)?.models[byId("watched").value];
  const place = byId("stages-now");
  byId("latency-about").textContent = `From the last byte of a request to its answer, over the last ${plural(windowSeconds, "second")}. Asked for every ${EVERY_MS / 1000} seconds while you look.`;
  if (!now?.total) {
    place.replaceChildren();
    byId("latency-chart").setAttribute("aria-label", "No requests in the window.");
    return;
  }
  const median = (stage) => now[stage]?.p50;
  const timings = Object.fromEntries(["queue", "decode", "preprocess", "inference", "postprocess", "total"].map((s) => [s, median(s)]));
  const sum = Object.values(timings).reduce((a, b) => a + (b ?? 0), 0) - timings.total;
  place.replaceChildren(stageBar(`Median of ${plural(now.count, "image")}`, timings, Math.max(sum, timings.total)));
  const said = ["p50", "p90", "p99"].map((p) => `${p} ${milliseconds(now.total[p])}`).join(", ");
  byId("latency-chart").setAttribute("aria-label", `Total latency of ${byId("watched").value}: ${said}, ${plural(now.count, "image")}.`);
}

function configure() {
  return {
    type: "line",
    data: { datasets: [] },
    options: {
      animation: false, maintainAspectRatio: false, clip: 6, interaction: { mode: "nearest", intersect: false },
      scales: {
        x: axis("", { type: "linear", min: -SHOWN_S, max: 0, grid: { display: false }, ticks: { stepSize: 30, maxTicksLimit: 6, callback: ago } }),
        y: axis("total, ms", { beginAtZero: true, suggestedMax: 5 }),
      },
      plugins: {
        legend: { align: "end", labels: { usePointStyle: true, boxHeight: 7, boxWidth: 20 } },
        datalabels: { display: false },
        tooltip: tooltip({ title: () => "", label: ({ dataset, parsed }) => `${dataset.label}: ${milliseconds(parsed.y)}` }),
      },
    },
  };
}

const ago = (seconds) => (seconds === 0 ? "now" : seconds % 60 ? `${-seconds} s` : `${-seconds / 60} min`);

function draw(chart) {
  const model = byId("watched").value;
  const now = performance.now();
  const x = (at) => (at - now) / 1000;
  const line = (p) => samples.flatMap(({ at, models }) => (models[model]?.total ? [{ x: x(at), y: models[model].total[p] }] : []));
  const mine = colour("first");
  const percentile = (p, more) => ({
    label: p, data: line(p), borderColor: mine, backgroundColor: washed(mine, 0.14), borderWidth: 2,
    pointStyle: "line", pointRadius: line(p).length < 2 ? 3 : 0, tension: 0, ...more,
  });
  const oldest = Math.min(samples[0]?.at ?? now, own[0]?.at ?? now);
  // whole minutes, so that the axis does not slide
  chart.options.scales.x.min = -Math.min(SHOWN_S, Math.max(1, Math.ceil((now - oldest) / 60_000)) * AT_FIRST_S);
  chart.data.datasets = [
    percentile("p50", { borderWidth: 2.5 }),
    percentile("p90", { borderColor: washed(mine, 0.6), borderDash: [6, 3] }),
    percentile("p99", { borderColor: washed(mine, 0.45), borderDash: [2, 3] }),
    {
      label: "yours", type: "scatter", pointRadius: 4.5, pointStyle: "circle", borderColor: colour("surface"),
      backgroundColor: colour("second"), data: own.filter((o) => o.model === model).map((o) => ({ x: x(o.at), y: o.total })),
    },
  ];
  chart.update();
}
