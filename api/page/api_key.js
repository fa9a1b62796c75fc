// The API key: asked for when the service wants one, and kept until the browser's tab is closed.

import { at } from "./elements.js";

const NAME = "vitrina-api-key";

let asking = null;
let header = headerOf(stored());

/** The header that carries the key, the same object until there is another key; null without one. */
export function authorization() {
  return header;
}

/** Whether a key was given, in a dialog that says what is wrong. Requests that wait for one share the dialog. */
export function askForKey(problem) {
  asking ??= new Promise((resolve) => {
    const dialog = at("api-key");
    at("api-key-problem").textContent = header ? `${problem.message} ${problem.remedy}` : "";
    dialog.returnValue = "";
    const close = () => resolve(keep(dialog.returnValue === "give" ? at("api-key-value").value.trim() : ""));
    dialog.addEventListener("close", close, { once: true });
    dialog.showModal();
  }).finally(() => (asking = null));
  return asking;
}

function keep(given) {
  at("api-key-value").value = "";
  if (!given) return false;
  header = headerOf(given);
  try {
    sessionStorage.setItem(NAME, given);
  } catch {
    // The browser's settings forbid it: the key is kept until the page is left.
  }
  return true;
}

function headerOf(key) {
  return key ? { Authorization: `Bearer ${key}` } : null;
}

function stored() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}
