// A hit's verdicts as chips, its disagreements and its explanation, all of it as text and never as markup.

import { make } from "./elements.js";
import { connectRegion, regionUrl, setRegion, showLocalization } from "./localization.js";
import { capitalized } from "./values.js";

const SIGNS = { met: "✓", contradicted: "✗", unknown: "?" };
const STATUSES = { met: "met", contradicted: "not met", unknown: "cannot be told" };
const EVIDENCE = { field: "by the listing", image: "by the photo", both: "by listing and photo", nothing: "" };
const AUTHORS = {
  model: "In the model's words, checked against the verdicts",
  template: "Made from the verdicts",
};

/** Show a hit's verdicts, in place of earlier ones. A verdict that rests on the image shows its region: in the `tile`
 * with the image while it is pointed at, and in a dialog after a click. The image itself shows that of the first. */
export function showVerdicts(element, hit, tile = null) {
  const chips = hit.verdicts.map((verdict) => chip(verdict, hit, tile));
  element.querySelector(".verdicts").replaceChildren(...chips);
  if (tile) setRegion(tile, hit.image_url, hit.verdicts.find((verdict) => isVisual(verdict, hit)));
  const disagreements = [...new Set(hit.verdicts.map(({ disagreement }) => disagreement).filter(Boolean))];
  element.querySelector(".disagreements").replaceChildren(...disagreements.map(disagreementElement));
  showExplanation(element, hit.explanation);
}

export function showExplanation(element, explanation) {
  const paragraph = element.querySelector(".explanation");
  paragraph.textContent = explanation?.text ?? "";
  paragraph.title = AUTHORS[explanation?.written_by] ?? "";
}

function requirementText({ words, wanted }) {
  return wanted ? words : `not ${words}`;
}

/** A verdict in words: met, by the photo. */
function verdictText(verdict) {
  return [STATUSES[verdict.status], EVIDENCE[verdict.evidence]].filter(Boolean).join(", ");
}

/** Whether a verdict rests on the hit's image, so that a region can be shown in it. */
function isVisual(verdict, hit) {
  return Boolean(hit.image_url) && ["image", "both"].includes(verdict.evidence);
}

function chip(verdict, hit, tile) {
  const canShow = isVisual(verdict, hit);
  const label = make(canShow ? "button" : "span", { className: "chip", title: tooltip(verdict, canShow) });
  if (canShow) {
    label.type = "button";
    const words = `${requirementText(verdict)}: ${verdictText(verdict)}`;
    label.addEventListener("click", () => showLocalization(words, verdict, hit));
    if (tile) connectRegion(label, tile, () => regionUrl(hit.image_url, verdict));
  }
  const sign = make("span", { className: "sign", textContent: SIGNS[verdict.status], ariaHidden: "true" });
  const spoken = make("span", { className: "spoken", textContent: `: ${verdictText(verdict)}` });
  label.append(sign, requirementText(verdict), spoken);
  return make("li", { className: `verdict ${verdict.status}` }, label);
}

function tooltip(verdict, canShow) {
  const text = `${verdict.requirement}: ${verdictText(verdict)} (${Math.round(100 * verdict.probability)} % likely)`;
  return canShow ? `${text}. Click to see where in the photo.` : text;
}

function disagreementElement(words) {
  const sign = make("span", { className: "sign", textContent: "≠", ariaHidden: "true" });
  return make("li", {}, sign, capitalized(words));
}
