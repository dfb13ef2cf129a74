// What moderators do: a menu on each message, and a panel for the room's rules. Built by chat.js.

import { Menu, place } from "./menu.js";
import { notify } from "./notices.js";
import { span } from "./people.js";

const MUTE = 300; // s

export class Moderation {
  #realtime;
  #session;
  #liveId;
  #powers;
  #hostId;
  #menu = new Menu(document.querySelector("#message-menu"), document.querySelector("#menu-item-template"));
  #panel = document.querySelector("#room-panel");
  #rules = document.querySelector("#rules");
  #announce = document.querySelector("#announce");
  #clear = document.querySelector("#clear-chat");

  constructor(realtime, session, liveId) {
    this.#realtime = realtime;
    this.#session = session;
    this.#liveId = liveId;
    const opener = document.querySelector("#room-button");
    this.#panel.addEventListener("toggle", ({ newState }) => {
      if (newState === "open") place(this.#panel, opener);
      else this.#disarm();
    });
    this.#panel.querySelector(".dismiss").addEventListener("click", () => this.#panel.hidePopover());
    const { slow, frozen, guests } = this.#rules.elements;
    slow.addEventListener("change", () => this.#rule("chat:slow-mode", { seconds: Number(slow.value) }, slow));
    frozen.addEventListener("change", () => this.#rule("chat:freeze", { frozen: frozen.checked }, frozen));
    guests.addEventListener("change", () => this.#rule("chat:allow-guests", { allowed: guests.checked }, guests));
    this.#announce.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say(this.#announce.elements.text);
    });
    this.#clear.addEventListener("click", () => (this.#clear.dataset.armed ? this.#clearAll() : this.#arm()));
  }

  allow(powers, hostId) {
    this.#powers = powers;
    this.#hostId = hostId;
    if (!powers.moderates) this.#panel.hidePopover();
  }

  /** Show the rules as they are. */
  settings({ slowModeSeconds, frozen, guestsAllowed }) {
    const { slow, frozen: freeze, guests } = this.#rules.elements;
    const value = String(slowModeSeconds);
    if (![...slow.options].some((option) => option.value === value)) slow.add(new Option(span(slowModeSeconds), value));
    slow.value = value;
    freeze.checked = frozen;
    guests.checked = guestsAllowed;
  }

  /** Open the menu of a message. */
  offer(button, { id, userId, username, role, message }, pinned) {
    // On themselves, on administrators and on the host nobody can act.
    const someone = userId !== this.#session.user.id && role !== "ADMIN" && userId !== this.#hostId;
    const entries = [
      pinned
        ? { label: "Unpin", run: () => this.unpin(id) }
        : { label: "Pin on top", run: () => this.#ask("Not pinned", "chat:pin-message", { messageId: id }) },
    ];
    if (someone) entries.push({ label: `Mute ${username} for ${span(MUTE)}`, run: () => this.#mute(userId, username) });
    if (this.#powers.erases) {
      entries.push({ label: "Delete message", danger: true, run: () => this.#ask("Not deleted", "chat:delete-message", { messageId: id }) });
      if (someone) entries.push({ label: `Ban ${username}`, danger: true, run: () => this.#ban(userId, username) });
    }
    this.#menu.open(button, `${username}: ${message}`, entries);
  }

  async unpin(messageId) {
    await this.#ask("Not unpinned", "chat:unpin-message", { messageId });
  }

  async #mute(userId, username) {
    const done = await this.#ask("Not muted", "chat:mute-user", { userId, seconds: MUTE });
    if (done) this.#undoable(`${username} is muted for ${span(MUTE)}`, "Not unmuted", "chat:unmute-user", { userId });
  }

  async #ban(userId, username) {
    const done = await this.#ask("Not banned", "chat:ban-user", { userId });
    if (done) this.#undoable(`${username} is banned from this chat`, "Not unbanned", "chat:unban-user", { userId });
  }

  /** First say how many messages it would be. */
  async #arm() {
    const counted = await this.#ask("Not cleared", "chat:clear", { dryRun: true });
    if (!counted) return;
    this.#clear.textContent = counted.deleted ? `Yes, delete ${messages(counted.deleted)}` : "There is nothing to delete";
    if (counted.deleted) this.#clear.dataset.armed = "yes";
  }

  #disarm() {
    delete this.#clear.dataset.armed;
    this.#clear.textContent = "Clear the chat…";
  }

  async #clearAll() {
    const done = await this.#ask("Not cleared", "chat:clear", {});
    this.#disarm();
    if (!done?.clearId) return;
    this.#panel.hidePopover();
    const left = done.remaining ? `, ${messages(done.remaining)} left: clear again` : "";
    this.#undoable(`${messages(done.deleted)} deleted${left}`, "Not restored", "chat:undo-clear", { clearId: done.clearId });
  }

  async #rule(event, payload, input) {
    input.disabled = true;
    const changed = await this.#ask("Not changed", event, payload);
    input.disabled = false;
    input.focus();
    if (!changed && input.type === "checkbox") input.checked = !input.checked;
  }

  async #say(input) {
    if (input.value.trim() && (await this.#ask("Not announced", "chat:announce", { message: input.value }))) input.value = "";
  }

  #undoable(text, failure, event, payload) {
    const run = async () => {
      const undone = await this.#ask(failure, event, payload);
      if (undone?.remaining) this.#undoable(`${messages(undone.remaining)} still to come back`, failure, event, payload);
    };
    notify(text, "success", { action: { label: "Undo", run } });
  }

  /** The answer to a request about this room, or null: then it was said what failed. */
  async #ask(failure, event, payload) {
    try {
      return await this.#realtime.request("/chat", event, { liveId: this.#liveId, ...payload });
    } catch (error) {
      notify(`${failure}: ${error.message}`);
      return null;
    }
  }
}

const messages = (count) => (count === 1 ? "1 message" : `${count} messages`);
