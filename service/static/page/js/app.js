// The page: reads the models, classifies what it is given, keeps its parts up to date.

import { answerCard, spoken, verdict } from "./answers.js";
import { Problem, classify, get } from "./api.js";
import { byId, fillSelect } from "./dom.js";
import { plural } from "./format.js";
import { noteOwn, startLive, watch } from "./live.js";
import { listenForPictures, showPicture } from "./picture.js";
import { clearProblem, showProblem } from "./problem.js";
import { modelsTable } from "./table.js";
import { showTradeoff } from "./tradeoff.js";

const WHILE_LOADING_MS = 1500;

let listed = null; // as GET /models says
let picture = null; // {blob, name}
let running = null; // AbortController of the classification under way

async function readModels() {
  try {
    listed = await get("models");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    setStatus("failed", "No answer from the server");
    showProblem(byId("models-problem"), error, readModels);
    return;
  }
  clearProblem(byId("models-problem"));
  offerModels();
  showModels();
  startLive(onLatency);
  if (listed.models.some(({ state }) => state === "loading")) setTimeout(readModels, WHILE_LOADING_MS);
}

function offerModels() {
  const ready = listed.models.filter(({ state }) => state === "ready");
  const options = ready.map(({ name }) => [name, name]);
  const auto = listed.auto && ready.length > 1 ? [["auto", "auto: the server chooses"]] : [];
  fillSelect(byId("model"), [...auto, ...options], listed.default);
  fillSelect(byId("other"), options.length ? [["", "no other"], ...options] : [], "");
  partModels();
  watch(ready, listed.default);
  const loading = listed.models.filter(({ state }) => state === "loading").length;
  const all = plural(listed.models.length, "model");
  if (loading) setStatus("loading", `Loading ${loading} of ${all}`);
  else if (ready.length === listed.models.length) setStatus("ready", `${all} ready`);
  else setStatus(ready.length ? "loading" : "failed", `${ready.length} of ${all} ready`);
}

function setStatus(state, text) {
  document.querySelector("#status .dot").dataset.state = state;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
}

function showModels() {
  const { host } = listed;
  byId("host").textContent = `On this box: ${host.cpu}, ${plural(host.cpus, "CPU")}, ONNX Runtime ${host.onnxruntime}.`;
  byId("models-table").replaceChildren(modelsTable(listed));
  showTradeoff(listed.models);
}

/** Bring the served latencies of the table up to date with what /latency said. */
function onLatency(models) {
  if (!listed) return;
  for (const model of listed.models) {
    const now = models[model.name];
    if (now) model.latency_ms = { count: now.count, inference: now.inference, total: now.total };
  }
  byId("models-table").replaceChildren(modelsTable(listed));
}

/** Keep a model from being compared with itself. */
function partModels() {
  const chosen = byId("model").value;
  for (const option of byId("other").options) option.disabled = option.value === chosen;
  if (byId("other").value === chosen) byId("other").value = "";
}

async function run() {
  if (!picture || !listed) return;
  running?.abort();
  const mine = (running = new AbortController());
  byId("answers").setAttribute("aria-busy", "true");
  try {
    const answers = [];
    // one after the other: side by side they would slow each other down
    for (const model of [byId("model").value, byId("other").value].filter(Boolean)) {
      answers.push(await classify(picture.blob, { model, topK: topKFor(model), signal: mine.signal }));
    }
    clearProblem(byId("problem"));
    showAnswers(answers);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    showAnswers([]);
    showProblem(byId("problem"), error, run);
  } finally {
    if (running === mine) byId("answers").setAttribute("aria-busy", "false");
  }
}

/** Return how many labels to ask of a model: what was chosen, or all that it has. */
function topKFor(model) {
  const able = listed.models.filter(({ name, classes }) => classes && (name === model || model === "auto"));
  return Math.min(Number(byId("top-k").value), ...able.map(({ classes }) => classes));
}

function showAnswers(answers) {
  const models = answers.map((answer) => listed.models.find(({ name }) => name === answer.model));
  const longest = Math.max(...answers.map((answer) => answer.timings_ms.total));
  const sides = ["first", "second"];
  byId("answers").dataset.count = answers.length;
  byId("answers").replaceChildren(...answers.map((answer, i) => answerCard(answer, sides[i], models[i], longest)));
  byId("verdict").hidden = answers.length < 2;
  if (answers.length === 2) byId("verdict").replaceChildren(...verdict(answers, models));
  byId("announce").textContent = answers.map(spoken).join(" ");
  answers.forEach(noteOwn);
}

listenForPictures((blob, name) => {
  picture = { blob, name };
  showPicture(blob, name);
  run();
});
byId("controls").addEventListener("change", () => {
  partModels();
  run();
});
byId("controls").addEventListener("submit", (event) => event.preventDefault());
readModels();
