// The search page. What the catalog says reaches the document as text only, never as markup.

import { eventsOf } from "./events.js";
import { hitElement, showConfidence } from "./hit.js";
import { showLocalization } from "./localization.js";
import { showExplanation, showVerdicts } from "./verdicts.js";
import { connectWhyNot, resetWhyNot } from "./why_not.js";

const PAGE_SIZE = 24;
const DEEPEST_RANK = 1000; // search/types/query.py, WINDOW

const at = (id) => document.getElementById(id);
const form = at("search");
const results = at("results");
const grid = at("grid");

/** A query: text, text to avoid, and at most one image: the shopper's photo, or that of the item with sku `like`. */
const EMPTY_QUERY = Object.freeze({ text: "", without: "", like: "", photo: null });
let query = EMPTY_QUERY;
let nextOffset = 0;
let pending = new AbortController();

/** The tiles of the latest answer, by sku: reranking may put them into another order. */
let tiles = new Map();

/** Photos do not fit into a URL; as long as the page is open, going back finds them here by number. */
const photos = [];

/** An error of the API: what is wrong, and what to do about it. */
class Problem extends Error {
  constructor(message, remedy, isTransient) {
    super(message);
    this.remedy = remedy;
    this.isTransient = isTransient; // trying again may help
  }
}

// Requests

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer.", "Check that it is running and that you are online.", true);
  }
  if (response.ok) return response;
  throw problem(await response.json().catch(() => null), response.status);
}

async function call(path, options = {}) {
  const response = await send(path, options);
  return response.json().catch(() => Promise.reject(problem(null, response.status)));
}

function problem(answer, status) {
  const { message, remedy } = answer?.error ?? {};
  const words = [message ?? `The service answered with status ${status}.`, remedy ?? "Try again in a moment."];
  return new Problem(...words, status >= 500 || status === 200);
}

function request(query, offset) {
  const fields = { text: query.text, without: query.without, limit: PAGE_SIZE, offset };
  const headers = isReranked() ? { Accept: "text/event-stream" } : {};
  if (isReranked()) fields.rerank = true;
  if (!query.photo) {
    const images = query.like ? [{ sku: query.like }] : [];
    return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ ...fields, images }) };
  }
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
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
    const options = { method: "POST", signal, ...request(query, offset) };
    if (isReranked()) await showStream(options, offset);
    else showAnswer(await call("/v1/search", options), offset);
  } catch (error) {
    if (!signal.aborted) showProblem(error, offset);
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

/** The API's explanation of an item's rank, for the search on the page and as many hits as it shows. */
async function explain(sku, signal) {
  const { text, without, like, photo } = query;
  const images = photo ? [await dataUri(photo)] : like ? [{ sku: like }] : [];
  const asked = { text, without, images, limit: Math.min(Math.max(nextOffset, PAGE_SIZE), DEEPEST_RANK) };
  if (isReranked()) asked.rerank = true;
  const headers = { "Content-Type": "application/json" };
  return call("/v1/explain", { method: "POST", signal, headers, body: JSON.stringify({ query: asked, sku }) });
}

function dataUri(photo) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Problem("The photo cannot be read.", "Choose it again.", false)));
    reader.readAsDataURL(photo);
  });
}

// Reranking, if the service has a reranker

function isReranked() {
  return !at("rerank-option").hidden && at("rerank").checked;
}

/** Where the browser stores options; null if its settings forbid that, which throws. */
function storage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

async function showRerankOption() {
  const { reranker } = await call("/readyz").catch(() => ({}));
  at("rerank").checked = storage()?.getItem("rerank") !== "off";
  at("rerank-option").hidden = !["ready", "opening"].includes(reranker?.status);
  at("rerank-option").title = reranker ? `Reranked by ${reranker.name}` : "";
}

// The query and the URL

function search(newQuery) {
  query = newQuery;
  if (query.photo && !photos.includes(query.photo)) photos.push(query.photo);
  history.pushState({ photo: photos.indexOf(query.photo) }, "", urlOf(query));
  showQuery();
}

