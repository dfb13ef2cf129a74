// The chat of a stream: what was said, saying something, taking it back as an admin. Built by main.js.

import { Room } from "./room.js";

const KEPT = 300; // messages on the page; older ones leave it
const LOST = new Set(["OFFLINE", "NO_ANSWER"]); // we cannot know whether it arrived: send again under the same id
const AGAIN = 1000; // ms until then, if the connection looks alive
const CLOSE = 80; // px from the end that still count as reading the newest

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });

export class Chat {
  #realtime;
  #session;
  #liveId;
  #notify;
  #room;
  #items = new Map(); // message id → its element
  #pending = new Map(); // clientMessageId → {text, item}: sent, not yet seen in the room
  #list = document.querySelector("#messages");
  #template = document.querySelector("#message-template");
  #form = document.querySelector("#composer");
  #newest = document.querySelector("#newest");

  constructor(realtime, session, liveId, notify) {
    this.#realtime = realtime;
    this.#session = session;
    this.#liveId = liveId;
    this.#notify = notify;
    this.#room = new Room(realtime, "/chat", {
      join: { event: "chat:join-room", payload: { liveId } },
      snapshot: ({ history }) => this.#replace(history),
      joined: ({ you }) => {
        this.#form.elements.text.disabled = !you.canSend;
        for (const id of this.#pending.keys()) this.#deliver(id);
      },
      failed: (error) => notify(`The chat cannot be joined: ${error.message}`),
      heard: {
        "chat:message": (message) => this.#add(message),
        "chat:message-deleted": ({ messageId }) => this.#remove(messageId),
      },
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(this.#form.elements.text);
    });
    this.#list.addEventListener("scroll", () => this.#atEnd() && (this.#newest.hidden = true), { passive: true });
    this.#newest.addEventListener("click", () => this.#toEnd());
  }

  /** Forget everything: the next one to look may be somebody else. */
  clear() {
    this.#room.forget();
    this.#pending.clear();
    this.#items.clear();
    this.#list.replaceChildren();
  }

  #replace(history) {
    this.#items.clear();
    this.#list.replaceChildren(...[...this.#pending.values()].map(({ item }) => item));
    for (const message of history) this.#add(message);
    this.#toEnd();
  }

  #add(message) {
    if (this.#items.has(message.id)) return;
    const follow = this.#atEnd();
    const mine = message.userId === this.#session.user?.id;
    if (mine) this.#settle(message.clientMessageId);
    const item = this.#draw(message, mine);
    item.dataset.id = message.id;
    this.#items.set(message.id, item);
    this.#list.insertBefore(item, this.#list.querySelector(".pending"));
    if (this.#items.size > KEPT) this.#remove(this.#items.keys().next().value);
    if (follow || mine) this.#toEnd();
    else this.#newest.hidden = false;
  }

  #remove(id) {
    const item = this.#items.get(id);
    if (!item) return;
    // Whoever deletes by keyboard goes on with the neighbour.
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    if (item.contains(document.activeElement)) (neighbour?.querySelector(".delete") ?? this.#form.elements.text).focus();
    item.remove();
    this.#items.delete(id);
  }

  #draw({ id, userId, username, role, message, timestamp }, mine) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    item.classList.toggle("mine", mine);
    const avatar = item.querySelector(".avatar");
    portray(avatar, userId, username);
    item.querySelector(".name").textContent = username;
    const badge = item.querySelector(".role");
    badge.textContent = role.toLowerCase();
    badge.hidden = role === "USER" || role === "GUEST";
    const time = item.querySelector("time");
    time.dateTime = timestamp;
    time.textContent = clock.format(new Date(timestamp));
    item.querySelector(".text").textContent = message;
    const button = item.querySelector(".delete");
    if (id && this.#session.user?.role === "ADMIN") {
      button.setAttribute("aria-label", `Delete the message of ${username}: ${message.slice(0, 60)}`);
      button.addEventListener("click", () => this.#delete(id, button));
    } else button.remove();
    return item;
  }

  #send(input) {
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    const id = randomId();
    const { id: userId, username, role } = this.#session.user;
    const item = this.#draw({ userId, username, role, message: text, timestamp: new Date().toISOString() }, true);
    item.classList.add("pending");
    this.#pending.set(id, { text, item });
    this.#list.append(item);
    this.#toEnd();
    if (this.#room.inside) this.#deliver(id); // else it goes with the others when we are back
  }

  async #deliver(id) {
    const sending = this.#pending.get(id);
    if (!sending) return;
    try {
      const payload = { liveId: this.#liveId, message: sending.text, clientMessageId: id };
      const { duplicate } = await this.#realtime.request("/chat", "chat:send-message", payload);
      if (duplicate) this.#settle(id); // an earlier try had arrived, and what it said is shown or gone by now
    } catch (error) {
      if (LOST.has(error.code)) {
        if (this.#room.inside) setTimeout(() => this.#deliver(id), AGAIN);
        return;
      }
      this.#settle(id);
      this.#form.elements.text.value ||= sending.text;
      this.#notify(`Not sent: ${error.message}`);
    }
  }

  #settle(id) {
    this.#pending.get(id)?.item.remove();
    this.#pending.delete(id);
  }

  async #delete(messageId, button) {
    button.disabled = true;
    try {
      await this.#realtime.request("/chat", "chat:delete-message", { liveId: this.#liveId, messageId });
    } catch (error) {
      button.disabled = false;
      this.#notify(`Not deleted: ${error.message}`);
    }
  }

  #atEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < CLOSE;
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#newest.hidden = true;
  }
}

/** Somebody's letter (and number) in somebody's colour. */
export function portray(avatar, id, name) {
  avatar.textContent = [...name][0].toUpperCase() + (name.match(/\d{1,2}$/)?.[0] ?? "");
  avatar.style.setProperty("--hue", hue(id));
}

/** A colour for an id: always the same one; ids that differ little differ much in it. */
export function hue(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return (sum * 137) % 360;
}

/** 128 random bits. Not crypto.randomUUID(): that exists only on https and localhost. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
