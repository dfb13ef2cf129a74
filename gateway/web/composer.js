// Where one writes, and why one cannot: muted, banned, frozen, guests, slow mode. Built by chat.js.

import { ending, span } from "./people.js";

const OPEN = { slowModeSeconds: 0, frozen: false, guestsAllowed: true };
const LONGEST_TIMER = 2 ** 31 - 1; // ms that setTimeout can count

export class Composer {
  #session;
  #send;
  #settings = OPEN;
  #trusted = false; // the room's rules do not hold for who moderates it
  #mutedUntil = null;
  #bannedUntil = null;
  #shutOut = ""; // why the gateway lets this person in no more
  #waitUntil = 0; // by performance.now(): a wait is a duration, whatever the clock of this machine says
  #timer;
  #form = document.querySelector("#composer");
  #input = this.#form.elements.text;
  #button = this.#form.elements.send;
  #reason = document.querySelector("#composer-reason");
  #countdown = document.querySelector("#countdown");

  /** `send(text)` is called with what somebody wrote. */
  constructor(session, send) {
    this.#session = session;
    this.#send = send;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Whether the room's rules hold for this person. */
  trust(trusted) {
    this.#trusted = trusted;
    this.#show();
  }

  settings(settings) {
    this.#settings = settings;
    this.#waitUntil = Math.min(this.#waitUntil, performance.now() + settings.slowModeSeconds * 1000);
    this.#show();
  }

  /** Until when this person may not write; null when they may again. */
  muted(until) {
    this.#mutedUntil = until;
    this.#show();
  }

  banned(until) {
    this.#bannedUntil = until;
    this.#show();
  }

  /** The gateway has refused this person for good, or for "" has not. */
  shutOut(reason) {
    this.#shutOut = reason;
    this.#show();
  }

  /** Who may come in is not banned any more. */
  admitted(you) {
    this.#bannedUntil = null;
    this.muted(you.mutedUntil);
  }

  /** A message was taken: in slow mode the next one has to wait. */
  accepted() {
    if (!this.#trusted) this.#wait(this.#settings.slowModeSeconds * 1000);
  }

  /** A message was not taken: give its text back and say why; false when there is another reason than those here. */
  refused({ code, details, retryAfterMs }, text) {
    const free = this.#input.value.trim() === "";
    if (free) this.#input.value = text;
    if (code === "MUTED") this.muted(details.until);
    else if (code === "BANNED") this.banned(details.until);
    else if (code === "ROOM_FROZEN") this.settings({ ...this.#settings, frozen: true });
    else if (["SLOW_MODE", "RATE_LIMIT_EXCEEDED"].includes(code) && retryAfterMs) this.#wait(retryAfterMs);
    else return false;
    return free;
  }

  clear() {
    this.#input.value = "";
    [this.#settings, this.#mutedUntil, this.#bannedUntil, this.#waitUntil] = [OPEN, null, null, 0];
    this.trust(false);
  }

  #wait(duration) {
    this.#waitUntil = performance.now() + duration;
    this.#show();
  }

  #submit() {
    const text = this.#input.value.trim();
    if (!text || this.#button.disabled) return;
    this.#input.value = "";
    this.#send(text);
  }

  /** Why this person cannot write at all, or nothing. */
  #closed() {
    if (this.#shutOut) return `You cannot write here: ${this.#shutOut}.`;
    if (this.#bannedUntil) return `You are banned from this chat${ending(this.#bannedUntil)}.`;
    if (this.#mutedUntil) return `You are muted${ending(this.#mutedUntil)}. You can go on reading.`;
    if (this.#trusted) return "";
    if (this.#session.user?.role === "GUEST" && !this.#settings.guestsAllowed) return "Guests can read here. Sign in to write.";
    return this.#settings.frozen ? "The chat is frozen. Nobody can write for now." : "";
  }

  #show() {
    clearTimeout(this.#timer);
    if (past(this.#mutedUntil)) this.#mutedUntil = null;
    const closed = this.#closed();
    const left = Math.max(0, this.#waitUntil - performance.now());
    const slow = this.#trusted ? 0 : this.#settings.slowModeSeconds;
    const waiting = left > 0 && !closed;
    this.#input.disabled = Boolean(closed);
    this.#button.disabled = Boolean(closed) || waiting;
    const why = closed || (slow ? `Slow mode: one message every ${span(slow)}.` : waiting ? "That was quick. One moment." : "");
    if (this.#reason.textContent !== why) this.#reason.textContent = why; // read out once, not with every second
    this.#reason.parentElement.hidden = !why;
    this.#countdown.textContent = waiting ? `${Math.ceil(left / 1000)} s` : "";
    if (waiting) this.#timer = setTimeout(() => this.#show(), left % 1000 || 1000);
    else if (this.#mutedUntil) {
      const end = new Date(this.#mutedUntil) - Date.now();
      this.#timer = setTimeout(() => this.#show(), Math.min(end, LONGEST_TIMER));
    }
  }
}

const past = (moment) => moment !== null && new Date(moment) <= Date.now();
