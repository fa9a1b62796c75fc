// Products with the same photo under several skus.

import { call } from "./api.js";
import { at, make } from "./elements.js";
import { itemElement } from "./hit.js";
import { counted } from "./values.js";

const PAGE_SIZE = 20;

export async function showDuplicates(section, signal) {
  section.querySelector(".groups").replaceChildren();
  await showMore(section, signal, 0);
}

async function showMore(section, signal, offset) {
  const { groups, total, n_items: n } = await call(`/v1/duplicates?limit=${PAGE_SIZE}&offset=${offset}`, { signal });
  const found = `${counted(n, "product")} in ${counted(total, "group")} share a photo.`;
  section.querySelector(".sum").textContent = total ? found : "No two products share a photo.";
  section.querySelector(".groups").append(...groups.map(groupElement));
  const more = at("more-duplicates");
  more.hidden = offset + groups.length >= total;
  more.onclick = () => showMore(section, signal, offset + groups.length);
}

function groupElement({ is_exact: isExact, items }) {
  const textContent = `${counted(items.length, "product")}, ${isExact ? "the same file" : "nearly the same photo"}`;
  return make("li", { className: "group" }, make("h2", { textContent }), make("ul", { className: "row-of-items" }, ...items.map(itemElement)));
}
