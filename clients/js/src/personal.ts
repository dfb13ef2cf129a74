import type { DataOfEvents } from "./chat.js";
import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import { DoramiError } from "./errors.js";
import type { Cursor, JobUpdate, Notification, Order, OrdersJoined, RootServerToClientEvents } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

const KEPT = 200; // the maximum number of entries of each kind in a state

/** Return a copy with an entry added at the end, limited to the newest entries. */
function put<T extends { id: string }>(entries: ReadonlyMap<string, T>, entry: T): ReadonlyMap<string, T> {
  const all = new Map(entries);
  all.delete(entry.id);
  all.set(entry.id, entry);
  if (all.size > KEPT) all.delete(all.keys().next().value!);
  return all;
}

export interface OrdersState extends RoomState {
  /** The orders of received events, by id, the last changed one last. */
  readonly orders: ReadonlyMap<string, Order>;
}

type RootEvents = DataOfEvents<RootServerToClientEvents>;

/** Changes of orders: all orders for an ADMIN, own orders that expire for others. */
export interface Orders extends Room<OrdersState, Pick<RootEvents, "order:new" | "order:paid" | "order:cancelled" | "order:expired">> {
  /** The place up to which all events were received. */
  readonly cursor: Cursor | undefined;
}

/** Return the orders, always the same object for a connection. `cursor`: that of an earlier visit. */
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
          if (DoramiError.is(error, "FORBIDDEN")) return {}; // other users receive their own orders, which have no log
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
  /** Received notifications by id, the newest last. Older ones: `GET /notifications`. */
  readonly notifications: ReadonlyMap<string, Notification>;
  /** Jobs of the user by id. */
  readonly jobs: ReadonlyMap<string, JobUpdate>;
}

/** Notifications and jobs of the user. The gateway keeps undelivered notifications. */
export interface Notifications extends Room<NotificationsState, Pick<RootEvents, "notification:new" | "job:update">> {}

/** Return the notifications, always the same object for a connection. */
export function notifications(connection: Connection): Notifications {
  return connection.share("notifications", () => {
    const { on, emit } = emitter<RootEvents>();
    const state = store<NotificationsState>({ notifications: new Map(), jobs: new Map() });
    let listening = false;
    const hear = (event: string, { data }: { data: any }) => {
      const { notifications, jobs } = state.get();
      if (event === "job:update") state.patch({ jobs: put(jobs, data as JobUpdate) });
      else if (event === "notification:new" && !notifications.has(data.id)) state.patch({ notifications: put(notifications, data as Notification) });
      else return; // another event, or a notification that was delivered twice
      emit(event, data);
    };
    return {
      state,
      on,
      retain() {
        if (!listening) connection.hear("/", hear);
        listening = true;
        return () => {}; // listening costs nothing
      },
    };
  });
}
