import { type Chat, chat, type ChatOptions } from "./chat.js";
import { type Connection, connection, type Options } from "./connection.js";
import { type Notifications, notifications, type Orders, orders } from "./personal.js";
import { type Products, products } from "./products.js";
import type { Cursor } from "./protocol.js";
import { type Viewers, viewers } from "./viewers.js";

/**
 * The client of one user. It opens nothing before `connect()`, so it can be created anywhere, also on
 * a server. If only parts are used, `connection(…)` with `chat()`, `products()` … gives a smaller bundle.
 */
export interface Dorami extends Connection {
  chat(liveId: string, options?: ChatOptions): Chat;
  products(streamId: string): Products;
  viewers(streamKey: string): Viewers;
  orders(options?: { cursor?: Cursor }): Orders;
  notifications(): Notifications;
}

export const Dorami = class {
  constructor(options: Options) {
    const made = connection(options);
    Object.assign(this, made, {
      chat: chat.bind(null, made), products: products.bind(null, made), viewers: viewers.bind(null, made),
      orders: orders.bind(null, made), notifications: notifications.bind(null, made),
    });
  }
} as new (options: Options) => Dorami;
