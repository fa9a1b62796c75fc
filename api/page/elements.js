// Elements of the document: found by id, or made. What the catalog says becomes text, never markup.

export const at = (id) => document.getElementById(id);

/** A new element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A copy of the only element in a template. */
export function copyOf(template) {
  return at(template).content.cloneNode(true).firstElementChild;
}

/** A button with a text, for one thing that can be done. */
export function button(className, textContent, onClick) {
  const element = make("button", { type: "button", className, textContent });
  element.addEventListener("click", onClick);
  return element;
}

/** The items of a list, one for each text. */
export function lines(texts) {
  return texts.map((textContent) => make("li", { textContent }));
}

/** A term of a description list with what it means. */
export function pair(term, meaning) {
  return make("div", {}, make("dt", { textContent: term }), make("dd", { textContent: meaning }));
}

/** A row of a table, the first of its cells a heading. */
export function row(heading, ...cells) {
  const head = make("th", { scope: "row" }, heading);
  return make("tr", {}, head, ...cells.map((textContent) => make("td", { textContent })));
}

/** A link to another site, in a window of its own. */
export function outsideLink(href, textContent, className = "") {
  return make("a", { href, textContent, className, target: "_blank", rel: "noopener noreferrer" });
}
