// Values of the catalog in the reader's language: prices, options, names of fields.

/** An amount in the currency's smallest unit, such as cents; empty for null. */
export function price(cents, currency) {
  if (cents === null) return "";
  if (!isCurrency(currency)) return (cents / 100).toLocaleString(undefined, { minimumFractionDigits: 2 });
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(cents / unitsOf(currency));
}

/** The price of an item, from its lowest to its highest if its variants differ. */
export function priceRange({ price_cents: least, max_price_cents: most, currency }) {
  const lowest = price(least, currency);
  return most === null || most === least ? lowest : `${lowest} – ${price(most, currency)}`;
}

/** How many of a currency's smallest units make one of it: 100 for most, 1 for yen. */
export function unitsOf(currency) {
  if (!isCurrency(currency)) return 100;
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return 10 ** format.resolvedOptions().maximumFractionDigits;
}

function isCurrency(code) {
  return /^[A-Z]{3}$/.test(code ?? "");
}

/** What a variant is, such as "M, navy". */
export function optionsOf({ options, sku }) {
  return Object.values(options).join(", ") || sku;
}

/** What a variant is called beside others of which some have other titles than the item; empty where none has. */
export function titleOf(variant, variants, itemTitle) {
  return variants.some(({ title }) => title && title !== itemTitle) ? variant.title || itemTitle : "";
}

/** The name of a field as a label: "Sleeve length" for sleeve_length. */
export function labelOf(field) {
  return capitalized(field.replaceAll(/[_.]+/g, " ").trim());
}

/** The text of an attribute, which may have several values. */
export function textOf(value) {
  return [value].flat().join(", ");
}

export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "1 product", "2 products", with the reader's separators. */
export function counted(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

/** A moment of an ISO string in the reader's time. */
export function moment(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** The address if it is one of the web; null otherwise, as for javascript: URLs. */
export function webAddress(url) {
  return /^https?:\/\//i.test(url ?? "") ? url : null;
}

/** Where an item's own page is. */
export function itemUrl(sku, search = "") {
  return `/items/${encodeURIComponent(sku)}${search}`;
}
