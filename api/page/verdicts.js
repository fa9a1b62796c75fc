// A hit's verdicts as chips, its disagreements and its explanation, all of it as text and never as markup.

const SIGNS = { met: "✓", contradicted: "✗", unknown: "?" };
const STATUSES = { met: "met", contradicted: "not met", unknown: "cannot be told" };
const EVIDENCE = { field: "by the listing", image: "by the photo", both: "by listing and photo", nothing: "" };
const AUTHORS = {
  model: "In the model's words, checked against the verdicts",
  template: "Made from the verdicts",
};

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

/** Show a hit's verdicts in its tile, in place of earlier ones. A click on a verdict that rests on the image calls
 * `onLocalize` with the verdict and the hit. */
export function showVerdicts(element, hit, onLocalize) {
  const chips = hit.verdicts.map((verdict) => chip(verdict, hit, onLocalize));
  element.querySelector(".verdicts").replaceChildren(...chips);
  const disagreements = [...new Set(hit.verdicts.map(({ disagreement }) => disagreement).filter(Boolean))];
  element.querySelector(".disagreements").replaceChildren(...disagreements.map(disagreementElement));
  showExplanation(element, hit.explanation);
}

export function showExplanation(element, explanation) {
  const paragraph = element.querySelector(".explanation");
  paragraph.textContent = explanation?.text ?? "";
  paragraph.title = AUTHORS[explanation?.written_by] ?? "";
}

export function requirementText({ words, wanted }) {
  return wanted ? words : `not ${words}`;
}

/** A verdict in words: met, by the photo. */
export function verdictText(verdict) {
  return [STATUSES[verdict.status], EVIDENCE[verdict.evidence]].filter(Boolean).join(", ");
}

function chip(verdict, hit, onLocalize) {
  const isVisual = Boolean(hit.image_url) && ["image", "both"].includes(verdict.evidence);
  const label = make(isVisual ? "button" : "span", { className: "chip", title: tooltip(verdict, isVisual) });
  if (isVisual) {
    label.type = "button";
    label.addEventListener("click", () => onLocalize(verdict, hit));
  }
  const sign = make("span", { className: "sign", textContent: SIGNS[verdict.status] });
  sign.setAttribute("aria-hidden", "true");
  const spoken = make("span", { className: "spoken", textContent: `: ${verdictText(verdict)}` });
  label.append(sign, requirementText(verdict), spoken);
  const item = make("li", { className: `verdict ${verdict.status}` });
  item.append(label);
  return item;
}

function tooltip(verdict, isVisual) {
  const text = `${verdict.requirement}: ${verdictText(verdict)} (${Math.round(100 * verdict.probability)} % likely)`;
  return isVisual ? `${text}. Click to see where in the photo.` : text;
}

function disagreementElement(words) {
  const sign = make("span", { className: "sign", textContent: "≠" });
  sign.setAttribute("aria-hidden", "true");
  const item = make("li");
  item.append(sign, words.charAt(0).toUpperCase() + words.slice(1));
  return item;
}
