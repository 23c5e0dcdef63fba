// The models: what is known of each, and what was measured on this box.

import { make } from "./dom.js";
import { bytes, count, milliseconds, percent, plural, provider, whole } from "./format.js";

const COLUMNS = [
  ["File", (m) => [known(m.file_bytes, bytes), m.memory_bytes ? `${bytes(m.memory_bytes)} in memory` : null]],
  ["Parameters", (m) => [known(m.parameters, count)]],
  ["MACs", (m) => [known(m.macs, count)]],
  ["Top-1", top1],
  ["Agreement", agreement],
  ["Inference alone", (m) => [known(m.benchmark?.batch1_ms, milliseconds), m.benchmark ? "one image, at start" : null]],
  ["Served", served],
  ["Runs on", (m) => [m.provider.in_use ? provider(m.provider.in_use) : null, fellBack(m) ? `not ${provider(m.provider.requested[0])}` : null]],
];

const known = (value, format) => (value === null || value === undefined ? null : format(value));

function top1({ quality }) {
  if (quality?.top1 !== null && quality?.top1 !== undefined) {
    return [percent(quality.top1), `of ${plural(quality.images, "photo")}`];
  }
  return quality?.published_top1 ? [percent(quality.published_top1), "published"] : [null];
}

function agreement({ quality }) {
  if (quality?.agreement === null || quality?.agreement === undefined) return [null];
  return [percent(quality.agreement), `with fp32, ${plural(quality.agreement_images, "photo")}`];
}

function served({ latency_ms: latency }) {
  if (!latency.total) return [null];
  return [milliseconds(latency.total.p50), `p99 ${milliseconds(latency.total.p99)}, ${plural(latency.count, "image")}`];
}

/** Return whether a model runs on another execution provider than the one asked for first. */
const fellBack = ({ provider: { requested, in_use: inUse } }) => inUse !== null && inUse !== requested[0];

export function modelsTable({ models, default: fallback }) {
  return make("table", { class: "models", role: "table" },
    make("caption", { class: "unseen" }, "The models that are served"),
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" },
      ["Model", ...COLUMNS.map(([title]) => title)].map((title) =>
        make("th", { scope: "col", role: "columnheader" }, title)))),
    make("tbody", { role: "rowgroup" }, models.flatMap((model) => rows(model, model.name === fallback))),
  );
}

function rows(model, isDefault) {
  const remarks = [
    ...(model.state === "failed" ? [make("p", { class: "failed" }, model.reason ?? "It could not be loaded.")] : []),
    ...model.warnings.map((warning) => make("p", {}, warning)),
  ];
  const row = make("tr", { role: "row", class: remarks.length ? "noted" : null, "data-model": model.name },
    make("th", { scope: "row", role: "rowheader" }, model.name, chips(model, isDefault), about(model)),
    COLUMNS.map(([title, cell]) => tableCell(title, cell(model))),
  );
  if (!remarks.length) return [row];
  const remark = make("td", { class: "remark", role: "cell", colspan: COLUMNS.length + 1 }, remarks);
  return [row, make("tr", { role: "row", class: "remarks" }, remark)];
}

function chips(model, isDefault) {
  return [
    isDefault ? make("span", { class: "chip strong" }, "default") : null,
    model.state === "ready" ? null : make("span", { class: `chip ${model.state}` }, model.state),
  ];
}

function about(model) {
  const input = model.input ? `${model.input.height}\u2009\u00d7\u2009${model.input.width}` : null;
  const classes = model.classes ? `${whole(model.classes)} labels` : null;
  return make("small", {}, [model.precision, `version ${model.version}`, input, classes].filter(Boolean).join(", "));
}

function tableCell(title, [value, more]) {
  return make("td", { role: "cell", "data-label": title },
    make("span", { class: value ? null : "none" }, value ?? "\u2013", more ? make("small", {}, more) : null));
}
