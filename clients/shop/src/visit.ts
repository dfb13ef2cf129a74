// The visit of a user to a stream: the session, the client and the rooms that all modules of the page share. Created by main.ts.

import { type Chat, Dorami, HttpSession, type Notifications, type Orders, type Products, type StreamView, type Viewers } from "@dorami/client";

export interface Visit {
  readonly session: HttpSession;
  readonly dorami: Dorami;
  readonly key: string;
  readonly chat: Chat;
  readonly products: Products;
  readonly viewers: Viewers;
  readonly orders: Orders;
  readonly notifications: Notifications;
  /** The stream, or undefined if there is none; `look` reads it again. */
  stream: StreamView | undefined;
  /** Call back when everything must be rendered again, for example in another language; `timed`: also twice a second. */
  watch(show: () => void, timed?: "timed"): void;
  /** Render everything again. */
  show(): void;
  /** Return the time of the server in ms since 1970. */
  now(): number;
  /** Whether the user can order and write, unlike guests. */
  readonly member: boolean;
}

/** The accounts of the seeds, by the first half of their addresses, and their one password: see gateway/seeds/main.toml. */
export const PEOPLE = {
  viewer1: ["Mina", "viewer"], viewer2: ["Joon", "viewer"], viewer3: ["Sora", "viewer"], "viewer-ko": ["김서연", "viewer"],
  host: ["Hana", "host"], "host-ko": ["한지민", "host"], admin: ["Ada", "admin"],
} as const;
const PASSWORD = "dorami-dev";

/** Log in as one of them. */
export const logIn = (session: HttpSession, who: string) => session.login(`${who}@example.com`, PASSWORD);

/** Prepare a visit with a logged-in session; opens nothing yet. */
export function visit(session: HttpSession, key: string): Visit {
  const dorami = new Dorami({ url: location.origin, token: session.token });
  const shown: (() => void)[] = [];
  const timed: (() => void)[] = [];
  const made: Visit = {
    session, dorami, key,
    chat: dorami.chat(key),
    products: dorami.products(key),
    viewers: dorami.viewers(key),
    orders: dorami.orders(),
    notifications: dorami.notifications(),
    stream: undefined,
    watch(show, often) {
      shown.push(show);
      if (often) timed.push(show);
    },
    show: () => shown.forEach((show) => show()),
    now: () => dorami.now(),
    get member() {
      return session.user !== undefined && session.user.role !== "GUEST";
    },
  };
  setInterval(() => timed.forEach((show) => show()), 500);
  return made;
}
