// One hit as a tile. What the catalog says reaches the document as text only, never as markup.

const N_FACTS = 3;
const MAX_FACT_CHARS = 28;

/** A tile of the grid; `onSimilar` is called with the sku. Its verdicts are shown by verdicts.js. */
export function hitElement(hit, onSimilar) {
  const element = document.getElementById("hit").content.cloneNode(true).firstElementChild;
  const part = (name) => element.querySelector(`.${name}`);
  const name = hit.title || hit.sku;
  showImage(part("tile"), hit.image_url);
  part("title").append(titleNode(name, hit.variant?.url ?? hit.url));
  const shown = hit.variant ?? hit;
  part("price").textContent = price(shown.price_cents, shown.currency);
  showVariants(part("variants"), hit);
  part("facts").append(...facts(hit).map((fact) => Object.assign(document.createElement("li"), fact)));
  showConfidence(part, hit);
  part("similar").setAttribute("aria-label", `Similar to ${name}`);
  part("similar").addEventListener("click", () => onSimilar(hit.sku));
  return element;
}

/** The confidence of a hit, or its score, comparable within one search only, if the encoder is not calibrated. */
export function showConfidence(part, { confidence, score }) {
  const isCalibrated = confidence !== null;
  const meaning = isCalibrated ? "How likely this is what you asked for" : "Compares the hits of one search";
  part("score").title = `${meaning}. Score ${score.toFixed(3)} of 1`;
  part("score-bar").style.setProperty("--score", isCalibrated ? confidence : score);
  part("score-number").textContent = isCalibrated ? `${percent(confidence)} sure` : score.toFixed(2);
}

/** At least 1 and at most 99 %: no measurement gives certainty. */
function percent(probability) {
  return (Math.min(Math.max(Math.round(100 * probability), 1), 99) / 100).toLocaleString(undefined, { style: "percent" });
}

function showImage(tile, url) {
  const image = tile.querySelector("img");
  image.addEventListener("error", () => tile.classList.add("empty"));
  if (url) image.src = url;
  else tile.classList.add("empty");
}

/** The variant that fits in a line, which opens the list of all, each with its price. */
function showVariants(details, { variant, variants }) {
  if (variants.length < 2) return;
  const others = `${variants.length - 1} more`;
  details.querySelector("summary").textContent = variant ? `${optionsOf(variant)}, ${others}` : others;
  details.querySelector("ul").append(
    ...variants.map((each) => {
      const line = document.createElement("li");
      const parts = [optionsOf(each), price(each.price_cents, each.currency)];
      line.append(...parts.map((textContent) => Object.assign(document.createElement("span"), { textContent })));
      line.title = each.sku;
      return line;
    }),
  );
}

function optionsOf({ options, sku }) {
  return Object.values(options).join(", ") || sku;
}

/** The title, linked to the shop's page if that is a web address. */
function titleNode(name, url) {
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

/** The first few attributes that are short and not already in the title. */
function facts({ title, attributes }) {
  const titleText = title.toLowerCase();
  return Object.entries(attributes)
    .map(([key, value]) => ({ title: key.replaceAll("_", " "), textContent: [value].flat().join(", ") }))
    .filter(({ textContent }) => /\p{L}/u.test(textContent) && textContent.length <= MAX_FACT_CHARS)
    .filter(({ textContent }) => !titleText.includes(textContent.toLowerCase()))
    .filter((fact, index, all) => all.findIndex(({ textContent }) => textContent === fact.textContent) === index)
    .slice(0, N_FACTS);
}
