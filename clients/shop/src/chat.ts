// The chat: messages that rise and fade, pins above them, and a menu to report or moderate them. Created by main.ts.

import { type ChatState, DoramiError, type HistoryMessage, type PinnedMessage, type Report } from "@dorami/client";
import { $, button, dialog, follow, make, soon, tell, write } from "./dom";
import type { Visit } from "./visit";
import { clock, language, reason, t } from "./words";

const SHOWN = 100; // entries on the page; older ones are removed
const AGES = 10 * 365 * 86_400_000; // ms: a ban that ends later has no end
const HELD = 500; // ms of a long press, which opens the menu of a message
const REASONS: Report["reason"][] = ["SPAM", "ABUSE", "SEXUAL", "FRAUD", "PRIVACY", "OTHER"];
const CLOSE = 60; // px from the end within which the list follows new messages

interface Entry extends Pick<HistoryMessage, "username" | "role" | "message" | "kind"> {
  key: string;
  id?: string; // of a stored message
  mine: boolean;
}

/** Return the shown entries: messages, then own ones that are not stored yet. */
function entries({ messages, pending, you }: ChatState): Entry[] {
  const mine = (message: { userId: string }) => message.userId === you?.userId;
  const stored = messages.slice(-SHOWN).map((message) => ({
    ...message,
    mine: mine(message),
    key: (mine(message) && message.clientMessageId) || message.id, // a draft keeps its element when it is stored
  }));
  const known = new Set(stored.map(({ key }) => key));
  const drafts = pending
    .filter(({ clientMessageId }) => !known.has(clientMessageId))
    .map(({ clientMessageId, message }) => ({ key: clientMessageId, username: you?.username ?? "", role: you?.role ?? "USER", message, mine: true }));
  return [...stored, ...drafts];
}

