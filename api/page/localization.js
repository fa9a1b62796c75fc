// Where in a photo a verdict comes from: over the image itself while a verdict is pointed at, or in a dialog.

import { loadImage } from "./api.js";
import { at, make } from "./elements.js";

const REST_MS = 250; // a pointer that only crosses an image starts nothing

/** The region of each tile's image that is shown while the pointer rests on it: its address, or null. */
const regions = new WeakMap();

/** Open the dialog for one verdict of a hit, with the verdict in `words`. */
export function showLocalization(words, verdict, hit) {
  const image = at("localization-image");
  at("localization").classList.remove("empty");
  image.alt = `The photo of ${hit.title || hit.sku}, showing where “${verdict.words}” was looked for`;
  loadImage(image, regionUrl(hit.image_url, verdict));
  at("localization-verdict").textContent = words;
  at("localization-item").textContent = verdict.disagreement ?? (hit.title || hit.sku);
  at("localization").showModal();
}

/** The address of an image with the region drawn on it that a verdict is about. */
export function regionUrl(imageUrl, verdict) {
  const url = new URL(imageUrl, location.href);
  url.searchParams.set("explain", verdict.words);
  return url.pathname + url.search;
}

/** Let the image in `tile` show the verdict's region while the pointer rests on it, or on the link that covers it; none
 * for undefined. */
export function setRegion(tile, imageUrl, verdict) {
  const pointed = tile.parentElement.querySelector(".title a") ?? tile;
  if (!regions.has(tile)) connectRegion(pointed, tile, () => regions.get(tile));
  regions.set(tile, verdict ? regionUrl(imageUrl, verdict) : null);
}

/** Show the region at the address `urlOf()` over the image in `tile` while the pointer rests on `element`, or the
 * focus does. */
export function connectRegion(element, tile, urlOf) {
  let timer = 0;
  const show = () => {
    clearTimeout(timer);
    timer = setTimeout(() => showRegion(tile, urlOf()), REST_MS);
  };
  const hide = () => {
    clearTimeout(timer);
    tile.querySelector(".region")?.remove();
  };
  element.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && show());
  element.addEventListener("pointerleave", hide);
  element.addEventListener("focus", () => element.matches(":focus-visible") && show());
  element.addEventListener("blur", hide);
}

function showRegion(tile, url) {
  tile.querySelector(".region")?.remove();
  if (!url) return;
  const region = make("img", { className: "region", alt: "" });
  region.addEventListener("load", () => region.classList.add("shown"));
  region.addEventListener("error", () => region.remove());
  tile.append(region);
  loadImage(region, url);
}

at("localization-image").addEventListener("error", () => at("localization").classList.add("empty"));
at("localization").addEventListener("close", () => at("localization-image").removeAttribute("src"));
at("localization").addEventListener("click", ({ target, currentTarget }) => {
  if (target === currentTarget) currentTarget.close(); // a click outside it
});
