// A menu beside the button that opens it: arrows move in it, Escape and a click elsewhere close it. Used by moderation.js.

const GAP = 4; // px between the button and what it opens
const EDGE = 8; // px that stay free at the edges of the window

/** Put an open popover below its button, or above it where there is no room. */
export function place(popover, button) {
  const near = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const { clientWidth, clientHeight } = document.documentElement;
  const below = near.bottom + GAP + height <= clientHeight - EDGE;
  const top = below ? near.bottom + GAP : near.top - GAP - height;
  popover.style.left = `${Math.max(EDGE, Math.min(near.right - width, clientWidth - width - EDGE))}px`;
  popover.style.top = `${Math.max(EDGE, Math.min(top, clientHeight - height - EDGE))}px`;
}

export class Menu {
  #element;
  #template;
  #button;

  constructor(element, template) {
    this.#element = element;
    this.#template = template;
    element.addEventListener("keydown", (event) => this.#move(event));
    element.addEventListener("toggle", ({ newState }) => {
      this.#button?.setAttribute("aria-expanded", String(newState === "open"));
    });
  }

  /** Offer `entries`, each {label, danger, run}, about what `subject` says. */
  open(button, subject, entries) {
    this.#element.querySelector(".subject").textContent = subject;
    const items = entries.map(({ label, danger = false, run }) => {
      const item = this.#template.content.firstElementChild.cloneNode(true);
      item.textContent = label;
      item.classList.toggle("danger", danger);
      item.addEventListener("click", () => {
        this.close(); // which gives the focus back to the button, from where it may have to go on
        run();
      });
      return item;
    });
    this.#element.querySelector("[role=menu]").replaceChildren(...items);
    this.#button = button;
    this.#element.showPopover();
    place(this.#element, button);
    items[0]?.focus();
  }

  close() {
    this.#element.hidePopover();
  }

  #move(event) {
    const items = [...this.#element.querySelectorAll("[role=menuitem]")];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") this.close();
    if (to === undefined) return;
    event.preventDefault();
    items.at(to % items.length)?.focus();
  }
}