function urlOf({ text, without, like }) {
  const parameters = Object.entries({ q: text, without, like }).filter(([, value]) => value);
  return parameters.length ? `?${new URLSearchParams(parameters)}` : location.pathname;
}

function readUrl() {
  const parameters = new URLSearchParams(location.search);
  const word = (name) => (parameters.get(name) ?? "").trim();
  query = { text: word("q"), without: word("without"), like: word("like"), photo: photos[history.state?.photo] ?? null };
  showQuery();
}

function typedText() {
  return { text: at("text").value.trim(), without: at("without").value.trim() };
}

/** Bring form, title and results in line with the query. */
function showQuery() {
  at("text").value = query.text;
  at("without").value = query.without;
  document.title = query.text ? `${query.text} · Vitrina` : "Vitrina";
  showQueryImage();
  const isStart = !(query.text || query.without || query.like || query.photo);
  document.body.classList.toggle("start", isStart);
  if (isStart) clear();
  else runSearch();
}

function showQueryImage() {
  const image = at("query-image-preview");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.alt = "";
  const hasImage = Boolean(query.photo || query.like);
  at("query-image").hidden = !hasImage;
  at("text").placeholder = hasImage ? "in red, of leather" : "navy linen shirt";
  at("photo").value = "";
  if (query.photo) image.src = URL.createObjectURL(query.photo);
  else if (query.like) showItem(query.like, image);
}

