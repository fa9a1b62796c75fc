// The dialog that shows where in a photo a verdict comes from.

import { requirementText, verdictText } from "./verdicts.js";

const at = (id) => document.getElementById(id);

/** Open it for one verdict of a hit. */
export function showLocalization(verdict, hit) {
  const image = at("localization-image");
  const url = new URL(hit.image_url, location.href);
  url.searchParams.set("explain", verdict.words);
  at("localization").classList.remove("empty");
  image.alt = `The photo of ${hit.title || hit.sku}, showing where “${verdict.words}” was looked for`;
  image.src = url.pathname + url.search;
  at("localization-verdict").textContent = `${requirementText(verdict)}: ${verdictText(verdict)}`;
  at("localization-item").textContent = verdict.disagreement ?? (hit.title || hit.sku);
  at("localization").showModal();
}

at("localization-image").addEventListener("error", () => at("localization").classList.add("empty"));
at("localization").addEventListener("close", () => at("localization-image").removeAttribute("src"));
at("localization").addEventListener("click", ({ target }) => target === at("localization") && at("localization").close()); // outside it
