// A query: what the shopper asks for, its form in the page's address, and in a request.

import { capitalized, labelOf, price } from "./values.js";

/** Text, text to avoid, at most one image (the shopper's photo, or that of the item with sku `like`), and filters:
 * `wanted` and `unwanted` are lists of `[field, value]`; prices are in the smallest unit of the currency. */
export const EMPTY_QUERY = Object.freeze({
  text: "",
  without: "",
  like: "",
  photo: null,
  wanted: Object.freeze([]),
  unwanted: Object.freeze([]),
  minPrice: null,
  maxPrice: null,
  sort: "",
  asTyped: false,
});

export const SORTS = {
  "": "Best match",
  newest: "Newest",
  price_asc: "Price, low to high",
  price_desc: "Price, high to low",
};

/** Whether a query asks for nothing at all; a sort alone browses everything. */
export function isEmpty(query) {
  return !(isRanked(query) || query.without || query.sort || hasFilters(query));
}

/** Whether it has words or an image, so that hits can be more and less alike to it. */
export function isRanked({ text, like, photo }) {
  return Boolean(text || like || photo);
}

export function hasFilters({ wanted, unwanted, minPrice, maxPrice }) {
  return wanted.length > 0 || unwanted.length > 0 || minPrice !== null || maxPrice !== null;
}

export function withoutFilters(query) {
  const { wanted, unwanted, minPrice, maxPrice } = EMPTY_QUERY;
  return { ...query, wanted, unwanted, minPrice, maxPrice };
}

/** The query with a value wanted, or no longer. */
export function toggled(query, field, value) {
  const isHeld = holds(query.wanted, field, value);
  const wanted = isHeld ? less(query.wanted, field, value) : [...query.wanted, [field, value]];
  const unwanted = isHeld ? query.unwanted : query.unwanted.filter(([each]) => each !== field);
  return { ...query, wanted, unwanted };
}

/** The query with a value to be left out. */
export function excluding(query, field, value) {
  const wanted = less(query.wanted, field, value);
  return { ...query, wanted, unwanted: [...less(query.unwanted, field, value), [field, value]] };
}

export function holds(conditions, field, value) {
  return conditions.some((condition) => isSame(condition, field, value));
}

function less(conditions, field, value) {
  return conditions.filter((condition) => !isSame(condition, field, value));
}

/** The service compares values without regard to case, and so does an address that was typed. */
function isSame([name, held], field, value) {
  return name === field && held.toLowerCase() === value.toLowerCase();
}

/** Each filter of a query in words, with the query that lacks it. */
export function conditionsOf(query, currency = null) {
  const { wanted, unwanted, minPrice, maxPrice } = query;
  const conditions = [
    ...wanted.map(([field, value]) => ({ words: `${labelOf(field)}: ${value}`, rest: toggled(query, field, value) })),
    ...unwanted.map(([field, value]) => ({
      words: `Not ${field === "sku" ? value : `${labelOf(field).toLowerCase()}: ${value}`}`,
      rest: { ...query, unwanted: less(unwanted, field, value) },
    })),
  ];
  if (minPrice !== null || maxPrice !== null) {
    const least = minPrice !== null && `from ${price(minPrice, currency)}`;
    const most = maxPrice !== null && `up to ${price(maxPrice, currency)}`;
    const words = capitalized([least, most].filter(Boolean).join(" "));
    conditions.push({ words, rest: { ...query, minPrice: null, maxPrice: null } });
  }
  return conditions;
}

/** The filters as the API takes them. */
function filtersOf({ wanted, unwanted, minPrice, maxPrice }) {
  const filters = {};
  for (const [field, value] of unwanted) filters[field] = { not: [...(filters[field]?.not ?? []), value] };
  const any = Map.groupBy(wanted, ([field]) => field);
  for (const [field, values] of any) filters[field] = values.map(([, value]) => value); // says more than what is unwanted
  if (minPrice !== null || maxPrice !== null) {
    filters.price_cents = { ...(minPrice !== null && { gte: minPrice }), ...(maxPrice !== null && { lte: maxPrice }) };
  }
  return filters;
}

/** The query as a search request has it, except for a photo. */
export function requestOf(query) {
  const { text, without, like, sort, asTyped } = query;
  const images = like ? [{ sku: like }] : [];
  return { text, without, images, filters: filtersOf(query), ...(sort && { sort }), ...(asTyped && { correct: false }) };
}

/** The part of an address that stands for the query, with its question mark; empty for the empty query. */
export function addressOf({ text, without, like, wanted, unwanted, minPrice, maxPrice, sort, asTyped }) {
  const parameters = new URLSearchParams();
  const words = { q: text, without, like, min: minPrice, max: maxPrice, sort };
  for (const [name, value] of Object.entries(words)) if (value !== "" && value !== null) parameters.append(name, value);
  if (asTyped) parameters.append("as", "typed");
  for (const [field, value] of wanted) parameters.append(`is.${field}`, value);
  for (const [field, value] of unwanted) parameters.append(`not.${field}`, value);
  return parameters.size ? `?${parameters}` : "";
}

/** The query of an address, with the photo that the address cannot hold. */
export function queryOf(address, photo = null) {
  const parameters = new URLSearchParams(address);
  const word = (name) => (parameters.get(name) ?? "").trim();
  const conditions = (prefix) =>
    [...parameters].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : []));
  return {
    text: word("q"),
    without: word("without"),
    like: word("like"),
    photo,
    wanted: conditions("is."),
    unwanted: conditions("not."),
    minPrice: amount(word("min")),
    maxPrice: amount(word("max")),
    sort: word("sort") in SORTS ? word("sort") : "",
    asTyped: word("as") === "typed",
  };
}

function amount(text) {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
