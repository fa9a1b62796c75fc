// The keyboard: "/" goes to the search, arrow keys go through the hits, Escape leaves what is open.

import { at } from "./elements.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** `leave()` is called for Escape where nothing else is open. */
export function connectKeyboard(leave) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("dialog, [popover]")) return; // the browser closes those itself
    const isTyping = event.target.matches("input, select, textarea, [contenteditable]");
    if (event.key === "/" && !isTyping) goTo(event, at("text"));
    else if (event.key === "ArrowDown" && event.target.matches("#text, #without")) goTo(event, linksOfHits()[0]);
    else if (event.key === "Escape" && isTyping) leaveField(event);
    else if (event.key === "Escape") leave();
    else if (event.target.matches(".hit .title a")) goTo(event, neighbour(event.target, event.key));
  });
}

/** Leave a field with what is in it: browsers would empty a search field. */
function leaveField(event) {
  event.preventDefault();
  event.target.blur();
}

function goTo(event, element) {
  if (!element) return;
  event.preventDefault();
  element.focus();
  if (element.matches(".title a")) element.closest(".hit").scrollIntoView({ block: "nearest" });
  else element.select();
}

function linksOfHits() {
  return [...document.querySelectorAll(".hit .title a")].filter((link) => link.checkVisibility());
}

/** The hit that an arrow key leads to: the next in the row, or the nearest in the row below or above. */
function neighbour(link, key) {
  const links = linksOfHits();
  if (key === "Home") return links[0];
  if (key === "End") return links.at(-1);
  if (key in STEPS) return links[links.indexOf(link) + STEPS[key]];
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const place = (each) => each.closest(".hit").getBoundingClientRect();
  const { left, top } = place(link);
  const isBeyond = (each) => (key === "ArrowDown" ? place(each).top > top + 1 : place(each).top < top - 1);
  const distance = (each) => Math.abs(place(each).left - left) + 10 * Math.abs(place(each).top - top);
  return links.filter(isBeyond).sort((a, b) => distance(a) - distance(b))[0] ?? (key === "ArrowUp" ? at("text") : null);
}
