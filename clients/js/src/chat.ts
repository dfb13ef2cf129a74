import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import { DoramiError } from "./errors.js";
import { pause } from "./platform.js";
import type { ChatServerToClientEvents, Cursor, HistoryMessage, HistoryPage, Joined, PinnedMessage, RoomSettings, Sent, You } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

/** What listeners get of an event: its `data`, or itself if it has none. */
export type DataOfEvents<H> = { [E in keyof H]: H[E] extends (payload: infer P, ...rest: never[]) => void ? (P extends { type: string; data: infer D } ? D : P) : never };

/** A message that is not stored yet. */
export interface Draft {
  readonly clientMessageId: string;
  readonly message: string;
}

/** Places between which nothing was fetched, both included. */
export interface Gap {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface ChatState extends RoomState {
  /** Messages and, with `kind`, announcements, oldest first. */
  readonly messages: readonly HistoryMessage[];
  /** What we said and what is not among `messages` yet, in the order in which it is sent. */
  readonly pending: readonly Draft[];
  readonly pinned: readonly PinnedMessage[];
  readonly settings?: RoomSettings;
  /** Who we are here, and what we may do. */
  readonly you?: You;
  /** How many distinct people are here, as last heard. */
  readonly members: number;
  /** We were away for so long that what was said between these places was not fetched. */
  readonly gap?: Gap | undefined;
}

export type ChatEvents = DataOfEvents<ChatServerToClientEvents> & {
  /** The messages were read anew: render all of the state. */
  snapshot: ChatState;
};

export interface ChatOptions {
  /** Where an earlier visit ended: what happened since is heard, too. */
  cursor?: Cursor;
  /** How many messages the state has at most; 500 unless told otherwise. */
  keep?: number;
  /** How many missed messages are fetched at most; 3,000 unless told otherwise. */
  catchUp?: number;
}

/** What is used of an AbortSignal. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
}

export interface SendOptions {
  /** Aborts what was not sent yet. */
  signal?: Signal;
  /** The name of the message: what is sent again under the same name is stored once. */
  clientMessageId?: string;
}

/** The chat of a stream. */
export interface Chat extends Room<ChatState, ChatEvents> {
  readonly liveId: string;
  /** The place up to which everything was heard. */
  readonly cursor: Cursor | undefined;
  /**
   * Say something. Resolves when it is stored, however often the connection is lost until then; messages are stored in
   * the order in which they were sent. Fails with a DoramiError when the gateway refuses it, and with the reason of
   * `signal` when that is aborted before.
   */
  send(message: string, options?: SendOptions): Promise<Sent>;
  /** A page of messages: those before the one of that id, or the newest. */
  history(before?: string, limit?: number): Promise<HistoryPage>;
}

interface Item extends Draft {
  seq?: number; // where it was stored
  resolve(sent: Sent): void;
  reject(error: unknown): void;
}

let counter = 0;
const run = Math.random(); // with the counter it names messages: unique for a sender in a room, and no secret

