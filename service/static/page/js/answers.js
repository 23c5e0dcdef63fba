// Answers: labels with bars, the stages of each, and what two models make of one picture.

import { make } from "./dom.js";
import { bytes, milliseconds, percent } from "./format.js";

export const STAGES = ["queue", "decode", "preprocess", "inference", "postprocess"];

/** Return the card of one answer. `longestMs` is the time that fills the bar of stages. */
export function answerCard(answer, side, model, longestMs) {
  const trip = `${milliseconds(answer.roundTripMs)} until this page had it. Request `;
  return make("article", { class: "answer", "data-side": side, "aria-label": `Answer of ${answer.model}` },
    make("header", {},
      make("h2", {}, answer.model),
      make("span", { class: "version" }, [model?.precision, `version ${answer.version}`, chosen(answer)].filter(Boolean).join(", ")),
    ),
    make("ol", { class: "bars" }, answer.predictions.map(bar)),
    stageBar("In the server", answer.timings_ms, longestMs),
    make("p", { class: "trip" }, trip, make("code", {}, answer.request_id)),
  );
}

/** Return why the server chose the model, if it was left to it. */
function chosen({ auto }) {
  return auto ? `chosen by the server: ${auto.reason}` : "";
}

function bar({ label, probability }) {
  return make("li", {},
    make("span", { class: "label" }, label),
    make("span", { class: "share" }, percent(probability)),
    make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { "--share": `${probability * 100}%` } })),
  );
}

/** Return the stages as a stacked bar with a legend that holds the figures. */
export function stageBar(title, timings, longestMs) {
  const known = STAGES.filter((stage) => timings[stage] !== undefined && timings[stage] !== null);
  const share = (stage) => ({ "--share": `${(100 * timings[stage]) / longestMs}%` });
  return make("div", { class: "stages" },
    make("p", { class: "head" }, title, make("b", {}, milliseconds(timings.total))),
    make("div", { class: "stack", "aria-hidden": "true" },
      known.map((stage) => make("i", { "data-stage": stage, style: share(stage) }))),
    make("dl", { class: "legend" },
      known.map((stage) => make("div", { "data-stage": stage },
        make("dt", {}, stage), make("dd", {}, milliseconds(timings[stage]))))),
  );
}

/** Return a sentence on how two answers to one picture differ, as nodes. */
export function verdict([first, second], [firstModel, secondModel]) {
  const [a, b] = [first.predictions[0], second.predictions[0]];
  const same = a.index === b.index && a.label === b.label;
  const nodes = same
    ? ["Both say ", make("b", {}, a.label)]
    : ["They differ, ", make("b", {}, a.label), " or ", make("b", {}, b.label)];
  const [one, other] = [first, second].map((answer) => milliseconds(answer.timings_ms.inference));
  nodes.push(`: inference in ${one} and ${other} this time`);
  if (firstModel?.file_bytes && secondModel?.file_bytes) {
    nodes.push(`, files of ${bytes(firstModel.file_bytes)} and ${bytes(secondModel.file_bytes)}`);
  }
  return [...nodes, "."];
}

/** Return what a screen reader is told of an answer. */
export function spoken(answer) {
  const [best] = answer.predictions;
  return `${best.label}, ${percent(best.probability, 0)}, by ${answer.model} in ${milliseconds(answer.timings_ms.total)}.`;
}
