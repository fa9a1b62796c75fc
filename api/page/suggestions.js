// Suggestions below the search box: a combobox with a listbox, as the ARIA Authoring Practices describe it. Typing goes
// on as if they were not there; what goes wrong with them is not shown.

import { ask } from "./api.js";
import { at, make } from "./elements.js";
import { counted } from "./values.js";

const PAUSE_MS = 120;
const N_SUGGESTIONS = 8;

const input = at("text");
const list = at("suggestions");

let timer = 0;
let pending = new AbortController();
let active = -1;

/** `onChoose()` is called once a suggestion is in the search box. */
export function connectSuggestions(onChoose) {
  const choose = (option) => {
    input.value = option.dataset.text;
    closeSuggestions();
    onChoose();
  };
  input.addEventListener("input", () => {
    cancel();
    if (input.value.trim()) timer = setTimeout(suggest, PAUSE_MS);
    else closeSuggestions();
  });
  input.addEventListener("keydown", (event) => onKey(event, choose));
  input.addEventListener("blur", closeSuggestions);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // or the box would lose the focus
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
}

/** Show none, and none that is still to come. */
export function closeSuggestions() {
  cancel();
  list.hidden = true;
  list.replaceChildren();
  input.ariaExpanded = "false";
  activate(-1);
}

function cancel() {
  clearTimeout(timer);
  pending.abort();
}

async function suggest() {
  pending = new AbortController();
  const { signal } = pending;
  const parameters = new URLSearchParams({ text: input.value, limit: N_SUGGESTIONS });
  const answer = await ask(`/v1/suggest?${parameters}`, { signal });
  if (!signal.aborted) show(answer?.suggestions ?? []);
}

function show(suggestions) {
  list.replaceChildren(...suggestions.map(optionOf));
  list.hidden = !suggestions.length;
  input.ariaExpanded = String(!list.hidden);
  activate(-1);
}

function optionOf({ text, count }, index) {
  const number = make("span", { className: "count", textContent: counted(count, "product") });
  const option = make("li", { id: `suggestion-${index}`, role: "option", ariaSelected: "false" }, `${text} `, number);
  option.dataset.text = text;
  return option;
}

/** Point to an option by its place; to none with -1. */
function activate(index) {
  list.children[active]?.setAttribute("aria-selected", "false");
  active = index;
  const option = list.children[index];
  if (!option) return input.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

/** Arrow keys go through the options and back to the box, Enter takes one, Escape closes the list. */
function onKey(event, choose) {
  if (event.key === "Enter" && !event.isComposing && active < 0) return closeSuggestions(); // the form is sent
  if (list.hidden || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const n = list.children.length + 1;
  if (event.key === "ArrowDown") activate(((active + 2) % n) - 1);
  else if (event.key === "ArrowUp") activate(((active + n) % n) - 1);
  else if (event.key === "Enter") choose(list.children[active]);
  else if (event.key === "Escape") closeSuggestions();
  else return;
  event.preventDefault();
}
