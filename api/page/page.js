// The search page. What the catalog says reaches the document as text only, never as markup.

import { eventsOf } from "./events.js";
import { showExplanation, showFindings } from "./findings.js";
import { hitElement, showConfidence } from "./hit.js";
import { showLook } from "./looking.js";

const PAGE_SIZE = 24;
const DEEPEST_RANK = 1000; // search/query.py, WINDOW

const at = (id) => document.getElementById(id);
const form = at("search");
const results = at("results");
const grid = at("grid");

/** What is asked: words, words to avoid, and at most one picture: the shopper's photo or the item with sku `like`. */
const NOTHING = Object.freeze({ text: "", without: "", like: "", photo: null });
let asked = NOTHING;
let nextOffset = 0;
let pending = new AbortController();

/** The tiles of the answer that came last, by sku: its steps may put them into another order. */
let tiles = new Map();

/** Photos do not fit into an address; while the page lives, going back finds them here by number. */
const photos = [];

/** An error as the API words it: what is wrong, and what to do about it. */
class Problem extends Error {
  constructor(message, remedy, mayPass) {
    super(message);
    this.remedy = remedy;
    this.mayPass = mayPass; // asking again may help
  }
}

// Asking

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer.", "See that it is running and that you are online.", true);
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

function request(question, offset) {
  const fields = { text: question.text, without: question.without, limit: PAGE_SIZE, offset };
  const headers = isReranked() ? { Accept: "text/event-stream" } : {};
  if (isReranked()) fields.rerank = true;
  if (!question.photo) {
    const images = question.like ? [{ sku: question.like }] : [];
    return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ ...fields, images }) };
  }
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("image", question.photo);
  return { headers, body };
}

/** Ask from `offset` on and show the answer; a newer question makes an older one's answer moot. */
async function ask(offset = 0) {
  pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  tiles = new Map();
  showLoading(offset);
  try {
    const options = { method: "POST", signal, ...request(asked, offset) };
    if (isReranked()) await askInSteps(options, offset);
    else showAnswer(await call("/v1/search", options), offset);
  } catch (error) {
    if (!signal.aborted) showProblem(error, offset);
  } finally {
    if (!signal.aborted) results.setAttribute("aria-busy", "false");
  }
}

