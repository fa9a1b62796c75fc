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
