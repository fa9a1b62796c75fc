// What reranking found of a hit: verdicts as chips, disagreements, the explanation. All of it text, never markup.

const SIGNS = { met: "✓", contradicted: "✗", unknown: "?" };
const STANDINGS = { met: "met", contradicted: "not met", unknown: "cannot be told" };
const EVIDENCE = { field: "by the listing", image: "by the photo", both: "by listing and photo", nothing: "" };
const AUTHORS = {
  model: "In the model's words, held against the verdicts",
  template: "Put together from the verdicts",
};

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

/** Show what is known of a hit in its tile, in place of what was shown before; `onLook` is called with a verdict that
 * rests on the photo, and the hit. */
export function showFindings(element, hit, onLook) {
  const chips = hit.verdicts.map((verdict) => chip(verdict, hit, onLook));
  element.querySelector(".verdicts").replaceChildren(...chips);
  const told = [...new Set(hit.verdicts.map(({ disagreement }) => disagreement).filter(Boolean))];
  element.querySelector(".disagreements").replaceChildren(...told.map(disagreementElement));
  showExplanation(element, hit.explanation);
}

export function showExplanation(element, explanation) {
  const place = element.querySelector(".explanation");
  place.textContent = explanation?.text ?? "";
  place.title = AUTHORS[explanation?.written_by] ?? "";
}

export function askedFor({ words, wanted }) {
  return wanted ? words : `not ${words}`;
}

/** A verdict in words: met, by the photo. */
export function standing(verdict) {
  return [STANDINGS[verdict.standing], EVIDENCE[verdict.evidence]].filter(Boolean).join(", ");
}

function chip(verdict, hit, onLook) {
  const isVisual = Boolean(hit.image_url) && ["image", "both"].includes(verdict.evidence);
  const face = make(isVisual ? "button" : "span", { className: "chip", title: meaning(verdict, isVisual) });
  if (isVisual) {
    face.type = "button";
    face.addEventListener("click", () => onLook(verdict, hit));
  }
  const sign = make("span", { className: "sign", textContent: SIGNS[verdict.standing] });
  sign.setAttribute("aria-hidden", "true");
  const spoken = make("span", { className: "spoken", textContent: `: ${standing(verdict)}` });
  face.append(sign, askedFor(verdict), spoken);
  const item = make("li", { className: `verdict ${verdict.standing}` });
  item.append(face);
  return item;
}

function meaning(verdict, isVisual) {
  const sure = `${verdict.requirement}: ${standing(verdict)} (${Math.round(100 * verdict.probability)} % likely)`;
  return isVisual ? `${sure}. Click to see where in the photo.` : sure;
}

function disagreementElement(words) {
  const sign = make("span", { className: "sign", textContent: "≠" });
  sign.setAttribute("aria-hidden", "true");
  const item = make("li");
  item.append(sign, words.charAt(0).toUpperCase() + words.slice(1));
  return item;
}