/** The chat of a stream; the same for all who ask for it. */
export function chat(connection: Connection, liveId: string, { cursor, keep = 500, catchUp = 3000 }: ChatOptions = {}): Chat {
  return connection.share(`chat ${liveId}`, () => {
    const { on, emit } = emitter<ChatEvents>();
    const state = store<ChatState>({ status: "joining", messages: [], pending: [], pinned: [], members: 0 });
    let outbox: Item[] = [];
    let sending = false;

    const show = (messages: readonly HistoryMessage[]) => state.patch({ messages: messages.slice(-keep) });
    const history = (before?: string, limit = 100) => connection.ask("/chat", "chat:history", { liveId, limit, before });

    const room = follow<Joined, ChatState>(connection, {
      namespace: "/chat",
      room: `live:${liveId}`,
      key: liveId,
      state,
      cursor,
      join: (since) => connection.ask("/chat", "chat:join-room", { liveId, since }),
      leave: () => connection.ask("/chat", "chat:leave-room", { liveId }),
      joined: ({ you, settings, pinned, members }) => ({ you, settings, pinned, members }),
      entered() {
        settle();
        void flush();
      },
      failed: giveUp,
      apply(event, data) {
        apply(event, data);
        settle();
        emit(event as keyof ChatEvents, data);
      },
      // An answer has the newest messages: page back to those that were seen before.
      async snapshot(answer, since) {
        const messages: HistoryMessage[] = [...answer.history];
        const last = since?.epoch === answer.cursor.epoch ? since.seq : answer.cursor.seq;
        let gap: Gap | undefined;
        for (let before: string | null | undefined = messages[0]?.id; before && messages[0]!.seq > last + 1; ) {
          if (messages.length >= catchUp) {
            gap = { fromSeq: last + 1, toSeq: messages[0]!.seq - 1 };
            break;
          }
          const page = await history(before);
          messages.unshift(...page.messages);
          before = page.nextBefore;
        }
        return () => {
          state.patch({ gap });
          show(messages);
          emit("snapshot", state.get());
          for (const each of messages) if (each.seq > last) emit(each.kind ? "chat:announcement" : "chat:message", each);
        };
      },
    });

    // --- sending: one at a time, so that messages are stored in the order in which they were sent ---

    async function flush(): Promise<void> {
      if (sending) return;
      sending = true;
      let tries = 0;
      for (let item; room.inside && (item = outbox.find(({ seq }) => !seq)); ) {
        const { message, clientMessageId } = item;
        try {
          const sent = await connection.ask("/chat", "chat:send-message", { liveId, message, clientMessageId });
          item.seq = sent.seq;
          item.resolve(sent);
          settle();
          tries = 0;
        } catch (error) {
          const { code, retryable } = error as DoramiError;
          if (code === "NOT_IN_ROOM") void room.join(); // and then again
          else if (retryable) await pause(tries++, error);
          else settle(item, error);
        }
      }
      sending = false;
    }

    /** Show what is not stored, or stored and not heard yet; without an item that fails. */
    function settle(failed?: Item, error?: unknown): void {
      failed?.reject(error);
      if (!outbox.length) return;
      outbox = outbox.filter((item) => item !== failed && !(item.seq! <= room.cursor?.seq!));
      state.patch({ pending: outbox });
    }

    function giveUp(error: DoramiError): void {
      for (const item of outbox) settle(item, error);
    }

    connection.status.subscribe(({ state, error }) => {
      if (/idle|refused/.test(state)) giveUp(error ?? new DoramiError({ code: "CLOSED" }));
    });

    // --- what happens ---

    function apply(event: string, data: any): void {
      const { messages, pinned, you, members } = state.get();
      const without = (gone: (message: HistoryMessage) => boolean) => show(messages.filter((message) => !gone(message)));
      const others = () => pinned.filter(({ id }) => id !== (data.messageId ?? data.id));
      if (event === "chat:message") show([...messages, data]);
      else if (event === "chat:announcement") {
        show([...messages, { ...data, id: `announcement-${data.seq}`, clientMessageId: null, kind: "announcement" }]);
      } else if (event === "chat:message-deleted") without(({ id }) => id === data.messageId);
      else if (event === "chat:cleared") {
        without(({ seq, userId }) => seq >= data.fromSeq && seq < data.beforeSeq && userId === (data.userId ?? userId));
      } else if (event === "chat:restored") {
        if (data.messages) show([...messages, ...data.messages].sort((one, other) => one.seq - other.seq));
        else void room.join(true); // too many for an event
      } else if (event === "chat:pinned") state.patch({ pinned: [...others(), data] });
      else if (event === "chat:unpinned") state.patch({ pinned: others() });
      else if (event === "chat:user-joined" && data.userId !== you!.userId) state.patch({ members: members + 1 });
      else if (event === "chat:user-left") state.patch({ members: members - 1 });
      else if (event === "chat:room-state") state.patch({ members: data.members });
      else if (event === "chat:settings") state.patch({ settings: data });
      else if (event === "chat:you") state.patch({ you: { ...you!, ...data } });
    }

    return {
      liveId,
      state,
      on,
      retain: room.retain,
      get cursor() {
        return room.cursor;
      },
      history,
      send: (message, { signal, clientMessageId = `${run}-${++counter}` } = {}) =>
        new Promise((resolve, reject) => {
          const item: Item = { message, clientMessageId, resolve, reject };
          const abort = () => settle(item, signal!.reason);
          if (signal?.aborted) return abort();
          signal?.addEventListener("abort", abort);
          outbox.push(item);
          settle();
          void flush();
        }),
    };
  });
}
