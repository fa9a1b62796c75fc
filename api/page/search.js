// The search: its form, its hits, and what is said about them.

import { asProblem, call, loadImage, post, problem, send } from "./api.js";
import { at, button, copyOf, make } from "./elements.js";
import { eventsOf } from "./events.js";
import { openExclusion } from "./exclusion.js";
import { connectFilters, showFilters } from "./filters.js";
import { hitElement, showConfidence } from "./hit.js";
import { hideNotice, relaxing, showNotice, showNothing } from "./notice.js";
import { dataUri, offerPhotos } from "./photos.js";
import { EMPTY_QUERY, addressOf, isEmpty, isRanked, requestOf } from "./query.js";
import { connectReranking, isReranked } from "./reranking.js";
import { closeSuggestions, connectSuggestions } from "./suggestions.js";
import { counted } from "./values.js";
import { showExplanation, showVerdicts } from "./verdicts.js";
import { connectWhyNot, resetWhyNot } from "./why_not.js";

const PAGE_SIZE = 24;
const DEEPEST_RANK = 1000; // search/types/query.py, WINDOW

const form = at("search");
const results = at("results");
const grid = at("grid");

let query = EMPTY_QUERY;
let nextOffset = 0;
let pending = new AbortController();
let search = () => {};

/** The tiles of the latest answer, by sku: reranking may put them into another order. */
let tiles = new Map();

/** Let the form and the hits ask `onSearch(query)` for another search, which puts it into the page's address. */
export async function connectSearch(onSearch) {
  search = onSearch;
  connectFilters(onSearch);
  connectWhyNot(explain);
  connectSuggestions(() => form.requestSubmit());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    closeSuggestions();
    if (matchMedia("(hover: none)").matches) document.activeElement?.blur(); // puts the on-screen keyboard away
    search({ ...query, ...typedText() });
  });
  for (const input of [at("photo"), at("camera")]) {
    input.addEventListener("change", () => searchByPhoto([...input.files]));
  }
  at("more").addEventListener("click", () => runSearch(nextOffset));
  at("query-image-remove").addEventListener("click", () => {
    search({ ...query, ...typedText(), like: "", photo: null });
    at("text").focus();
  });
  await connectReranking(() => isEmpty(query) || runSearch());
}

/** Bring the form in line with a query; its hits may be on the page already. What is typed stays if it is the same. */
export function setQuery(newQuery) {
  const isNew = addressOf(newQuery) !== addressOf(query);
  query = newQuery;
  if (isNew) {
    at("text").value = query.text;
    at("without").value = query.without;
  }
  showQueryImage();
}

/** Show the hits of a query, and its filters. */
export function showSearch(newQuery) {
  setQuery(newQuery);
  showFilters(query);
  if (isEmpty(query)) clear();
  else runSearch();
}

/** Search by the first image among files that were chosen, dropped or pasted. */
export function searchByPhoto(files) {
  const photo = files.find((file) => file.type.startsWith("image/"));
  if (photo) search({ ...query, ...typedText(), like: "", photo });
  else if (files.length) showNotice(`“${files[0].name}” is not an image.`, "Choose a JPEG, PNG or WebP file.");
}

/** The hits that are most like an item. */
export function searchSimilar({ sku }) {
  search({ ...EMPTY_QUERY, like: sku });
  scrollTo({ top: 0 });
  at("summary").focus({ preventScroll: true });
}

/** The API's explanation of an item's rank in a search, among as many hits as the page shows. */
export async function explain(sku, signal, asked = query) {
  const images = asked.photo ? [await dataUri(asked.photo)] : requestOf(asked).images;
  const limit = Math.min(Math.max(nextOffset, PAGE_SIZE), DEEPEST_RANK);
  const body = { query: { ...requestOf(asked), images, limit, ...(isReranked(asked) && { rerank: true }) }, sku };
  return post("/v1/explain", body, { signal });
}

// Requests