export function showChat({ chat, dorami, key: liveId, watch }: Visit): void {
  const log = $("#log");
  const list = $("#messages");
  const pins = $("#pins");
  const newest = $("#newest");
  const menu = dialog("#menu");
  let following = true;
  let open = false; // whether all pins are shown
  let last = "";

  const toEnd = () => {
    log.scrollTop = log.scrollHeight;
    newest.hidden = following = true;
  };

  const ask = (event: "chat:delete-message" | "chat:pin-message" | "chat:unpin-message", messageId: string) => {
    menu.close();
    dorami.ask("/chat", event, { liveId, messageId }).catch((error) => tell(reason(error), "error"));
  };

  /** Ask for the reason, and report a message. */
  function report(id: string): void {
    const because = (why: Report["reason"]) => () => {
      menu.close();
      chat.report(id, why).then(() => tell(t("reported")), (error) => tell(reason(error), "error"));
    };
    write($("#subject"), t("reportWhy"));
    $(".choices", menu).replaceChildren(...REASONS.map((why) => button("", t(why), because(why))), button("quiet", t("close"), () => menu.close()));
    $("button", menu).focus();
  }

  function offer(id: string, text: string, mine: boolean): void {
    const { you, pinned } = chat.state.get();
    write($("#subject"), text);
    const choices = [];
    if (you!.powers.includes("PIN")) {
      const on = pinned.some((pin) => pin.id === id);
      choices.push(button("", t(on ? "unpin" : "pin"), () => ask(on ? "chat:unpin-message" : "chat:pin-message", id)));
    }
    if (you!.powers.includes("DELETE")) choices.push(button("danger", t("delete"), () => ask("chat:delete-message", id)));
    else if (!mine) choices.push(button("", t("report"), () => report(id)));
    choices.push(button("quiet", t("close"), () => menu.close()));
    $(".choices", menu).replaceChildren(...choices);
    menu.showModal();
  }

  function item({ id, kind, username, role, message, mine }: Entry, shown?: HTMLLIElement): HTMLLIElement {
    const moderates = chat.state.get().you?.powers.some((power) => power === "PIN" || power === "DELETE");
    const may = id && !kind && (moderates || !mine);
    const made = shown ?? make("li", "", make("b", "name"), " ", make("span", "text"));
    const drawn = [id, may, moderates, language].join();
    if (made.dataset.drawn === drawn) return made; // messages do not change
    made.dataset.drawn = drawn;
    made.className = [kind, role.toLowerCase(), mine && "mine", !id && "pending"].filter(Boolean).join(" ");
    write($(".name", made), kind ? `${t("announcement")} · ${username}` : username);
    const text = $(".text", made);
    text.dir = "auto";
    write(text, message);
    const more = made.querySelector<HTMLButtonElement>(".more");
    if (!may) more?.remove();
    else if (!more) made.append(button("more", "⋯", () => offer(id, message, mine)));
    if (may) $(".more", made).ariaLabel = t(moderates ? "moderate" : "reportThis", { who: username });
    made.classList.toggle("seldom", !moderates);
    return made;
  }

  function pin(each: PinnedMessage, shown?: HTMLLIElement): HTMLLIElement {
    const made = shown ?? make("li", "", make("b", "name"), " ", make("span", "text"), button("others", "", () => (open = !open, show())), button("unpin", "×", () => ask("chat:unpin-message", each.id)));
    write($(".name", made), each.username);
    write($(".text", made), each.message);
    const { pinned, you } = chat.state.get();
    const others = $<HTMLButtonElement>(".others", made);
    others.hidden = each !== pinned.at(-1) || pinned.length < 2;
    write(others, open ? "−" : `+${pinned.length - 1}`);
    others.ariaLabel = t("morePins", { n: pinned.length - 1 });
    others.ariaExpanded = String(open);
    const unpin = $<HTMLButtonElement>(".unpin", made);
    unpin.hidden = !you?.powers.includes("PIN");
    unpin.ariaLabel = `${t("unpin")}: ${each.message}`;
    return made;
  }

  function show(): void {
    const state = chat.state.get();
    follow(list, entries(state), ({ key }) => key, item);
    const top = [...state.pinned].reverse(); // the newest is shown while the list is closed
    follow(pins, open ? top : top.slice(0, 1), ({ id }) => id, pin);
    pins.hidden = !state.pinned.length;
    const end = (list.lastElementChild as HTMLElement | null)?.dataset.key ?? "";
    if (following) toEnd();
    else if (end !== last) newest.hidden = false;
    last = end;
  }

  // Without rights to moderate there is no visible button on a phone: a long press opens the menu, too.
  let held: ReturnType<typeof setTimeout> | undefined;
  const menuOf = (event: Event) => (event.target as Element).closest("li")?.querySelector<HTMLElement>(".more");
  list.addEventListener("pointerdown", (event) => {
    const more = event.pointerType === "touch" && menuOf(event);
    if (more) held = setTimeout(() => more.click(), HELD);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) list.addEventListener(end, () => clearTimeout(held));
  list.addEventListener("contextmenu", (event) => {
    const more = menuOf(event);
    if (!more) return;
    event.preventDefault();
    clearTimeout(held);
    if (!menu.open) more.click();
  });
  log.addEventListener("scroll", () => {
    clearTimeout(held);
    following = log.scrollHeight - log.scrollTop - log.clientHeight < CLOSE;
    if (following) newest.hidden = true;
  }, { passive: true });
  new ResizeObserver(() => following && toEnd()).observe(log);
  newest.onclick = toEnd;
  chat.state.subscribe(soon(show));
  watch(show);
}

/** The form below the chat, and the reason why the user cannot write or must wait. */
export function showComposer({ chat, dorami, now, watch, member }: Visit, signIn: () => void): void {
  const form = $<HTMLFormElement>("#say");
  const input = form.elements.namedItem("text") as HTMLInputElement;
  const send = form.elements.namedItem("send") as HTMLButtonElement;
  let banned: { until?: string } | undefined; // may be set while the state is `joined`: the gateway removed the user
  let next = 0; // when slow mode allows another message, by the server's clock
  let joined = false;

  /** Return the reason why the user cannot write or must wait. */
  function standing(): { why?: string; wait?: number; locked?: boolean } {
    const { status, error, you, settings } = chat.state.get();
    const connection = dorami.status.get();
    const refusal = (banned && new DoramiError({ code: "BANNED", details: banned })) ?? (status === "failed" ? error : connection.state === "refused" ? connection.error : undefined);
    if (refusal?.code === "BANNED") {
      const until = (refusal.details as { until?: string } | undefined)?.until;
      const ends = until && Date.parse(until) < now() + AGES;
      return { locked: true, why: ends ? t("bannedUntil", { when: clock(until) }) : t("banned") };
    }
    if (refusal) return { locked: true, why: t("refused", { why: reason(refusal) }) };
    if (!you || !settings) return { locked: true, why: t("joining") };
    if (you.mutedUntil && Date.parse(you.mutedUntil) > now()) return { locked: true, why: t("muted", { when: clock(you.mutedUntil) }) };
    if (you.moderator) return {};
    if (settings.frozen) return { locked: true, why: t("frozen") };
    if (settings.slowModeSeconds) return { why: t("slow", { n: settings.slowModeSeconds }), wait: next - now() };
    return {};
  }

  function show(): void {
    const { why, wait = 0, locked = false } = standing();
    const { settings } = chat.state.get();
    const outside = !member && settings?.guestsAllowed === false && !banned;
    $("#join").hidden = !outside;
    form.hidden = outside;
    $("#standing").hidden = outside || !why;
    write($("#why"), why ?? "");
    write($("#wait"), wait > 0 ? t("wait", { n: Math.ceil(wait / 1000) }) : "");
    input.disabled = locked;
    send.disabled = locked || wait > 0;
    form.classList.toggle("locked", locked);
  }

  chat.state.subscribe(({ status }) => {
    if (status === "joined" && !joined) banned = undefined;
    joined = status === "joined";
    show();
  });
  chat.on("chat:banned", ({ until }) => {
    banned = { until };
    show();
  });
  dorami.status.subscribe(show);
  watch(show, "timed");
  $("#join").onclick = signIn;
  form.onsubmit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || send.disabled) return;
    input.value = "";
    chat.send(text).then(
      ({ timestamp }) => {
        next = Date.parse(timestamp) + 1000 * (chat.state.get().settings?.slowModeSeconds ?? 0);
        show();
      },
      (error) => {
        input.value ||= text;
        tell(t("notSent", { why: reason(error) }), "error");
      },
    );
  };
}