async function showItem(sku, image) {
  try {
    const item = await call(`/v1/items/${encodeURIComponent(sku)}`);
    if (query.like !== sku) return;
    image.alt = item.title || sku;
    if (item.image_url) image.src = item.image_url;
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
  at("notice").hidden = true;
  resetWhyNot(false);
  showCatalog();
}

function showLoading(offset) {
  results.setAttribute("aria-busy", "true");
  at("notice").hidden = true;
  at("rerank-note").textContent = "";
  at("more").disabled = true;
  if (!offset) resetWhyNot(false);
  if (offset || grid.children.length) return;
  grid.replaceChildren(...Array.from({ length: 8 }, () => at("skeleton").content.cloneNode(true)));
}

/** Show an answer; `isFirst` if its reranked order is still to come. */
function showAnswer(answer, offset, isFirst = false) {
  const others = answer.hits.filter(({ sku }) => sku !== query.like); // the search form shows that one already
  const isNew = !tiles.size;
  const shown = others.map((hit) => tileOf(hit));
  if (!offset) grid.replaceChildren(...shown);
  else {
    for (const tile of tiles.values()) tile.remove();
    grid.append(...shown);
  }
  tiles = new Map(others.map(({ sku }, index) => [sku, shown[index]]));
  nextOffset = offset + answer.hits.length;
  at("summary").replaceChildren(...summary(answer));
  showTime(answer.timings_ms);
  if (isFirst) at("timing").textContent = "Checking the best matches";
  at("timing").classList.toggle("busy", isFirst);
  at("rerank-note").textContent = answer.rerank_note;
  at("more").hidden = nextOffset >= answer.total_considered || nextOffset + PAGE_SIZE > DEEPEST_RANK || !shown.length;
  at("more").disabled = isFirst;
  if (!isFirst) resetWhyNot(answer.total_considered > 0);
  if (!answer.total_considered) showEmptyCatalog();
  else if (answer.no_good_match) {
    showNotice("No good match.", "Nothing here seems to be quite what you asked for. These come closest.");
  }
  if (offset && isNew) shown[0]?.querySelector("button")?.focus({ preventScroll: true });
}

/** The hit's tile, the same one before and after reranking, so that its image does not flicker. */
function tileOf(hit) {
  const tile = tiles.get(hit.sku) ?? hitElement(hit, searchSimilar);
  showConfidence((name) => tile.querySelector(`.${name}`), hit);
  showVerdicts(tile, hit, showLocalization);
  return tile;
}

function showTime({ total }) {
  at("timing").classList.remove("busy");
  at("timing").textContent = `${Math.max(1, Math.round(total))} ms`;
}

function summary(answer) {
  const strong = (text) => Object.assign(document.createElement("b"), { textContent: text });
  const what = [query.text && `“${query.text}”`, query.photo && "your photo", query.like && "this image"].filter(Boolean);
  const total = answer.total_considered - (query.like ? 1 : 0);
  const parts = [`Best ${grid.children.length.toLocaleString()} of ${total.toLocaleString()} for `, strong(what.join(" and "))];
  return query.without ? [...parts, ", without ", strong(`“${query.without}”`)] : parts;
}

function showProblem(error, offset) {
  const isKnown = error instanceof Problem;
  if (!isKnown) console.error(error);
  if (!offset && !tiles.size) {
    grid.replaceChildren();
    at("summary").replaceChildren();
    at("more").hidden = true;
  }
  at("timing").textContent = "";
  at("timing").classList.remove("busy");
  at("more").disabled = false;
  showNotice(isKnown ? error.message : "The page cannot show the answer.", error.remedy ?? "Reload the page.");
  at("notice-retry").hidden = !error.isTransient;
  at("notice-retry").onclick = () => runSearch(offset);
}

function showNotice(message, remedy) {
  at("notice-message").textContent = message;
  at("notice-remedy").textContent = remedy;
  at("notice-retry").hidden = true;
  at("notice").hidden = false;
}

function showEmptyCatalog() {
  at("summary").replaceChildren();
  at("timing").textContent = "";
  showNotice("The catalog is empty.", "Index one first, as in: vitrina index products.csv");
}

/** How much there is to search, on the start page. */
async function showCatalog() {
  try {
    const { items } = await call("/readyz");
    if (!document.body.classList.contains("start")) return;
    if (items === 0) return showEmptyCatalog();
    const count = items === 1 ? "One product" : `${items.toLocaleString()} products`;
    at("catalog-size").textContent = `${count}. Describe one, show an image of it, or do both.`;
  } catch (error) {
    if (error instanceof Problem) showNotice(error.message, error.remedy);
  }
}

// What the shopper does

function searchByPhoto(files) {
  const all = [...files];
  const photo = all.find((file) => file.type.startsWith("image/"));
  if (photo) search({ ...typedText(), like: "", photo });
  else if (all.length) showNotice(`“${all[0].name}” is not an image.`, "Choose a JPEG, PNG or WebP file.");
}

function searchSimilar(sku) {
  search({ ...EMPTY_QUERY, like: sku });
  scrollTo({ top: 0 });
  at("summary").focus({ preventScroll: true });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (matchMedia("(hover: none)").matches) document.activeElement?.blur(); // puts the on-screen keyboard away
  search({ ...query, ...typedText() });
});

at("photo").addEventListener("change", (event) => searchByPhoto(event.target.files));
at("rerank").addEventListener("change", ({ target }) => {
  storage()?.setItem("rerank", target.checked ? "on" : "off");
  if (!document.body.classList.contains("start")) runSearch();
});
at("more").addEventListener("click", () => runSearch(nextOffset));
at("query-image-remove").addEventListener("click", () => {
  search({ ...typedText(), like: "", photo: null });
  at("text").focus();
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const setDragging = (isDragging) => document.body.classList.toggle("dragging", isDragging);
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  setDragging(true);
});
addEventListener("dragleave", (event) => event.relatedTarget ?? setDragging(false));
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  setDragging(false);
  searchByPhoto(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  const { files = [], types = [] } = event.clipboardData ?? {};
  if (!files.length || types.includes("text/plain")) return; // a spreadsheet's cells come with an image of themselves
  event.preventDefault();
  searchByPhoto(files);
});
connectWhyNot(explain);
addEventListener("popstate", readUrl);
await showRerankOption();
readUrl();
