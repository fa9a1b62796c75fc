// One hit as a tile. What the catalog says reaches the document as text only, never as markup.

import { loadImage } from "./api.js";
import { copyOf, make } from "./elements.js";
import { itemUrl, labelOf, optionsOf, price, textOf, titleOf } from "./values.js";

const N_FACTS = 3;
const MAX_FACT_CHARS = 28;

/** A tile of the grid, whose title leads to the item's page in the search of the address `search`. `onSimilar` is called
 * with the hit, `onExclude` with the hit and the button. Its verdicts are shown by verdicts.js. */
export function hitElement(hit, search, onSimilar, onExclude) {
  const element = copyOf("hit");
  const part = (name) => element.querySelector(`.${name}`);
  const name = hit.title || hit.sku;
  showImage(part("tile"), hit.image_url);
  part("title").append(make("a", { href: itemUrl(hit.sku, search), textContent: name }));
  const shown = hit.variant ?? hit;
  part("price").textContent = price(shown.price_cents, shown.currency);
  showVariants(part("variants"), hit);
  part("facts").append(...facts(hit).map((fact) => make("li", fact)));
  showConfidence(part, hit);
  part("similar").ariaLabel = `Similar to ${name}`;
  part("similar").addEventListener("click", () => onSimilar(hit));
  part("exclude").ariaLabel = `Not … like ${name}`;
  part("exclude").addEventListener("click", () => onExclude(hit, part("exclude")));
  return element;
}

/** A small tile of an item that leads to its page. */
export function itemElement({ sku, title, image_url: url }) {
  const element = copyOf("small-item");
  showImage(element.querySelector(".tile"), url);
  const link = element.querySelector("a");
  link.href = itemUrl(sku);
  link.textContent = title || sku;
  element.querySelector(".quiet").textContent = sku;
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

/** Show an image in a tile, or that there is none. */
export function showImage(tile, url) {
  const image = tile.querySelector("img");
  tile.classList.toggle("empty", !url);
  image.addEventListener("error", () => tile.classList.add("empty"));
  if (url) loadImage(image, url);
}

/** At least 1 and at most 99 %: no measurement gives certainty. */
function percent(probability) {
  return (Math.min(Math.max(Math.round(100 * probability), 1), 99) / 100).toLocaleString(undefined, { style: "percent" });
}

/** The variant that fits in a line, which opens the list of all, each with its price. */
function showVariants(details, { title, variant, variants, item_title: itemTitle }) {
  if (variants.length < 2) return;
  const others = `${variants.length - 1} more`;
  const isNew = variant && optionsOf(variant) !== title;
  details.querySelector("summary").textContent = isNew ? `${optionsOf(variant)}, ${others}` : others;
  const lines = variants.map((each) => {
    const parts = [optionsOf(each), price(each.price_cents, each.currency)];
    const tooltip = [titleOf(each, variants, itemTitle), each.sku].filter(Boolean).join(" · ");
    return make("li", { title: tooltip }, ...parts.map((textContent) => make("span", { textContent })));
  });
  details.querySelector("ul").append(...lines);
}

/** The first few attributes that are short and not already in the title. */
function facts({ title, attributes }) {
  const titleText = title.toLowerCase();
  return Object.entries(attributes)
    .map(([field, value]) => ({ title: labelOf(field), textContent: textOf(value) }))
    .filter(({ textContent }) => /\p{L}/u.test(textContent) && textContent.length <= MAX_FACT_CHARS)
    .filter(({ textContent }) => !titleText.includes(textContent.toLowerCase()))
    .filter((fact, index, all) => all.findIndex(({ textContent }) => textContent === fact.textContent) === index)
    .slice(0, N_FACTS);
}
