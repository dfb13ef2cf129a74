// Copy buttons. Used by main, guide and console.

import { element } from "./dom.js";

const SHOWN = 1500; // ms for which a button says that it has copied

/** A button that copies what `text()` returns. */
export function copyButton(text, label = "Copy") {
  const button = element("button", { type: "button", class: "copy", "aria-label": label }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => (button.textContent = label), SHOWN);
  });
  return button;
}

/** A block of code with its copy button. */
export const copyable = (block) => element("div", { class: "copyable" }, block, copyButton(() => block.textContent));
