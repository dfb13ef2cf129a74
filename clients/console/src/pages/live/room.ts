// One room as its moderators use it: the realtime state of a stream, and all actions on it with their undo.

import type { Chat, ClearAck, DataOf, HistoryMessage, OpenReports, PinnedMessage, Power, Products, RequestOf, RoomSettings, StreamStats } from "@dorami/client";
import { createContext, useContext, useEffect } from "react";
import { attempt, toast, undoable } from "../../components/toasts";
import { said } from "../../components/said";
import { get } from "../../api";
import { dorami } from "../../session";
import { queries } from "../../queries";
import { store } from "../../stores";
import { useLiveWords } from "../../words/live";

type Namespace = "/chat";
type Event = keyof import("@dorami/client").Namespaces[Namespace]["sends"] & string;

/** The person whom an action affects. */
export interface Subject {
  userId: string;
  username: string;
}

const KEEP = 2000; // messages in memory
export const MUTE = 300; // s, for the key M
export const MUTES = [60, 300, 3600] as const; // s, in the person panel

export class Room {
  readonly chat: Chat;
  readonly products: Products;
  /** The numbers of the stream, every 5 s; a moderator is not counted as a viewer. */
  readonly stats = store<StreamStats | null>(null);
  /** The number of reports that wait for a review. */
  readonly reports = store<OpenReports | null>(null);
  readonly client = dorami();

  constructor(readonly key: string) {
    const { client } = this;
    this.chat = client.chat(key, { keep: KEEP });
    this.products = client.products(key);
    this.chat.on("stream:stats", this.stats.set);
    this.chat.on("chat:reports", this.reports.set);
  }

  retain(): () => void {
    const releases = [this.chat.retain(), this.products.retain()];
    return () => releases.forEach((release) => release());
  }

  /** Read the numbers of the stream, which only its staff may. Later an event has them. */
  readStats = () => void get<StreamStats>(`/streams/${this.key}/stats`).then(this.stats.set, () => {});

  can = (power: Power): boolean => this.chat.state.get().you?.powers.includes(power) ?? false;

  #ask<E extends Event>(event: E, request: Omit<RequestOf<Namespace, E>, "liveId">): Promise<DataOf<Namespace, E>> {
    return dorami().ask("/chat", event, { ...request, liveId: this.key } as RequestOf<Namespace, E>);
  }

  /** Reload the newest entries of the log. */
  #logged = () => void queries.invalidateQueries({ queryKey: ["/moderation/log"] });

  async #do(action: () => Promise<unknown>): Promise<boolean> {
    const done = await attempt(action);
    if (done) this.#logged();
    return done;
  }

  async remove({ id, username }: HistoryMessage): Promise<void> {
    if (await this.#do(() => this.#ask("chat:delete-message", { messageId: id }))) toast(said(useLiveWords, "removed", { name: username }));
  }

  async mute({ userId, username }: Subject, seconds: number, time: string): Promise<void> {
    if (await this.#do(() => this.#ask("chat:mute-user", { userId, seconds }))) {
      undoable(said(useLiveWords, "muted", { name: username, time }), () => this.#ask("chat:unmute-user", { userId }).then(this.#logged));
    }
  }

  async ban({ userId, username }: Subject): Promise<void> {
    if (await this.#do(() => this.#ask("chat:ban-user", { userId }))) {
      undoable(said(useLiveWords, "banned", { name: username }), () => this.#ask("chat:unban-user", { userId }).then(this.#logged));
    }
  }

  async banEverywhere({ userId, username }: Subject): Promise<void> {
    const ask = (event: "chat:ban-user" | "chat:unban-user") => dorami().ask("/chat", event, { userId });
    if (await this.#do(() => ask("chat:ban-user"))) {
      undoable(said(useLiveWords, "bannedAll", { name: username }), () => ask("chat:unban-user").then(this.#logged));
    }
  }

  async pin(message: HistoryMessage | PinnedMessage): Promise<void> {
    const pinned = this.chat.state.get().pinned.some(({ id }) => id === message.id);
    const set = (on: boolean) => this.#ask(on ? "chat:pin-message" : "chat:unpin-message", { messageId: message.id }).then(this.#logged);
    if (await this.#do(() => set(!pinned))) {
      undoable(said(useLiveWords, pinned ? "unpinned" : "pinnedNow", { name: message.username }), () => set(pinned));
    }
  }

  count = (what: { userId?: string; lastSeconds?: number }): Promise<ClearAck> => this.#ask("chat:clear", { ...what, dryRun: true });

  /** Delete many messages, in several requests if necessary; all can be undone. */
  async clear(what: { userId?: string; lastSeconds?: number }): Promise<void> {
    const ids: string[] = [];
    let deleted = 0;
    const done = await this.#do(async () => {
      for (let more = true; more; ) {
        const answer = await this.#ask("chat:clear", what);
        deleted += answer.deleted;
        if (answer.clearId) ids.push(answer.clearId);
        more = answer.remaining > 0 && answer.deleted > 0;
      }
    });
    if (done && deleted) undoable(said(useLiveWords, "cleared", { count: deleted }), () => this.#restore(ids));
  }

  async #restore(ids: string[]): Promise<void> {
    for (const clearId of ids) {
      for (let more = true; more; ) {
        const { restored, remaining } = await this.#ask("chat:undo-clear", { clearId });
        more = remaining > 0 && restored > 0;
      }
    }
    this.#logged();
  }

  announce = (message: string): Promise<boolean> => this.#do(() => this.#ask("chat:announce", { message }));

  get #settings(): RoomSettings {
    return this.chat.state.get().settings ?? { slowModeSeconds: 0, frozen: false, guestsAllowed: true };
  }

  async slow(seconds: number): Promise<void> {
    const before = this.#settings.slowModeSeconds;
    const set = (value: number) => this.#ask("chat:slow-mode", { seconds: value }).then(this.#logged);
    if (seconds === before || !(await this.#do(() => set(seconds)))) return;
    undoable(seconds ? said(useLiveWords, "slowSet", { seconds }) : said(useLiveWords, "slowUnset"), () => set(before));
  }

  async freeze(frozen: boolean): Promise<void> {
    const set = (value: boolean) => this.#ask("chat:freeze", { frozen: value }).then(this.#logged);
    if (await this.#do(() => set(frozen))) undoable(said(useLiveWords, frozen ? "freezeSet" : "freezeUnset"), () => set(!frozen));
  }

  async guests(allowed: boolean): Promise<void> {
    const set = (value: boolean) => this.#ask("chat:allow-guests", { allowed: value }).then(this.#logged);
    if (await this.#do(() => set(allowed))) undoable(said(useLiveWords, allowed ? "guestsSet" : "guestsUnset"), () => set(!allowed));
  }

  toggleFreeze = () => this.freeze(!this.#settings.frozen);
}

const rooms = new Map<string, Room>();

/** Return the room of a stream, joined while the component is shown. */
export function useJoinedRoom(key: string): Room {
  let room = rooms.get(key);
  if (room?.client !== dorami()) rooms.set(key, (room = new Room(key))); // somebody else may have signed in
  const joined = room!;
  useEffect(() => joined.retain(), [joined]);
  return joined;
}

export const RoomContext = createContext<Room | null>(null);

export function useRoom(): Room {
  const room = useContext(RoomContext);
  if (!room) throw new Error("There is no room");
  return room;
}
