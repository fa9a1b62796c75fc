// The switch for reranking, where the service has a reranker.

import { call } from "./api.js";
import { at } from "./elements.js";
import { offerPhotos } from "./photos.js";
import { isRanked } from "./query.js";

/** Whether a query is reranked; without words and images there is nothing to check hits against. */
export function isReranked(query) {
  return isRanked(query) && !at("rerank-option").hidden && at("rerank").checked;
}

/** Show the switch as it was left, if there is a reranker; `onChange` is called when it is turned. */
export async function connectReranking(onChange) {
  at("rerank").addEventListener("change", ({ target }) => {
    storage()?.setItem("rerank", target.checked ? "on" : "off");
    onChange();
  });
  const ready = await call("/readyz").catch(() => ({}));
  const { reranker } = ready;
  offerPhotos(ready);
  at("rerank").checked = storage()?.getItem("rerank") !== "off";
  at("rerank-option").hidden = !["ready", "opening"].includes(reranker?.status);
  at("rerank-option").title = reranker ? `Reranked by ${reranker.name}` : "";
}

/** Where the browser stores options; null if its settings forbid that, which throws. */
function storage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
