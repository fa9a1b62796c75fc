// "Why is it not here?": the rank of any item for the search on the page, in a sentence, its verdicts and a table.
// What the catalog says reaches the document as text only, never as markup.

import { asProblem, loadImage } from "./api.js";
import { at, row } from "./elements.js";
import { capitalized } from "./values.js";
import { showVerdicts } from "./verdicts.js";

let pending = new AbortController();

/** Let the form under the hits ask `ask(sku, signal)` for the API's explanation of an item. */
export function connectWhyNot(ask) {
  at("why-not-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const sku = at("why-not-sku").value.trim();
    if (!sku) return;
    pending.abort();
    pending = new AbortController();
    const { signal } = pending;
    at("why-not").setAttribute("aria-busy", "true");
    try {
      const explained = await ask(sku, signal);
      if (!signal.aborted) showExplained(explained);
    } catch (error) {
      if (!signal.aborted) showProblem(error);
    } finally {
      if (!signal.aborted) at("why-not").setAttribute("aria-busy", "false");
    }
  });
}

/** Show the form if there are hits to miss an item among, without an earlier answer. */
export function resetWhyNot(isShown) {
  pending.abort();
  at("why-not").setAttribute("aria-busy", "false");
  at("why-not").hidden = !isShown;
  at("why-not-answer").hidden = true;
  at("why-not-problem").textContent = "";
}

function showExplained(explained) {
  const { item } = explained;
  at("why-not-problem").textContent = "";
  at("why-not-image").hidden = !item.image_url;
  loadImage(at("why-not-image"), item.image_url);
  at("why-not-item").textContent = explained.title || item.sku;
  at("why-not-sentence").textContent = explained.sentence;
  showVerdicts(at("why-not-answer"), { ...item, verdicts: explained.verdicts, explanation: null });
  const { parts, penalty } = explained;
  const rows = parts.map((part) => partRow(capitalized(part.part), part.rank, part.contribution, part.gap));
  if (penalty) rows.push(partRow(`To be avoided: ${explained.avoided.join(", ")}`, null, -penalty, null));
  at("why-not-parts").replaceChildren(...rows);
  at("why-not-table").hidden = !rows.length;
  at("why-not-answer").hidden = false;
}

function showProblem(error) {
  at("why-not-answer").hidden = true;
  const { message, remedy } = asProblem(error);
  at("why-not-problem").textContent = `${message} ${remedy}`;
}

function partRow(name, rank, contribution, gap) {
  return row(name, rank?.toLocaleString() ?? "–", signed(contribution), signed(gap));
}

function signed(number) {
  if (number === null) return "";
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;
}
