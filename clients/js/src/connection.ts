import { Manager } from "socket.io-client";
import { type Emitter, emitter, store, type Watchable } from "./emitter.js";
import { DoramiError, passing } from "./errors.js";
import { backoff, later, within } from "./platform.js";
import type { Answer, AuthRefreshed, Connected, Farewell, Namespaces } from "./protocol.js";

/** The result of a token provider. Without a `token` the gateway uses the cookie `accessToken`. */
export interface Token {
  token?: string;
}

/**
 * Returns the access token to connect with. `fresh`: the last one was refused or expires, so get a new one.
 * A DoramiError that is not `retryable` ends the connection as `refused`; after any other error the provider is called again.
 */
export type TokenProvider = (options: { fresh: boolean }) => Promise<Token> | Token;

export interface Status {
  /**
   * - `idle`: `connect()` was not called, or `close()` was.
   * - `connecting`: connecting for the first time.
   * - `connected`
   * - `recovering`: the connection was lost; the client reconnects by itself.
   * - `refused`: the client does not reconnect by itself; `error` says why.
   */
  readonly state: "idle" | "connecting" | "connected" | "recovering" | "refused";
  /** The reason why there is no connection. */
  readonly error?: DoramiError | undefined;
}

export interface Options {
  /** The address of the gateway, such as `https://shop.example`. */
  url: string;
  /** The access token, or a function that returns it. Without one the gateway uses the cookie `accessToken`. */
  token?: string | TokenProvider;
  /** The timeout of requests in ms; default 10,000. */
  answerWithin?: number;
  /** The path of Socket.IO; default `/socket.io/`. */
  path?: string;
  transports?: ("websocket" | "polling")[];
  /** Send cookies to a gateway of another origin. */
  withCredentials?: boolean;
  /** @internal Replaces socket.io-client's Manager in tests. */
  manager?: new (url: string, options: object) => Wires;
}

/** @internal The part of socket.io-client's Socket that is used. */
export interface Wire {
  readonly recovered: boolean;
  on(event: string, listener: (payload: any) => void): unknown;
  onAny(listener: (event: string, payload: any) => void): unknown;
  connect(): unknown;
  disconnect(): unknown;
  timeout(ms: number): { emitWithAck(event: string, payload: unknown): Promise<unknown> };
}
/** @internal The part of socket.io-client's Manager that is used. */
export interface Wires {
  socket(name: string, options: object): Wire;
  _close(): void;
}

export type NamespaceName = keyof Namespaces;
export type Requests<N extends NamespaceName> = Namespaces[N]["sends"];
/** The payload of a request. */
export type RequestOf<N extends NamespaceName, E extends keyof Requests<N>> = Requests<N>[E] extends (request: infer R, ...rest: never[]) => void ? R : never;
/** The `data` in the ack of a request. */
export type DataOf<N extends NamespaceName, E extends keyof Requests<N>> =
  Requests<N>[E] extends (request: never, ack: (answer: infer A) => void) => void ? Extract<A, { ok: true }> extends { data: infer D } ? D : never : never;

const OPENING = 20_000; // ms within which all namespaces must be connected before another attempt
const AWAKE = 4_000; // ms within which the gateway must answer after `wake`
const TOKENS = 2; // new tokens that may be refused in succession
const OF_TOKEN = /^(TOKEN|AUTH)_/; // the codes of refusals after which a new token may be accepted

/** One connection with the namespaces that are in use. It authenticates, reconnects and sends requests. */
export interface Connection {
  readonly status: Watchable<Status>;
  /** Connect, and reconnect after each loss until `close()` or a permanent refusal. */
  connect(): void;
  /** Disconnect. Pending requests and messages fail with CLOSED. */
  close(): void;
  /** Check the connection, or reconnect at once. Call it when the app resumes or the network changes. */
  wake(): void;
  /** Send a request. Fails with a DoramiError. */
  ask<N extends NamespaceName, E extends keyof Requests<N> & string>(namespace: N, event: E, request: RequestOf<N, E>): Promise<DataOf<N, E>>;
  /** Return the greeting of the gateway: user, role and limits. Undefined before the first connection. */
  greeting(): Connected | undefined;
  /** Return the time by the gateway's clock in ms, as its events are stamped; before the first connection that of this device. */
  now(): number;
  /** @internal Return the object with this name; `make` is called the first time. */
  share<T>(name: string, make: () => T): T;
  /** @internal Start to use a namespace; return whether it is connected. */
  use(namespace: NamespaceName): boolean;
  /** @internal Call back with every event of a namespace. */
  hear(namespace: NamespaceName, listener: (event: string, payload: any) => void): void;
  /** @internal Call back when a namespace is connected (`up`, with whether the gateway recovered the socket) or lost. */
  on: Emitter<Record<`${NamespaceName} up`, boolean> & Record<`${NamespaceName} down`, void>>["on"];
}

