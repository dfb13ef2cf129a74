import type { DataOfEvents } from "./chat.js";
import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import { DoramiError } from "./errors.js";
import type { Cursor, JobUpdate, Notification, Order, OrdersJoined, RootServerToClientEvents } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

const KEPT = 200; // entries of each kind that a state has at most

/** A copy with an entry put last, without the oldest of too many. */
function put<T extends { id: string }>(entries: ReadonlyMap<string, T>, entry: T): ReadonlyMap<string, T> {
  const all = new Map(entries);
  all.delete(entry.id);
  all.set(entry.id, entry);
  if (all.size > KEPT) all.delete(all.keys().next().value!);
  return all;
}

export interface OrdersState extends RoomState {
  /** Orders that something was heard of, by id, the last changed last. */
  readonly orders: ReadonlyMap<string, Order>;
}

type RootEvents = DataOfEvents<RootServerToClientEvents>;

/** Orders as they change: for an ADMIN those of everybody, for others their own that expire. */
export interface Orders extends Room<OrdersState, Pick<RootEvents, "order:new" | "order:paid" | "order:cancelled" | "order:expired">> {
  /** The place up to which everything was heard. */
  readonly cursor: Cursor | undefined;
}

/** Orders as they change; the same for all who ask for it. `cursor`: where an earlier visit ended. */
export function orders(connection: Connection, { cursor }: { cursor?: Cursor } = {}): Orders {
  return connection.share("orders", () => {
    const { on, emit } = emitter<RootEvents>();
    const state = store<OrdersState>({ status: "joining", orders: new Map() });
    const room = follow<Partial<OrdersJoined>, OrdersState>(connection, {
      namespace: "/",
      room: "admins",
      key: "",
      state,
      cursor,
      join: (since) =>
        connection.ask("/", "join:orders", { since }).catch((error) => {
          if (DoramiError.is(error, "FORBIDDEN")) return {}; // who is no ADMIN hears of their own, which have no log
          throw error;
        }),
      joined: () => ({}),
      apply(event, data) {
        if (!event.startsWith("order:") || !data.id) return;
        state.patch({ orders: put(state.get().orders, data as Order) });
        emit(event as "order:new", data);
      },
    });
    return {
      state,
      on,
      retain: room.retain,
      get cursor() {
        return room.cursor;
      },
    };
  });
}

export interface NotificationsState {
  /** What was heard, by id, the newest last. Older ones: `GET /notifications`. */
  readonly notifications: ReadonlyMap<string, Notification>;
  /** The jobs that somebody waits for, by id. */
  readonly jobs: ReadonlyMap<string, JobUpdate>;
}

/** What the gateway tells one person. It keeps what it could not deliver. */
export interface Notifications extends Room<NotificationsState, Pick<RootEvents, "notification:new" | "job:update">> {}

/** What the gateway tells one person; the same for all who ask for it. */
export function notifications(connection: Connection): Notifications {
  return connection.share("notifications", () => {
    const { on, emit } = emitter<RootEvents>();
    const state = store<NotificationsState>({ notifications: new Map(), jobs: new Map() });
    let listening = false;
    const hear = (event: string, { data }: { data: any }) => {
      const { notifications, jobs } = state.get();
      if (event === "job:update") state.patch({ jobs: put(jobs, data as JobUpdate) });
      else if (event === "notification:new" && !notifications.has(data.id)) state.patch({ notifications: put(notifications, data as Notification) });
      else return; // of something else, or delivered again as it may have been lost
      emit(event, data);
    };
    return {
      state,
      on,
      retain() {
        if (!listening) connection.hear("/", hear);
        listening = true;
        return () => {}; // it costs nothing
      },
    };
  });
}
