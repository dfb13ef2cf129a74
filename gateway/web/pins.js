// The messages on top of the chat: the newest of them, the others on demand. Built by chat.js.

import { portray, sign } from "./people.js";

export class Pins {
  #shown = new Map(); // message id → its element, what was pinned first first
  #unpin;
  #section = document.querySelector("#pins");
  #list = document.querySelector("#pinned");
  #more = document.querySelector("#more-pins");
  #template = document.querySelector("#pin-template");

  /** `unpin(messageId)` takes a message down. */
  constructor(unpin) {
    this.#unpin = unpin;
    this.#more.addEventListener("click", () => this.#fold(this.#section.classList.contains("open")));
  }

  has(id) {
    return this.#shown.has(id);
  }

  replace(pinned) {
    this.clear();
    for (const message of pinned) this.add(message);
  }

  /** Show a message on top; pinned again, it is the newest. */
  add(message) {
    this.#shown.get(message.id)?.remove();
    this.#shown.delete(message.id);
    const item = this.#template.content.firstElementChild.cloneNode(true);
    portray(item.querySelector(".avatar"), message.userId, message.username);
    sign(item, message);
    item.querySelector(".text").textContent = message.message;
    const button = item.querySelector("button");
    button.setAttribute("aria-label", `Unpin the message of ${message.username}: ${message.message.slice(0, 60)}`);
    button.addEventListener("click", () => this.#unpin(message.id));
    this.#shown.set(message.id, item);
    this.#list.prepend(item);
    this.#count();
  }

  remove(id) {
    const item = this.#shown.get(id);
    if (!item) return;
    if (item.contains(document.activeElement)) document.querySelector("#messages").focus();
    item.remove();
    this.#shown.delete(id);
    this.#count();
  }

  clear() {
    this.#shown.clear();
    this.#list.replaceChildren();
    this.#fold(true);
  }

  #fold(folded) {
    this.#section.classList.toggle("open", !folded);
    this.#count();
  }

  #count() {
    const others = this.#shown.size - 1;
    const open = this.#section.classList.contains("open");
    this.#section.hidden = others < 0;
    this.#more.hidden = others < 1;
    this.#more.textContent = open ? "Show the newest only" : `${others} more pinned`;
    this.#more.setAttribute("aria-expanded", String(open));
  }
}
