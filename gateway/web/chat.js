// The chat of a stream: what was said, pinned and announced, and what became of it; saying something. Built by main.js.

import { Composer } from "./composer.js";
import { Moderation } from "./moderation.js";
import { notify } from "./notices.js";
import { portray, sign, span } from "./people.js";
import { Pins } from "./pins.js";
import { Room } from "./room.js";

const KEPT = 300; // entries on the page; older ones leave it
const PAGE = 100; // messages that the gateway gives at once
const LOST = new Set(["OFFLINE", "NO_ANSWER"]); // we cannot know whether it arrived: send again under the same id
const AGAIN = 1000; // ms until then, if the connection looks alive
const CLOSE = 80; // px from the end that still count as reading the newest

export class Chat {
  #realtime;
  #session;
  #liveId;
  #room;
  #composer;
  #moderation;
  #pins;
  #messages = new Map(); // message id → {message, item}
  #pending = new Map(); // clientMessageId → {text, item}: sent, not yet seen in the room
  #following = true; // the newest is in sight, and is to stay so
  #erasures = 0; // how often messages were taken away
  #section = document.querySelector("#chat");
  #list = document.querySelector("#messages");
  #newest = document.querySelector("#newest");

  constructor(realtime, session, liveId) {
    this.#realtime = realtime;
    this.#session = session;
    this.#liveId = liveId;
    this.#composer = new Composer(session, (text) => this.#send(text));
    this.#moderation = new Moderation(realtime, session, liveId);
    this.#pins = new Pins((messageId) => this.#moderation.unpin(messageId));
    this.#room = new Room(realtime, "/chat", {
      join: { event: "chat:join-room", payload: { liveId } },
      snapshot: ({ history, pinned }) => {
        this.#replace(history);
        this.#pins.replace(pinned);
      },
      admitted: ({ settings, you }) => {
        this.#section.classList.add("known"); // only now no messages means that nobody has said anything
        this.#composer.admitted(you);
        this.#rule(settings);
      },
      joined: () => {
        for (const id of this.#pending.keys()) this.#deliver(id);
      },
      failed: (error) => {
        if (error.code === "BANNED") this.#ban(error.details.until);
        else notify(`The chat cannot be joined: ${error.message}`);
      },
      heard: {
        "chat:message": (message) => this.#add(message),
        "chat:message-deleted": ({ messageId }) => this.#erase(messageId),
        "chat:cleared": (cleared) => this.#clear(cleared),
        "chat:restored": (restored) => this.#restore(restored),
        "chat:announcement": (announcement) => this.#announce(announcement),
        "chat:pinned": (message) => this.#pins.add(message),
        "chat:unpinned": ({ messageId }) => this.#pins.remove(messageId),
        "chat:settings": (settings) => this.#rule(settings),
        "chat:muted": ({ until }) => this.#composer.muted(until),
      },
    });
    realtime.addEventListener("state", ({ detail: { state, reason } }) => {
      this.#composer.shutOut(state === "refused" ? reason : "");
    });
    realtime.on("/chat", "chat:banned", ({ until }) => this.#ban(until));
    this.#list.addEventListener("click", ({ target }) => {
      const button = target.closest(".more");
      const { message } = this.#messages.get(button?.closest("li").dataset.id) ?? {};
      if (message) this.#moderation.offer(button, message, this.#pins.has(message.id));
    });
    const scrolled = () => {
      this.#following = this.#atEnd();
      if (this.#following) this.#newest.hidden = true;
    };
    this.#list.addEventListener("scroll", scrolled, { passive: true });
    // Pins and rules come and go around the list: whoever reads the newest goes on with it.
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(this.#list);
    this.#newest.addEventListener("click", () => this.#toEnd());
  }

  /** Who looks may do this in this room. */
  allow(powers, hostId) {
    this.#composer.trust(powers.moderates);
    this.#moderation.allow(powers, hostId);
  }

  /** Forget everything: the next one to look may be somebody else. */
  clear() {
    this.#room.forget();
    this.#pending.clear();
    this.#messages.clear();
    this.#list.replaceChildren();
    this.#pins.clear();
    this.#composer.clear();
    this.#section.classList.remove("known");
  }

  // --- what the room says ---

  #replace(history) {
    this.#messages.clear();
    this.#list.replaceChildren(...[...this.#pending.values()].map(({ item }) => item));
    for (const entry of history) entry.kind === "announcement" ? this.#announce(entry) : this.#add(entry);
    this.#toEnd();
  }

  #add(message) {
    if (this.#messages.has(message.id)) return;
    const mine = message.userId === this.#session.user?.id;
    if (mine) this.#settle(message.clientMessageId);
    const item = this.#draw(message, mine);
    item.dataset.id = message.id;
    this.#messages.set(message.id, { message, item });
    this.#place(item, message.seq, mine);
  }

  #announce(announcement) {
    const item = copy("#announcement-template");
    sign(item, announcement);
    item.querySelector(".text").textContent = announcement.message;
    this.#place(item, announcement.seq);
  }

  /** Put an entry where its place in the room's log says, before what was not sent yet. */
  #place(item, seq, follow = false) {
    const end = this.#following;
    item.dataset.seq = seq;
    let before = this.#list.lastElementChild;
    while (before && (before.matches(".pending") || Number(before.dataset.seq) > seq)) before = before.previousElementSibling;
    if (before) before.after(item);
    else this.#list.prepend(item);
    if (this.#list.childElementCount > KEPT + this.#pending.size) this.#forget(this.#list.firstElementChild);
    if (end || follow) this.#toEnd();
    else this.#newest.hidden = false;
  }

  #erase(id) {
    this.#erasures += 1;
    const known = this.#messages.get(id);
    if (known) this.#forget(known.item);
  }

  #clear({ userId, fromSeq, beforeSeq }) {
    this.#erasures += 1;
    for (const { message, item } of [...this.#messages.values()]) {
      const meant = message.seq >= fromSeq && message.seq < beforeSeq && (!userId || message.userId === userId);
      if (meant) this.#forget(item);
    }
  }

  /** Show what is back; ask for it if it is too much for the event, as far as it has a place on this page. */
  async #restore({ fromSeq, messages: back }) {
    for (const message of back ?? []) this.#add(message);
    if (back) return;
    try {
      for (let before, read = 0; read < KEPT; read += PAGE) {
        const erasures = this.#erasures;
        const ask = { liveId: this.#liveId, before, limit: PAGE };
        const { messages, nextBefore } = await this.#realtime.request("/chat", "chat:history", ask);
        if (erasures !== this.#erasures) return this.#restore({ fromSeq }); // what we were given may be gone by now
        for (const message of messages) this.#add(message);
        if (!nextBefore || messages[0].seq <= fromSeq) return;
        before = nextBefore;
      }
    } catch (error) {
      notify(`Restored messages are missing here: ${error.message}`);
    }
  }

  #forget(item) {
    // Whoever deletes by keyboard goes on with the neighbour.
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    if (item.contains(document.activeElement)) (neighbour?.querySelector(".more") ?? this.#list).focus();
    item.remove();
    this.#messages.delete(item.dataset.id);
  }

  #rule(settings) {
    this.#composer.settings(settings);
    this.#moderation.settings(settings);
    const { slowModeSeconds, frozen, guestsAllowed } = settings;
    const say = (selector, text) => {
      document.querySelector(selector).textContent = text;
    };
    say("#rule-frozen", frozen ? "Frozen" : "");
    say("#rule-slow", slowModeSeconds ? `Slow ${span(slowModeSeconds)}` : "");
    say("#rule-guests", guestsAllowed ? "Guests may write" : "");
  }

  #ban(until) {
    this.#composer.banned(until);
    this.#section.classList.remove("known");
  }

  #draw({ userId, username, role, message, timestamp }, mine) {
    const item = copy("#message-template");
    item.classList.toggle("mine", mine);
    portray(item.querySelector(".avatar"), userId, username);
    sign(item, { username, role, timestamp });
    item.querySelector(".text").textContent = message;
    item.querySelector(".more").setAttribute("aria-label", `Moderate the message of ${username}: ${message.slice(0, 60)}`);
    return item;
  }

  // --- saying something ---

  #send(text) {
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
      else this.#composer.accepted();
    } catch (error) {
      if (LOST.has(error.code)) {
        if (this.#room.inside) setTimeout(() => this.#deliver(id), AGAIN);
        return;
      }
      this.#settle(id);
      if (!this.#composer.refused(error, sending.text)) notify(`Not sent: “${sending.text}” ${error.message}`);
    }
  }

  #settle(id) {
    this.#pending.get(id)?.item.remove();
    this.#pending.delete(id);
  }

  // --- where one reads ---

  #atEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < CLOSE;
  }

  #toEnd() {
    this.#following = true;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#newest.hidden = true;
  }
}

const copy = (template) => document.querySelector(template).content.firstElementChild.cloneNode(true);

/** 128 random bits. Not crypto.randomUUID(): that exists only on https and localhost. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