function request(offset) {
  const fields = { ...requestOf(query), limit: PAGE_SIZE, offset, ...(isReranked(query) && { rerank: true }) };
  const headers = isReranked(query) ? { Accept: "text/event-stream" } : {};
  if (!query.photo) return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(fields) };
  const body = new FormData();
  const texts = { ...fields, images: null, filters: JSON.stringify(fields.filters) };
  for (const [name, value] of Object.entries(texts)) if (value !== null) body.append(name, value);
  body.append("image", query.photo);
  return { headers, body };
}

/** Search from `offset` on and show the answer; a newer search cancels an older one. */
async function runSearch(offset = 0) {
  pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  tiles = new Map();
  showLoading(offset);
  try {
    const options = { method: "POST", signal, ...request(offset) };
    if (isReranked(query)) await showStream(options, offset);
    else showAnswer(await call("/v1/search", options), offset);
  } catch (error) {
    if (!signal.aborted) showProblem(asProblem(error), offset);
  } finally {
    if (!signal.aborted) results.setAttribute("aria-busy", "false");
  }
}

/** Show each event of an answer as it comes: first the retrieval order, then the reranked one, then explanations. */
async function showStream(options, offset) {
  const response = await send("/v1/search", options);
  for await (const { name, data } of eventsOf(response)) {
    if (options.signal.aborted) return;
    if (name === "error") throw problem(data, 500);
    if (name === "retrieved" || name === "reranked") showAnswer(data, offset, name === "retrieved");
    if (name === "explanation" && tiles.has(data.sku)) showExplanation(tiles.get(data.sku), data.explanation);
    if (name === "done") showTime(data.timings_ms);
    results.setAttribute("aria-busy", "false");
  }
}

// The form

/** What is typed; a text is corrected again once it is another. */
function typedText() {
  const [text, without] = ["text", "without"].map((name) => at(name).value.trim());
  return { text, without, asTyped: query.asTyped && text === query.text && without === query.without };
}

function showQueryImage() {
  const image = at("query-image-preview");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.alt = "";
  const hasImage = Boolean(query.photo || query.like);
  at("query-image").hidden = !hasImage;
  at("text").placeholder = hasImage ? "but in red" : "in your own words";
  at("photo").value = at("camera").value = "";
  if (query.photo) image.src = URL.createObjectURL(query.photo);
  else if (query.like) showItem(query.like, image);
}

async function showItem(sku, image) {
  try {
    const item = await call(`/v1/items/${encodeURIComponent(sku)}`);
    if (query.like !== sku) return;
    image.alt = item.title || sku;
    if (item.image_url) loadImage(image, item.image_url);
  } catch {
    // The search by the same sku shows what is wrong.
  }
}

// Showing

function clear() {
  pending.abort();
  results.setAttribute("aria-busy", "false");
  grid.replaceChildren();
  at("summary").replaceChildren();
  at("timing").textContent = "";
  at("rerank-note").textContent = "";
  at("more").hidden = true;
  hideNotice();
  resetWhyNot(false);
  showCatalogSize();
}

function showLoading(offset) {
  results.setAttribute("aria-busy", "true");
  hideNotice();
  at("rerank-note").textContent = "";
  at("more").disabled = true;
  if (!offset) resetWhyNot(false);
  if (offset || grid.children.length) return;
  grid.replaceChildren(...Array.from({ length: 8 }, () => copyOf("skeleton")));
}

