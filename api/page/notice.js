// The notice above the hits: what went wrong, or why there is nothing and what comes nearest.

import { post } from "./api.js";
import { at, button } from "./elements.js";
import { conditionsOf, hasFilters, requestOf, withoutFilters } from "./query.js";
import { counted } from "./values.js";

const N_RELAXED = 5; // filters that are tried to be left out
const N_NEAREST = 8;
const EMPTY_REMEDY = "Index one first, as in: vitrina index products.csv";

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
  if (!hasFilters(query)) return showNotice("The catalog is empty.", EMPTY_REMEDY);
  showNotice("No product passes all of these filters.", "", relaxing(query, search));
  if (query.photo) return;
  try {
    const [{ hits }, ...actions] = await Promise.all([
      post("/v1/search", { ...requestOf(withoutFilters(query)), limit: N_NEAREST }, { signal }),
      ...conditionsOf(query).slice(0, N_RELAXED).map((condition) => countedAction(condition, search, signal)),
    ]);
    at("notice-actions").replaceChildren(...actions.filter(Boolean));
    at("notice-remedy").textContent = hits.length ? "Below is what comes nearest without them." : "";
    showHits(hits);
  } catch {
    // The buttons without numbers stay.
  }
}

/** A button that drops one filter and says how many products that gives; null for none. */
async function countedAction({ words, rest }, search, signal) {
  const { n_candidates: total } = await post("/v1/search", { ...requestOf(rest), limit: 1 }, { signal });
  return total ? button("outline", `Drop “${words}”: ${counted(total, "product")}`, () => search(rest)) : null;
}