/** Create a connection. It opens nothing before `connect()`. */
export function connection(options: Options): Connection {
  const { token, answerWithin = 10_000, manager: Wires = Manager as unknown as NonNullable<Options["manager"]> } = options;
  const renewable = typeof token === "function";
  const provider: TokenProvider = renewable ? token : () => ({ token });
  const status = store<Status>({ state: "idle" });
  const { on, emit } = emitter<Record<`${NamespaceName} up`, boolean> & Record<`${NamespaceName} down`, void>>();
  const shared = new Map<string, any>();
  const wires = new Map<NamespaceName, Wire>();
  const waiting = new Set<NamespaceName>(); // CONNECT was sent and not answered yet
  const up = new Set<NamespaceName>();
  let manager: Wires | undefined;
  let greeting: Connected | undefined;
  let ahead = 0; // ms that the gateway's clock is ahead of this one
  let open = false;
  let away: Status["state"]; // the status while there is no connection
  let attempt = 0; // the number of the current attempt; earlier ones are abandoned
  let pending = false; // an attempt is scheduled or waits for its token; it will connect all namespaces
  let auth: Token = {};
  let fresh = false; // the token was refused or has expired
  let failures = 0;
  let refusals = 0; // of tokens, in succession
  let notBefore = 0; // ms after which the gateway wants clients to reconnect
  let stopDue = () => {};
  let stopWatch = stopDue;
  let stopRenewal = stopDue;

  function show(state: Status["state"], error?: DoramiError): void {
    const shown = status.get();
    if (state !== shown.state || error?.code !== shown.error?.code) status.patch({ state, error });
  }

  // --- connecting ---

  /** Schedule an attempt. A timer also with 0 ms: namespaces that come into use together connect together. */
  function soon(ms = 0): void {
    const now = ++attempt;
    pending = true;
    stopDue();
    stopDue = later(ms, () => void tryNow(now));
  }

  async function tryNow(now: number): Promise<void> {
    if (!wires.size) wire("/");
    try {
      await getToken(fresh);
    } catch (error) {
      if (now === attempt) failed(error as Error);
      return;
    }
    if (now !== attempt) return;
    pending = false;
    stopWatch();
    stopWatch = later(OPENING, drop);
    for (const [name, each] of wires) {
      if (!open || up.has(name) || waiting.has(name)) continue;
      waiting.add(name);
      each.connect();
    }
    settled();
  }

  async function getToken(another: boolean): Promise<void> {
    auth = await within(OPENING, Promise.resolve(provider({ fresh: another })), () => passing("NETWORK"));
    fresh = false;
  }

  function settled(): void {
    if (up.size < wires.size) return;
    stopWatch();
    failures = refusals = 0;
    away = "recovering";
    show("connected");
  }

  /** Handle a failed attempt or a lost connection: schedule another attempt, or end. `over`: do not reconnect. */
  function failed(cause: Error, over = false): void {
    const error = DoramiError.is(cause) ? cause : passing("NETWORK", cause.message);
    let ms = 0;
    if (!over && renewable && refusals < TOKENS && OF_TOKEN.test(error.code)) {
      fresh = true;
      if (refusals++) ms = backoff(failures++);
      soon(); // other namespaces will be refused for the same token: ignore that
      drop();
    } else if (over || !error.retryable) return end("refused", error);
    else {
      ms = backoff(failures++, error.retryAfterMs ?? notBefore);
      notBefore = 0;
    }
    show(away, error);
    soon(ms);
  }

  function end(state: Status["state"], error?: DoramiError): void {
    open = pending = false;
    attempt++;
    stopDue();
    stopWatch();
    stopRenewal();
    waiting.clear();
    for (const each of wires.values()) each.disconnect();
    show(state, error);
  }

  /** Close the transport without waiting for the gateway. */
  const drop = () => manager?._close();

  // --- tokens ---

  /** Schedule the renewal of a token that expires in `left` ms. The time is random so that clients do not renew together. */
  function renewBefore(left: number): void {
    stopRenewal();
    if (!renewable) return;
    const spare = (left > 120_000 ? left - 60_000 : left / 2) * (0.8 + Math.random() / 5);
    stopRenewal = later(Math.min(Math.max(1000, spare), 2 ** 31 - 1), renew);
  }

  async function renew(): Promise<void> {
    try {
      await getToken(true);
      const [namespace] = up;
      if (!namespace) return;
      const { data, ts } = await request<AuthRefreshed>(namespace, "auth:refresh", auth);
      renewBefore(Date.parse(data.expiresAt) - ts);
    } catch (error) {
      if (!open) return;
      if (DoramiError.is(error, "FORBIDDEN")) drop(); // the token is of another user: reconnect as that user
      else if ((error as DoramiError).retryable !== false) renewBefore(10_000);
    } // after other errors the gateway ends the sockets when they expire, and says why
  }

  // --- requests ---

  async function request<D>(namespace: NamespaceName, event: string, payload: unknown, ms = answerWithin): Promise<{ data: D; ts: number }> {
    if (!use(namespace)) throw passing("OFFLINE");
    let stop = stopDue;
    const answer = await Promise.race([
      wires.get(namespace)!.timeout(ms).emitWithAck(event, payload) as Promise<Answer<D>>,
      // socket.io-client also rejects at a disconnect, but not if it has buffered the packet.
      new Promise<never>((_, fail) => (stop = on(`${namespace} down`, fail))),
    ])
      .catch(() => {
        throw open ? passing("NO_ANSWER") : new DoramiError({ code: "CLOSED" });
      })
      .finally(() => stop());
    if (!answer.ok) throw new DoramiError({ ...answer.error, requestId: answer.requestId });
    return answer;
  }

  // --- namespaces ---

  function use(namespace: NamespaceName): boolean {
    if (!wires.has(namespace)) {
      wire(namespace);
      if (open) soon();
    }
    return up.has(namespace);
  }

  function wire(name: NamespaceName): void {
    // This module reconnects: the library knows nothing of retryAfterMs.
    manager ??= new Wires(options.url, { transports: ["websocket", "polling"], tryAllTransports: true, ...options, autoConnect: false, reconnection: false });
    const wire = manager.socket(name, { auth: (send: (auth: object) => void) => send(auth) });
    wires.set(name, wire);
    let farewell: Partial<Farewell> = {}; // the event that announced the end of the socket
    const lost = (error: DoramiError, over = false) => {
      waiting.delete(name);
      if (up.delete(name)) emit(`${name} down`, undefined);
      if (open && (over || !pending)) failed(error, over);
    };
    wire.on("connect", () => {
      farewell = {};
      waiting.delete(name);
      up.add(name);
      settled();
      emit(`${name} up`, wire.recovered);
    });
    wire.on("connect_error", ({ message, data, context }: Error & { data?: { code: string }; context?: { responseText: string } }) => {
      let said = data;
      try {
        said ??= JSON.parse(context!.responseText); // the body of a 503 to the handshake
      } catch {
        // no answer, or not one of the gateway
      }
      lost(new DoramiError({ code: "NETWORK", retryable: true, ...said, message }));
    });
    wire.on("disconnect", (message: string) => {
      const { code = "NETWORK", reconnect = true, retryAfterMs } = farewell;
      lost(new DoramiError({ code, message, retryable: true, retryAfterMs }), !reconnect);
    });
    wire.onAny((event, payload) => {
      const said: Connected = payload.data ?? payload;
      if (said.serverTime) {
        greeting = said;
        ahead = Date.parse(said.serverTime) - Date.now();
        renewBefore(Date.parse(said.expiresAt) - Date.parse(said.serverTime));
      } else if (event === "auth:expiring") void renew();
      else if ("reconnect" in payload) {
        farewell = payload;
        notBefore = payload.retryAfterMs ?? 0;
        fresh ||= payload.code === "TOKEN_EXPIRED";
      }
    });
  }

  return {
    status,
    connect() {
      if (open) return;
      open = true;
      failures = refusals = 0;
      show((away = "connecting"));
      soon();
    },
    close: () => end("idle"),
    wake() {
      if (!open) return;
      const [namespace] = up;
      if (!namespace || status.get().state !== "connected") {
        failures = 0;
        if (waiting.size) drop();
        return soon();
      }
      // Any answer proves that the connection works, and that all earlier events have arrived.
      request(namespace, "auth:refresh", { token: auth.token ?? "-" }, AWAKE).catch(({ code }: DoramiError) => {
        if (code === "NO_ANSWER") drop();
        else if (OF_TOKEN.test(code)) void renew();
      });
    },
    ask: async (namespace, event, payload) => (await request<any>(namespace, event, payload)).data,
    greeting: () => greeting,
    now: () => Date.now() + ahead,
    share(name, make) {
      if (!shared.has(name)) shared.set(name, make());
      return shared.get(name);
    },
    use,
    hear(namespace, listener) {
      use(namespace);
      wires.get(namespace)!.onAny(listener);
    },
    on,
  };
}
