// The server's API. Every failure is a Problem: what the server said, or what stands for it.

import { askToken, authorization, currentToken } from "./token.js";

export class Problem extends Error {
  constructor({ status = 0, code = "unknown", title = "", detail = "", requestId = null, retryAfter = null }) {
    super(detail);
    Object.assign(this, { status, code, title, detail, requestId, retryAfter });
  }
}

/** Return GET `path` as parsed JSON. `quiet` asks for no token: a poll opens no dialogue. */
export async function get(path, { quiet = false } = {}) {
  return (await send(path, { cache: "no-store" }, quiet)).json();
}

/**
 * Classify one picture; return the answer and the time until the page had it, ms.
 * The bytes go as they are: what they hold is the server's to find out, not the file name's.
 */
export async function classify(picture, { model, topK, signal }) {
  const query = new URLSearchParams({ model, top_k: topK });
  const headers = { "Content-Type": "application/octet-stream" };
  const started = performance.now();
  const response = await send(`classify?${query}`, { method: "POST", body: picture, headers, signal });
  const answer = await response.json();
  return { ...answer, roundTripMs: performance.now() - started };
}

async function send(path, options, quiet = false) {
  for (;;) {
    const used = currentToken();
    const response = await reach(path, { ...options, headers: { ...options.headers, ...authorization() } });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status !== 401 || quiet || !(await askToken(used))) throw problem;
  }
}

async function reach(path, options) {
  try {
    return await fetch(new URL(path, document.baseURI), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({
      code: "unreachable",
      title: "No answer",
      detail: "The server could not be reached, or it closed the connection before the picture was through.",
    });
  }
}

async function problemOf(response) {
  const wait = Number.parseInt(response.headers.get("Retry-After"), 10);
  const common = { status: response.status, retryAfter: Number.isNaN(wait) ? null : wait };
  if (!(response.headers.get("Content-Type") ?? "").startsWith("application/problem+json")) {
    const detail = `Something between this page and the server answered ${response.status} without saying why.`;
    return new Problem({ ...common, code: "not_ours", title: response.statusText || "Error", detail });
  }
  const { code, title, detail, request_id: requestId } = await response.json();
  return new Problem({ ...common, code, title, detail, requestId });
}