/** Show each step of an answer as it comes: first the retrieval's order, then the reranked one, then explanations. */
async function askInSteps(options, offset) {
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

// Reranking, where the service has a reranker

function isReranked() {
  return !at("closer").hidden && at("rerank").checked;
}

/** What the browser keeps of choices; null where its owner forbids that, which throws. */
function kept() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

async function offerReranking() {
  const { reranker } = await call("/readyz").catch(() => ({}));
  at("rerank").checked = kept()?.getItem("rerank") !== "off";
  at("closer").hidden = !["ready", "opening"].includes(reranker?.status);
  at("closer").title = reranker ? `Looked at by ${reranker.name}` : "";
}

// The question and the address

function search(question) {
  asked = question;
  if (asked.photo && !photos.includes(asked.photo)) photos.push(asked.photo);
  history.pushState({ photo: photos.indexOf(asked.photo) }, "", address(asked));
  showQuestion();
}

function address({ text, without, like }) {
  const given = Object.entries({ q: text, without, like }).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : location.pathname;
}

function readAddress() {
  const given = new URLSearchParams(location.search);
  const word = (name) => (given.get(name) ?? "").trim();
  asked = { text: word("q"), without: word("without"), like: word("like"), photo: photos[history.state?.photo] ?? null };
  showQuestion();
}

function typed() {
  return { text: at("text").value.trim(), without: at("without").value.trim() };
}

/** Bring form, title and results in line with what is asked. */
function showQuestion() {
  at("text").value = asked.text;
  at("without").value = asked.without;
  document.title = asked.text ? `${asked.text} · Vitrina` : "Vitrina";
  showSubject();
  const isStart = !(asked.text || asked.without || asked.like || asked.photo);
  document.body.classList.toggle("start", isStart);
  if (isStart) clear();
  else ask();
}

function showSubject() {
  const image = at("subject-image");
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.alt = "";
  const hasPicture = Boolean(asked.photo || asked.like);
  at("subject").hidden = !hasPicture;
  at("text").placeholder = hasPicture ? "in red, of leather" : "navy linen shirt";
  at("photo").value = "";
  if (asked.photo) image.src = URL.createObjectURL(asked.photo);
  else if (asked.like) showItem(asked.like, image);
}

async function showItem(sku, image) {
  try {
    const item = await call(`/v1/items/${encodeURIComponent(sku)}`);
    if (asked.like !== sku) return;
    image.alt = item.title || sku;
    if (item.image_url) image.src = item.image_url;
  } catch {
    // The search by the same sku says what is wrong.
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
  showCatalog();
}

function showLoading(offset) {
  results.setAttribute("aria-busy", "true");
  at("notice").hidden = true;
  at("rerank-note").textContent = "";
  at("more").disabled = true;
  if (offset || grid.children.length) return;
  grid.replaceChildren(...Array.from({ length: 8 }, () => at("skeleton").content.cloneNode(true)));
}

/** Show an answer, or the next step of one; `isFirst` where the reranked order is still to come. */
function showAnswer(answer, offset, isFirst = false) {
  const others = answer.hits.filter(({ sku }) => sku !== asked.like); // that one stands in the search already
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
  if (!answer.total_considered) showEmptyCatalog();
  else if (answer.no_good_match) {
    showNotice("No good match.", "Nothing here seems to be quite what you asked for. These come closest.");
  }
  if (offset && isNew) shown[0]?.querySelector("button")?.focus({ preventScroll: true });
}

/** The hit's tile, the same through all steps of an answer, so that its picture does not flicker. */
function tileOf(hit) {
  const tile = tiles.get(hit.sku) ?? hitElement(hit, searchSimilar);
  showConfidence((name) => tile.querySelector(`.${name}`), hit);
  showFindings(tile, hit, showLook);
  return tile;
}

function showTime({ total }) {
  at("timing").classList.remove("busy");
  at("timing").textContent = `${Math.max(1, Math.round(total))} ms`;
}

function summary(answer) {
  const strong = (text) => Object.assign(document.createElement("b"), { textContent: text });
  const what = [asked.text && `“${asked.text}”`, asked.photo && "your photo", asked.like && "this picture"].filter(Boolean);
  const total = answer.total_considered - (asked.like ? 1 : 0);
  const parts = [`Best ${grid.children.length.toLocaleString()} of ${total.toLocaleString()} for `, strong(what.join(" and "))];
  return asked.without ? [...parts, ", without ", strong(`“${asked.without}”`)] : parts;
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
  showNotice(isKnown ? error.message : "The page stumbled over the answer.", error.remedy ?? "Reload the page.");
  at("notice-retry").hidden = !error.mayPass;
  at("notice-retry").onclick = () => ask(offset);
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
    at("catalog-size").textContent = `${count}. Describe one, show a picture of it, or do both.`;
  } catch (error) {
    if (error instanceof Problem) showNotice(error.message, error.remedy);
  }
}

// What the shopper does

function takePhoto(files) {
  const given = [...files];
  const photo = given.find((file) => file.type.startsWith("image/"));
  if (photo) search({ ...typed(), like: "", photo });
  else if (given.length) showNotice(`“${given[0].name}” is not a picture.`, "Take a JPEG, PNG or WebP file.");
}

function searchSimilar(sku) {
  search({ ...NOTHING, like: sku });
  scrollTo({ top: 0 });
  at("summary").focus({ preventScroll: true });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (matchMedia("(hover: none)").matches) document.activeElement?.blur(); // puts the on-screen keyboard away
  search({ ...asked, ...typed() });
});

at("photo").addEventListener("change", (event) => takePhoto(event.target.files));
at("rerank").addEventListener("change", ({ target }) => {
  kept()?.setItem("rerank", target.checked ? "on" : "off");
  if (!document.body.classList.contains("start")) ask();
});
at("more").addEventListener("click", () => ask(nextOffset));
at("subject-remove").addEventListener("click", () => {
  search({ ...typed(), like: "", photo: null });
  at("text").focus();
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
const setDragging = (isDragging) => document.body.classList.toggle("dragging", isDragging);
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  setDragging(true);
});
addEventListener("dragleave", (event) => event.relatedTarget ?? setDragging(false));
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  setDragging(false);
  takePhoto(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  const { files = [], types = [] } = event.clipboardData ?? {};
  if (!files.length || types.includes("text/plain")) return; // a spreadsheet's cells come with a picture of themselves
  event.preventDefault();
  takePhoto(files);
});
addEventListener("popstate", readAddress);
await offerReranking();
readAddress();