/** Show an answer; `isFirst` if its reranked order is still to come. */
function showAnswer(answer, offset, isFirst = false) {
  const others = answer.hits.filter(({ sku }) => sku !== query.like); // the search form shows that one already
  const isNew = !tiles.size;
  const shown = others.map((hit) => tileOf(hit));
  const focused = document.activeElement;
  if (!offset) grid.replaceChildren(...shown);
  else {
    for (const tile of tiles.values()) tile.remove();
    grid.append(...shown);
  }
  if (grid.contains(focused)) focused.focus({ preventScroll: true }); // an element that changes its place loses it
  tiles = new Map(others.map(({ sku }, index) => [sku, shown[index]]));
  nextOffset = offset + answer.hits.length;
  at("summary").replaceChildren(...summary(answer));
  showTime(answer.timings_ms);
  if (isFirst) at("timing").textContent = "Checking the best matches";
  at("timing").classList.toggle("busy", isFirst);
  const hasImages = answer.hits.some((hit) => hit.image_url);
  at("rerank-note").textContent = hasImages ? answer.rerank_note : ""; // it is about images
  at("more").hidden = nextOffset >= answer.n_candidates || isTooDeep(nextOffset) || !shown.length;
  at("more").disabled = isFirst;
  if (!isFirst) resetWhyNot(answer.n_candidates > 0 && isRanked(query));
  if (!answer.n_candidates && !isFirst) showEmpty();
  else if (answer.no_good_match) {
    showNotice("No good match.", "Nothing here seems to be quite what you asked for. These come closest.");
  }
  if (offset && isNew) shown[0]?.querySelector("a")?.focus({ preventScroll: true });
}

/** Whether a page from a rank on is beyond what can be asked for; browsing has no end. */
function isTooDeep(offset) {
  return isRanked(query) && offset + PAGE_SIZE > DEEPEST_RANK;
}

/** The hit's tile, the same one before and after reranking, so that its image does not flicker. */
function tileOf(hit) {
  const exclude = (each, opener) => openExclusion(each, opener, query, search);
  const tile = tiles.get(hit.sku) ?? hitElement(hit, addressOf(query), searchSimilar, exclude);
  showConfidence((name) => tile.querySelector(`.${name}`), hit);
  tile.classList.toggle("browsed", !isRanked(query));
  showVerdicts(tile, hit, tile.querySelector(".tile"));
  return tile;
}

function showTime({ total }) {
  at("timing").classList.remove("busy");
  at("timing").textContent = `${Math.max(1, Math.round(total))} ms`;
}

function summary(answer) {
  const strong = (text) => make("b", { textContent: text });
  const what = [query.text && `“${query.text}”`, query.photo && "your photo", query.like && "this image"].filter(Boolean);
  const total = answer.n_candidates - (query.like ? 1 : 0);
  const n_shown = grid.children.length;
  if (!what.length) return [total > n_shown ? `${n_shown.toLocaleString()} of ` : "", strong(counted(total, "product"))];
  const parts = [`Best ${n_shown.toLocaleString()} of ${total.toLocaleString()} for `, strong(what.join(" and "))];
  if (query.without) parts.push(", without ", strong(`“${query.without}”`));
  const read = Object.entries(answer.corrected).map(([typed, word]) => `“${typed}” as “${word}”`);
  if (!read.length) return parts;
  const asTyped = button("quiet", "Search as typed", () => search({ ...query, asTyped: true }));
  return [...parts, `; read ${read.join(" and ")}. `, asTyped];
}

function showProblem({ message, remedy, isTransient }, offset) {
  if (!offset && !tiles.size) {
    grid.replaceChildren();
    at("summary").replaceChildren();
    at("more").hidden = true;
  }
  at("timing").textContent = "";
  at("timing").classList.remove("busy");
  at("more").disabled = false;
  const actions = isTransient ? [button("outline", "Try again", () => runSearch(offset))] : relaxing(query, search);
  showNotice(message, remedy, actions);
}

function showEmpty() {
  at("summary").replaceChildren();
  at("timing").textContent = "";
  showNothing(query, search, (hits) => grid.replaceChildren(...hits.map(tileOf)), pending.signal);
}

/** How much there is to search, on the start page. */
async function showCatalogSize() {
  try {
    const ready = await call("/readyz");
    offerPhotos(ready);
    const n = ready.n_items;
    if (!isEmpty(query)) return;
    if (n === 0) return showEmpty();
    const count = n === 1 ? "One product" : counted(n, "product");
    at("catalog-size").textContent = `${count}. Describe one${ready.n_images ? ", show an image of it, or do both" : ""}.`;
  } catch (error) {
    const { message, remedy } = asProblem(error);
    showNotice(message, remedy);
  }
}
