// A guide: copy buttons beside its blocks of code, and tables that scroll by themselves. Loaded by the pages of guides.

import { copyable } from "./copy.js";
import { element } from "./dom.js";

for (const block of document.querySelectorAll("main pre")) {
  const place = document.createComment("");
  block.replaceWith(place);
  place.replaceWith(copyable(block));
}
for (const table of document.querySelectorAll("main table")) {
  const place = document.createComment("");
  table.replaceWith(place);
  place.replaceWith(element("div", { class: "wide", tabindex: "0" }, table));
}
document.body.dataset.state = "ready";
