// The page of one item: its images, variants and attributes, how it fits the search it was found by, and what is like it.

import { asProblem, call, loadImage } from "./api.js";
import { at, button, copyOf, make, outsideLink, pair, row } from "./elements.js";
import { itemElement, showImage } from "./hit.js";
import { addressOf, isRanked } from "./query.js";
import { explain, searchSimilar } from "./search.js";
import { capitalized, labelOf, optionsOf, price, priceRange, textOf, titleOf, webAddress } from "./values.js";
import { showVerdicts } from "./verdicts.js";

const N_SIMILAR = 6;
const IMAGE_PX = 1024;

let pending = new AbortController();

/** Show an item, with its verdicts for the query that it was found by. */
export async function showItem(sku, query) {
  pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  const view = at("item");
  view.setAttribute("aria-busy", "true");
  view.replaceChildren(make("h1", { className: "spoken", tabIndex: -1, textContent: "One product" }));
  try {
    const item = await call(`/v1/items/${encodeURIComponent(sku)}`, { signal });
    if (signal.aborted) return;
    document.title = `${item.title || item.sku} · Vitrina`;
    view.replaceChildren(pageElement(item, query));
    view.querySelector("h1").focus({ preventScroll: true });
    showFit(item, query, signal);
    showSimilar(item, signal);
  } catch (error) {
    if (!signal.aborted) view.replaceChildren(problemElement(asProblem(error)));
  } finally {
    if (!signal.aborted) view.setAttribute("aria-busy", "false");
  }
}

function pageElement(item, query) {
  const element = copyOf("item-template");
  const part = (name) => element.querySelector(`.${name}`);
  part("back").href = `/${addressOf(query)}`;
  part("back").textContent = addressOf(query) || query.photo ? "Back to the results" : "Search";
  part("name").textContent = item.title || item.sku;
  part("price").textContent = priceRange(item);
  part("description").textContent = item.description;
  showGallery(part("gallery"), item);
  showActions(part("actions"), item);
  showVariants(part("item-variants"), item, (url) => showMain(element, url));
  const attributes = Object.entries(item.attributes).map(([field, value]) => pair(labelOf(field), textOf(value)));
  part("attributes").append(pair("Sku", item.sku), ...attributes);
  return element;
}

/** All images: the first large, the others as small ones that take its place. */
function showGallery(gallery, { title, sku, image_urls: urls }) {
  const tile = gallery.querySelector(".tile");
  tile.querySelector("img").alt = title || sku;
  showImage(tile, larger(urls[0]));
  if (urls.length < 2) return;
  const thumbs = urls.map((url, index) => {
    const thumb = button("thumb", "", () => showMain(gallery, url));
    thumb.ariaLabel = `Image ${index + 1} of ${urls.length}`;
    thumb.ariaPressed = String(index === 0);
    thumb.dataset.url = url;
    const image = make("img", { alt: "", loading: "lazy" });
    loadImage(image, url);
    thumb.append(image);
    return make("li", {}, thumb);
  });
  gallery.querySelector(".thumbs").append(...thumbs);
}

function showMain(element, url) {
  loadImage(element.querySelector(".tile img"), larger(url));
  for (const thumb of element.querySelectorAll(".thumb")) thumb.ariaPressed = String(thumb.dataset.url === url);
}

function larger(url) {
  if (!url) return null;
  const address = new URL(url, location.href);
  address.searchParams.set("size", IMAGE_PX);
  return address.pathname + address.search;
}

function showActions(actions, { sku, url }) {
  const shop = webAddress(url);
  if (shop) actions.append(outsideLink(shop, "View in the shop", "go"));
  actions.append(button("outline", "More like this", () => searchSimilar({ sku })));
}

function showVariants(section, { title, variants }, onImage) {
  section.hidden = variants.length < 2;
  const rows = variants.map((variant) => {
    const url = webAddress(variant.url);
    const name = url ? outsideLink(url, optionsOf(variant)) : optionsOf(variant);
    const element = row(name, variant.sku, price(variant.price_cents, variant.currency));
    const textContent = titleOf(variant, variants, title);
    const isNew = textContent && textContent !== optionsOf(variant);
    if (isNew) element.querySelector("th").append(make("p", { className: "quiet", textContent }));
    const show = button("show", "Show", () => onImage(variant.image_url));
    if (variant.image_url) element.querySelector("th").append(" ", show);
    return element;
  });
  section.querySelector("tbody").append(...rows);
}

/** The item's rank and verdicts in the search that it was found by. */
async function showFit(item, query, signal) {
  if (!isRanked(query)) return;
  const fit = at("item").querySelector(".fit");
  fit.hidden = false;
  fit.setAttribute("aria-busy", "true");
  try {
    const explained = await explain(item.sku, signal, query);
    if (signal.aborted) return;
    fit.querySelector(".sentence").textContent = explained.sentence;
    showVerdicts(fit, { ...item, verdicts: explained.verdicts, explanation: null }, at("item").querySelector(".tile"));
  } catch (error) {
    if (!signal.aborted) fit.querySelector(".sentence").textContent = asProblem(error).message;
  }
  fit.setAttribute("aria-busy", "false");
}

async function showSimilar({ sku }, signal) {
  try {
    const answer = await call(`/v1/items/${encodeURIComponent(sku)}/similar?limit=${N_SIMILAR}`, { signal });
    if (signal.aborted || !answer.hits.length) return;
    const section = at("item").querySelector(".alike");
    section.querySelector("ul").append(...answer.hits.map(similarElement));
    section.hidden = false;
  } catch {
    // The item itself is shown; that nothing like it is, says enough.
  }
}

function similarElement(hit) {
  const element = itemElement(hit);
  const shown = hit.variant ?? hit;
  element.querySelector(".quiet").textContent = price(shown.price_cents, shown.currency);
  return element;
}

function problemElement({ message, remedy }) {
  const title = make("h1", { tabIndex: -1, textContent: capitalized(message) });
  const link = make("a", { className: "outline", href: "/", textContent: "Search" });
  const actions = make("div", { className: "actions" }, link);
  return make("div", { className: "notice", role: "alert" }, title, make("p", { textContent: remedy }), actions);
}
