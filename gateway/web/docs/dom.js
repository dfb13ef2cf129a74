// Making elements, without markup in strings. Used by main and shape.

/** `<tag>` with attributes and children; strings become text. */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A sentence in which `this` is code. */
export const prose = (text) =>
  text.split("`").map((piece, index) => (index % 2 ? element("code", {}, piece) : piece));
