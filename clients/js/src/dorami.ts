import { type Chat, chat, type ChatOptions } from "./chat.js";
import { type Connection, connection, type Options } from "./connection.js";
import { type Notifications, notifications, type Orders, orders } from "./personal.js";
import { type Products, products } from "./products.js";
import type { Cursor } from "./protocol.js";
import { type Viewers, viewers } from "./viewers.js";

/**
 * Everything that the gateway offers to one person. Opens nothing until `connect()`, so it can be made anywhere, also on
 * a server. Where only some of it is used, `connection(…)` with `chat()`, `products()` … makes a smaller bundle.
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
