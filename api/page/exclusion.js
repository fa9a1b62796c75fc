// "But not ...": the menu of a hit, to leave out the product, or what it is.

import { at, button, make } from "./elements.js";
import { excluding } from "./query.js";
import { labelOf, textOf } from "./values.js";

const MAX_VALUE_CHARS = 40;
const N_VALUES = 10;

/** Open the menu of a hit beside its button; `search` is called with the query that the shopper chooses. */
export function openExclusion(hit, opener, query, search) {
  const menu = at("exclusion");
  const choose = (field, value) => () => {
    menu.hidePopover();
    search(excluding(query, field, value));
  };
  const choices = valuesOf(hit).map(([field, value]) => {
    const choice = button("choice", value, choose(field, value));
    choice.append(make("span", { className: "quiet", textContent: labelOf(field) }));
    return make("li", {}, choice);
  });
  const itself = make("li", {}, button("choice", "This product", choose("sku", hit.sku)));
  menu.querySelector("ul").replaceChildren(itself, ...choices);
  menu.showPopover({ source: opener });
  place(menu, opener);
  menu.querySelector(".choice").focus();
}

/** What a hit is, each as a field and one of its values, as far as a filter can leave it out. */
function valuesOf({ attributes, variant }) {
  return Object.entries({ ...attributes, ...variant?.options })
    .flatMap(([field, value]) => [value].flat().map((each) => [field, textOf(each)]))
    .filter(([, value]) => value && value.length <= MAX_VALUE_CHARS)
    .slice(0, N_VALUES);
}

/** Below the button, or above it where there is no room, and never beyond the window's edge. */
function place(menu, opener) {
  const { top, bottom, right } = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = bottom + 6;
  menu.style.left = `${Math.max(8, Math.min(right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${below + height <= innerHeight - 8 ? below : Math.max(8, top - height - 6)}px`;
}
