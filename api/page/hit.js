// One hit as a tile. What the catalog says reaches the document as text only, never as markup.

const N_FACTS = 3;
const MAX_FACT_CHARS = 28;

/** A tile of the grid; `onSimilar` is called with the sku. What reranking finds is shown in it by findings.js. */
export function hitElement(hit, onSimilar) {
  const element = document.getElementById("hit").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(`.${name}`);
  const name = hit.title || hit.sku;
  showPicture(part("tile"), hit.image_url);
  part("title").append(titled(name, hit.url));
  part("price").textContent = price(hit.price_cents, hit.currency);
  part("facts").append(...facts(hit).map((fact) => Object.assign(document.createElement("li"), fact)));
  showConfidence(part, hit);
  part("similar").setAttribute("aria-label", `Similar to ${name}`);
  part("similar").addEventListener("click", () => onSimilar(hit.sku));
  return element;
}

/** How sure the search is of a hit; where nobody calibrated the encoder, its score, which only compares. */
export function showConfidence(part, { confidence, score }) {
  const isSure = confidence !== null;
  const meaning = isSure ? "How likely this is what you asked for" : "Compares the hits of one search";
  part("score").title = `${meaning}. Score ${score.toFixed(3)} of 1`;
  part("score-bar").style.setProperty("--score", isSure ? confidence : score);
  part("score-number").textContent = isSure ? `${percent(confidence)} sure` : score.toFixed(2);
}

/** Never quite 0 or 100 %, which no measurement gives. */
function percent(probability) {
  return (Math.min(Math.max(Math.round(100 * probability), 1), 99) / 100).toLocaleString(undefined, { style: "percent" });
}

function showPicture(tile, url) {
  const image = tile.querySelector("img");
  image.addEventListener("error", () => tile.classList.add("empty"));
  if (url) image.src = url;
  else tile.classList.add("empty");
}

/** The title, linked to the shop's page where that is a web address and nothing else. */
function titled(name, url) {
  if (!/^https?:\/\//i.test(url ?? "")) return name;
  const properties = { textContent: name, href: url, target: "_blank", rel: "noopener noreferrer" };
  return Object.assign(document.createElement("a"), properties);
}

function price(cents, currency) {
  if (cents === null) return "";
  if (!/^[A-Z]{3}$/.test(currency ?? "")) return (cents / 100).toLocaleString(undefined, { minimumFractionDigits: 2 });
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(cents / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** The first few attributes that are short and that the title does not say already. */
function facts({ title, attributes }) {
  const said = title.toLowerCase();
  return Object.entries(attributes)
    .map(([key, value]) => ({ title: key.replaceAll("_", " "), textContent: [value].flat().join(", ") }))
    .filter(({ textContent }) => /\p{L}/u.test(textContent) && textContent.length <= MAX_FACT_CHARS)
    .filter(({ textContent }) => !said.includes(textContent.toLowerCase()))
    .filter((fact, index, all) => all.findIndex(({ textContent }) => textContent === fact.textContent) === index)
    .slice(0, N_FACTS);
}
