// Showing a problem: what the server said, what to do about it, and the id to find it in the log.

import { make } from "./dom.js";
import { plural } from "./format.js";

const TO_DO = {
  unreachable: "Check that the server is running and that this address is the right one, then try again.",
  not_ours: "If a proxy stands before the server, its log knows more.",
  overloaded: "All places in the queue are taken.",
  rate_limited: "This client has sent as much as it may for now.",
  not_ready: "The models are being loaded; this takes seconds.",
  model_failed: "Choose another model; the table of models says what is wrong with this one.",
  model_not_found: "Reload the page: the models have changed since.",
  deadline_exceeded: "Try again, or try a smaller picture.",
  damaged_image: "Try the original file.",
  unauthorized: "Reload the page to be asked for a token again.",
  internal_error: "This is a bug. Please report it with the request id.",
};

/** Show `problem` in `place`; with `again`, offer to try again once Retry-After has passed. */
export function showProblem(place, problem, again = null) {
  const title = problem.status ? `${problem.title} (${problem.status})` : problem.title;
  const todo = TO_DO[problem.code];
  place.replaceChildren(
    make("div", { class: "problem", role: "alert", "data-code": problem.code },
      make("p", { class: "what" }, title),
      make("p", {}, problem.detail),
      todo ? make("p", {}, todo) : null,
      problem.requestId ? make("p", { class: "fine" }, "Request id ", make("code", {}, problem.requestId)) : null,
      again ? againButton(problem.retryAfter ?? 0, again) : null,
    ),
  );
}

export const clearProblem = (place) => place.replaceChildren();

function againButton(seconds, again) {
  const button = make("button", { type: "button", class: "button", onclick: again }, "Try again");
  const tick = (left) => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${plural(left, "second")}` : "Try again";
    if (left > 0) setTimeout(tick, 1000, left - 1);
  };
  tick(seconds);
  return button;
}
