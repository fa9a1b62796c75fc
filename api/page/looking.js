// The dialog that shows where in a photo a verdict comes from.

import { askedFor, standing } from "./findings.js";

const at = (id) => document.getElementById(id);

/** Open it for one verdict of a hit. */
export function showLook(verdict, hit) {
  const image = at("look-image");
  const url = new URL(hit.image_url, location.href);
  url.searchParams.set("explain", verdict.words);
  at("look").classList.remove("empty");
  image.alt = `The photo of ${hit.title || hit.sku}, with the place that “${verdict.words}” was looked for`;
  image.src = url.pathname + url.search;
  at("look-what").textContent = `${askedFor(verdict)}: ${standing(verdict)}`;
  at("look-item").textContent = verdict.disagreement ?? (hit.title || hit.sku);
  at("look").showModal();
}

at("look-image").addEventListener("error", () => at("look").classList.add("empty"));
at("look").addEventListener("close", () => at("look-image").removeAttribute("src"));
at("look").addEventListener("click", ({ target }) => target === at("look") && at("look").close()); // beside it
