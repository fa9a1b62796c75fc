// The filters above the hits: a chip for each field of the catalog, with its values and how many hits have them, prices,
// the order, and what is chosen now.

import { post } from "./api.js";
import { at, button, make } from "./elements.js";
import { SORTS, addressOf, conditionsOf, holds, isEmpty, isRanked, requestOf, toggled, withoutFilters } from "./query.js";
import { labelOf, price, unitsOf } from "./values.js";

const N_FIELDS = 8;
const N_VALUES_SHOWN = 14;
const MAX_VALUES = 60;
const MIN_TOTAL = 4;
const PRICE = "price_cents";

let query = null;
let facets = { total: 0, fields: [], prices: [] };
let shown = { words: "", fields: [] }; // the fields that have a chip, kept while only filters change
let openField = null;
let showsAll = false;
let pending = new AbortController();
let onChange = () => {};

/** Let the filters ask `search(query)` for the hits of another query. */
export function connectFilters(search) {
  onChange = search;
  at("sort").append(...Object.entries(SORTS).map(([value, textContent]) => make("option", { value, textContent })));
  at("sort").addEventListener("change", ({ target }) => search({ ...query, sort: target.value }));
  at("filters").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !openField) return;
    const field = openField;
    event.stopPropagation();
    open(null);
    chipOf(field)?.focus();
  });
}

/** Show the filters of a query, and how many items have each value as soon as the service has counted them. */
export async function showFilters(newQuery) {
  query = newQuery;
  pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  showConditions();
  if (isEmpty(query)) open(null);
  at("sort").value = query.sort;
  at("filters").ariaBusy = "true";
  try {
    const counted = await count(signal);
    if (signal.aborted) return;
    facets = counted;
    showFacets();
  } catch {
    // The search itself says what is wrong.
  }
  if (!signal.aborted) at("filters").ariaBusy = "false";
}

/** The values of what the query finds; of all that passes the filters where that is little to choose from, or a photo is
 * given, which is not sent to count. */
async function count(signal) {
  const request = requestOf(query);
  const ask = (asked) => post("/v1/facets", { query: asked, limit: MAX_VALUES }, { signal });
  const found = isRanked({ ...query, photo: null }) ? await ask(request) : null;
  return found?.total >= MIN_TOTAL ? found : ask({ filters: request.filters });
}

/** The fields that are worth a chip: that divide the hits, or are filtered by. */
function fieldsWorthAChip({ fields, total }) {
  const divides = ({ field, n_values: n, values }) => field !== "sku" && n > 1 && n <= total / 1.5 && values[0].count > 1;
  const isChosen = ({ field }) => query.wanted.some(([name]) => name === field);
  const worth = fields.filter(divides).slice(0, N_FIELDS);
  return [...new Set([...worth, ...fields.filter(isChosen)])].map(({ field }) => field);
}

/** The fields that have a chip. Those of the same words stay where they are, though fewer hits may differ in them. */
function chosenFields() {
  const words = addressOf(withoutFilters({ ...query, sort: "" }));
  const isThere = (field) => facets.fields.some((each) => each.field === field);
  const kept = shown.words === words ? shown.fields.filter(isThere) : [];
  shown = { words, fields: [...new Set([...kept, ...fieldsWorthAChip(facets)])] };
  return shown.fields;
}

function showConditions() {
  const conditions = conditionsOf(query, currency());
  const chips = conditions.map(({ words, rest }) => {
    const chip = button("condition", words, () => onChange(rest));
    chip.ariaLabel = `Remove ${words}`;
    chip.append(make("span", { className: "cross", textContent: "×", ariaHidden: "true" }));
    return make("li", {}, chip);
  });
  const clear = button("quiet", "Clear all", () => onChange(withoutFilters(query)));
  if (conditions.length > 1) chips.push(make("li", {}, clear));
  at("conditions").replaceChildren(...chips);
}

function showFacets() {
  const fields = [...chosenFields(), ...(hasPrices() ? [PRICE] : [])];
  if (openField && !fields.includes(openField)) openField = null;
  const focused = focusedKey();
  at("facets").replaceChildren(...fields.map(facetChip));
  showConditions(); // prices are shown in the currency of the catalog
  showPanel();
  focusKey(focused);
}

