// The notice above the hits: what went wrong, or why there is nothing and what comes nearest.

import { post } from "./api.js";
import { at, button, make } from "./elements.js";
import { conditionsOf, hasFilters, requestOf, withoutFilters } from "./query.js";
import { counted } from "./values.js";

const N_RELAXED = 5; // filters that are tried to be left out
const N_NEAREST = 8;
const EMPTY_REMEDY = "Import a file here, or on the command line: vitrina index products.csv";

export function showNotice(message, remedy, actions = []) {
  at("notice-message").textContent = message;
  at("notice-remedy").textContent = remedy;
  at("notice-actions").replaceChildren(...actions);
  at("notice").hidden = false;
}

export function hideNotice() {
  at("notice").hidden = true;
}

/** Buttons that leave out the filters of a query one by one, and call `search` with the rest. */
export function relaxing(query, search) {
  return conditionsOf(query)
    .slice(0, N_RELAXED)
    .map(({ words, rest }) => button("outline", `Drop “${words}”`, () => search(rest)));
}

/** Say why a query finds nothing, and show what comes nearest: `showHits` is called with the hits without its filters. */
export async function showNothing(query, search, showHits, signal) {
  const toImports = make("a", { className: "outline", href: "/catalog", textContent: "Import a catalog" });
  if (!hasFilters(query)) return showNotice("The catalog is empty.", EMPTY_REMEDY, [toImports]);
  const conditions = conditionsOf(query).slice(0, N_RELAXED);
  const [these, them] = conditions.length === 1 ? ["this filter", "it"] : ["all of these filters", "them"];
  showNotice(`No product passes ${these}.`, "", relaxing(query, search));
  if (query.photo) return;
  const find = (asked, limit) => post("/v1/search", { ...requestOf(asked), limit }, { signal });
  try {
    const [{ hits }, ...found] = await Promise.all([
      find(withoutFilters(query), N_NEAREST),
      ...conditions.map(({ rest }) => find(rest, 1)),
    ]);
    const actions = conditionsOf(query, hits[0]?.currency).map(({ words, rest }, index) => {
      const n = found[index]?.n_candidates;
      return n ? button("outline", `Drop “${words}”: ${counted(n, "product")}`, () => search(rest)) : "";
    });
    at("notice-actions").replaceChildren(...actions.filter(Boolean));
    at("notice-remedy").textContent = hits.length ? `Below is what comes nearest without ${them}.` : "";
    showHits(hits);
  } catch {
    // The buttons without numbers stay.
  }
}
