// A bearer token, where the server wants one: asked for once, kept in this tab only.

import { byId } from "./dom.js";

const KEY = "featherbox.token";
let token = readStored();
let asking = null;

function readStored() {
  try { return sessionStorage.getItem(KEY); } catch { return null; }
}

function keep(value) {
  token = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch { /* storage is switched off: it is kept in memory */ }
  byId("forget").hidden = !value;
}

export const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});
export const currentToken = () => token;

/**
 * Ask for a token, in one dialogue for all who ask at the same time; false if there is none.
 * `refused` is the token with which the caller was refused.
 */
export function askToken(refused) {
  if (token && token !== refused) return Promise.resolve(true); // another request has asked already
  asking ??= openDialog(Boolean(refused)).finally(() => { asking = null; });
  return asking;
}

function openDialog(wasRefused) {
  const dialog = byId("token");
  const field = byId("token-field");
  const why = byId("token-why");
  why.classList.toggle("refused", wasRefused);
  if (wasRefused) why.textContent = "The server did not accept that token. Is it complete?";
  field.value = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "given"), { once: true });
  });
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(byId("token-field").value.trim());
  byId("token").close("given");
});
byId("token-cancel").addEventListener("click", () => byId("token").close("cancelled"));
byId("token").addEventListener("cancel", () => { byId("token").returnValue = "cancelled"; });
byId("forget").addEventListener("click", () => keep(null));
byId("forget").hidden = !token;