function facetChip(field) {
  const n = field === PRICE ? 0 : query.wanted.filter(([name]) => name === field).length;
  const toggle = () => open(openField === field ? null : field);
  const chip = button("facet", field === PRICE ? "Price" : labelOf(field), toggle);
  if (n) chip.append(make("span", { className: "count", textContent: n }));
  chip.dataset.key = `field ${field}`;
  chip.ariaExpanded = String(openField === field);
  chip.setAttribute("aria-controls", "facet-panel");
  return chip;
}

function open(field) {
  openField = field;
  showsAll = false;
  for (const chip of at("facets").children) chip.ariaExpanded = String(chip.dataset.key === `field ${field}`);
  showPanel();
}

function showPanel() {
  const field = facets.fields.find((each) => each.field === openField);
  at("facet-panel").hidden = !openField;
  if (!openField) return void at("facet-panel").replaceChildren();
  at("facet-panel").ariaLabel = openField === PRICE ? "Price" : labelOf(openField);
  at("facet-panel").replaceChildren(...(field ? valueChips(field) : [priceForm()]));
}

function valueChips({ field, values, n_values }) {
  const visible = showsAll ? values : values.slice(0, N_VALUES_SHOWN);
  const chips = visible.map(({ value, count }) => {
    const text = String(value);
    const chip = button("value", text, () => onChange(toggled(query, field, text)));
    chip.append(make("span", { className: "count", textContent: count.toLocaleString() }));
    chip.dataset.key = `value ${text}`;
    chip.ariaPressed = String(holds(query.wanted, field, text));
    return chip;
  });
  const n_unlisted = n_values - values.length;
  if (visible.length === values.length) return n_unlisted ? [...chips, rest(n_unlisted)] : chips;
  const all = button("quiet", `Show all ${n_values.toLocaleString()}`, () => {
    showsAll = true;
    showPanel();
    at("facet-panel").children[N_VALUES_SHOWN]?.focus();
  });
  return [...chips, all];
}

function rest(n) {
  return make("span", { className: "quiet", textContent: `and ${n.toLocaleString()} more: search for them by name` });
}

/** Prices of the catalog's main currency: amounts of several cannot be compared. */
function priceForm() {
  const [{ min_cents: least, max_cents: most }] = facets.prices;
  const units = unitsOf(currency());
  const field = (name, label, cents, placeholder) => {
    const input = make("input", { name, type: "number", min: 0, step: "any", inputMode: "decimal", placeholder });
    if (cents !== null) input.value = cents / units;
    return make("label", { className: "field" }, make("span", { textContent: label }), input);
  };
  const form = make(
    "form",
    { className: "price-range" },
    field("min", `From (${currency() ?? "amount"})`, query.minPrice, least / units),
    field("max", `Up to (${currency() ?? "amount"})`, query.maxPrice, most / units),
    make("button", { className: "outline", textContent: "Apply" }),
    make("span", { className: "quiet", textContent: `${price(least, currency())} to ${price(most, currency())} here` }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const cents = (name) => {
      const { value, valueAsNumber } = form.elements[name];
      return value === "" ? null : Math.round(valueAsNumber * units);
    };
    onChange({ ...query, minPrice: cents("min"), maxPrice: cents("max") });
  });
  return form;
}

function hasPrices() {
  const isChosen = query.minPrice !== null || query.maxPrice !== null;
  return facets.prices.length > 0 && (isChosen || facets.prices[0].max_cents > facets.prices[0].min_cents);
}

function currency() {
  return facets.prices[0]?.currency ?? null;
}

function chipOf(field) {
  return [...at("facets").children].find(({ dataset }) => dataset.key === `field ${field}`);
}

// The chips are made anew with every answer; the focus stays on the one it is on.
function focusedKey() {
  return at("filters").contains(document.activeElement) ? document.activeElement.dataset.key : null;
}

function focusKey(key) {
  if (key) at("filters").querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

