import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import { DoramiError } from "./errors.js";
import { pause } from "./platform.js";
import type { ChatServerToClientEvents, Cursor, HistoryMessage, HistoryPage, Joined, PinnedMessage, Report, Reported, RoomSettings, Sent, You } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

/** The argument of listeners: the `data` of an event, or the event itself if it has none. */
export type DataOfEvents<H> = { [E in keyof H]: H[E] extends (payload: infer P, ...rest: never[]) => void ? (P extends { type: string; data: infer D } ? D : P) : never };

/** A message that is not stored yet. */
export interface Draft {
  readonly clientMessageId: string;
  readonly message: string;
}

/** The range of places, both included, in which missed messages were not fetched. */
export interface Gap {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface ChatState extends RoomState {
  /** Messages and, with `kind`, announcements, oldest first. */
  readonly messages: readonly HistoryMessage[];
  /** Own messages that are not in `messages` yet, in the order of sending. */
  readonly pending: readonly Draft[];
  readonly pinned: readonly PinnedMessage[];
  readonly settings?: RoomSettings;
  /** The user and their rights in this room. */
  readonly you?: You;
  /** The number of distinct people in the room, as last received. */
  readonly members: number;
  /** Set when more messages were missed than `catchUp` allows to fetch. */
  readonly gap?: Gap | undefined;
}

export type ChatEvents = DataOfEvents<ChatServerToClientEvents> & {
  /** The messages were replaced as a whole: render all of the state. */
  snapshot: ChatState;
};

export interface ChatOptions {
  /** The `cursor` of an earlier visit: events since then are received, too. */
  cursor?: Cursor;
  /** The maximum number of messages in the state; default 500. */
  keep?: number;
  /** The maximum number of missed messages to fetch; default 3,000. */
  catchUp?: number;
}

/** The part of AbortSignal that is used. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
}

export interface SendOptions {
  /** Aborts a message that is not stored yet. */
  signal?: Signal;
  /** Identifies the message: messages of one sender with the same id are stored once. */
  clientMessageId?: string;
}

/** The chat of a stream. */
export interface Chat extends Room<ChatState, ChatEvents> {
  readonly liveId: string;
  /** The place up to which all events were received. */
  readonly cursor: Cursor | undefined;
  /**
   * Send a message. Resolves when it is stored, also if the connection is lost meanwhile; messages are stored in
   * the order of the calls. Rejects with a DoramiError if the gateway refuses it, and with the reason of
   * `signal` if that is aborted before.
   */
  send(message: string, options?: SendOptions): Promise<Sent>;
  /** Read a page of messages: those before the message with the id `before`, or the newest. */
  history(before?: string, limit?: number): Promise<HistoryPage>;
  /** Report a message to the staff of the room. A second report of the same message changes nothing. */
  report(messageId: string, reason: Report["reason"], note?: string): Promise<Reported>;
}

interface Item extends Draft {
  seq?: number; // its place, once it is stored
  resolve(sent: Sent): void;
  reject(error: unknown): void;
}

let counter = 0;
const run = Math.random(); // with the counter an id that is unique for a sender in a room

/** Return the chat of a stream, always the same object for a connection. */
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
      // The ack has the newest messages: fetch those between them and the last received one.
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
          if (code === "NOT_IN_ROOM") void room.join(); // sends again after that
          else if (retryable) await pause(tries++, error);
          else settle(item, error);
        }
      }
      sending = false;
    }

    /** Update `pending`, without stored messages that were received and without an item that failed. */
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

    // --- events ---

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
        else void room.join(true); // more messages than fit into the event
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
      report: (messageId, reason, note) => connection.ask("/chat", "chat:report", { liveId, messageId, reason, note }),
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
