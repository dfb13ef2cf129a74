import { Manager } from "socket.io-client";
import { type Emitter, emitter, store, type Watchable } from "./emitter.js";
import { DoramiError, passing } from "./errors.js";
import { backoff, later, within } from "./platform.js";
import type { Answer, AuthRefreshed, Connected, Farewell, Namespaces } from "./protocol.js";

/** What a token provider answers. Without a `token` the cookie `accessToken` counts. */
export interface Token {
  token?: string;
}

/**
 * Gets the access token to connect with. `fresh`: the one before was refused or runs out, so get another one.
 * An error that is a DoramiError and not `retryable` ends the connection as `refused`; after any other it is asked again.
 */
export type TokenProvider = (options: { fresh: boolean }) => Promise<Token> | Token;

export interface Status {
  /**
   * - `idle`: not asked to connect.
   * - `connecting`: for the first time.
   * - `connected`
   * - `recovering`: the connection is lost, and comes back by itself.
   * - `refused`: it does not come back by itself; `error` says why.
   */
  readonly state: "idle" | "connecting" | "connected" | "recovering" | "refused";
  /** Why there is no connection. */
  readonly error?: DoramiError | undefined;
}

export interface Options {
  /** Where the gateway is, such as `https://shop.example`. */
  url: string;
  /** The access token, or what gets it. Without one the cookie `accessToken` counts. */
  token?: string | TokenProvider;
  /** How long a request may take, in ms; 10 s unless told otherwise. */
  answerWithin?: number;
  /** The path of Socket.IO; `/socket.io/` unless the gateway was told otherwise. */
  path?: string;
  transports?: ("websocket" | "polling")[];
  /** Send cookies to a gateway of another origin. */
  withCredentials?: boolean;
  /** @internal A stand-in for socket.io-client's Manager. */
  manager?: new (url: string, options: object) => Wires;
}

/** @internal What is used of socket.io-client's Socket. */
export interface Wire {
  readonly recovered: boolean;
  on(event: string, listener: (payload: any) => void): unknown;
  onAny(listener: (event: string, payload: any) => void): unknown;
  connect(): unknown;
  disconnect(): unknown;
  timeout(ms: number): { emitWithAck(event: string, payload: unknown): Promise<unknown> };
}
/** @internal What is used of socket.io-client's Manager. */
export interface Wires {
  socket(name: string, options: object): Wire;
  _close(): void;
}

export type NamespaceName = keyof Namespaces;
export type Requests<N extends NamespaceName> = Namespaces[N]["sends"];
/** What a request takes. */
export type RequestOf<N extends NamespaceName, E extends keyof Requests<N>> = Requests<N>[E] extends (request: infer R, ...rest: never[]) => void ? R : never;
/** What a request is answered with. */
export type DataOf<N extends NamespaceName, E extends keyof Requests<N>> =
  Requests<N>[E] extends (request: never, ack: (answer: infer A) => void) => void ? Extract<A, { ok: true }> extends { data: infer D } ? D : never : never;

const OPENING = 20_000; // ms that a connection may take to stand before another is tried
const AWAKE = 4_000; // ms that the gateway may take to answer after `wake`
const TOKENS = 2; // fresh tokens that may be refused in a row
const OF_TOKEN = /^(TOKEN|AUTH)_/; // the codes of refusals that another token may undo

/** The namespaces that are in use, over one connection: who we are, being refused, coming back, asking. */
export interface Connection {
  readonly status: Watchable<Status>;
  /** Connect, and come back whenever the connection is lost, until `close()` or a refusal that does not pass. */
  connect(): void;
  /** Disconnect. Requests and messages that wait fail with CLOSED. */
  close(): void;
  /** The application was asleep, or the network has changed: check the connection, or try again at once. */
  wake(): void;
  /** Send a request. Fails with a DoramiError. */
  ask<N extends NamespaceName, E extends keyof Requests<N> & string>(namespace: N, event: E, request: RequestOf<N, E>): Promise<DataOf<N, E>>;
  /** What the gateway said when we connected: who we are, and the limits. */
  greeting(): Connected | undefined;
  /** @internal What has this name, made once. */
  share<T>(name: string, make: () => T): T;
  /** @internal Have a namespace in use from now on; whether it is connected. */
  use(namespace: NamespaceName): boolean;
  /** @internal Hear every event of a namespace. */
  hear(namespace: NamespaceName, listener: (event: string, payload: any) => void): void;
  /** @internal Hear of namespaces that are connected (`up`: whether the gateway has recovered the socket) or lost. */
  on: Emitter<Record<`${NamespaceName} up`, boolean> & Record<`${NamespaceName} down`, void>>["on"];
}

/** Make a connection. It opens nothing until `connect()`. */
export function connection(options: Options): Connection {
  const { token, answerWithin = 10_000, manager: Wires = Manager as unknown as NonNullable<Options["manager"]> } = options;
  const renewable = typeof token === "function";
  const provider: TokenProvider = renewable ? token : () => ({ token });
  const status = store<Status>({ state: "idle" });
  const { on, emit } = emitter<Record<`${NamespaceName} up`, boolean> & Record<`${NamespaceName} down`, void>>();
  const shared = new Map<string, any>();
  const wires = new Map<NamespaceName, Wire>();
  const waiting = new Set<NamespaceName>(); // asked to connect, and not answered yet
  const up = new Set<NamespaceName>();
  let manager: Wires | undefined;
  let greeting: Connected | undefined;
  let open = false;
  let away: Status["state"]; // what to call it while there is no connection
  let attempt = 0; // numbers attempts, so that what belongs to an earlier one is known
  let pending = false; // an attempt is due, or gets its token: it takes along whatever is not connected then
  let auth: Token = {};
  let fresh = false; // the token was refused or runs out
  let failures = 0;
  let refusals = 0; // of tokens, in a row
  let notBefore = 0; // ms until the gateway wants us back
  let stopDue = () => {};
  let stopWatch = stopDue;
  let stopRenewal = stopDue;

  function show(state: Status["state"], error?: DoramiError): void {
    const shown = status.get();
    if (state !== shown.state || error?.code !== shown.error?.code) status.patch({ state, error });
  }

  // --- connecting ---

  /** Try at once; a moment later, so that namespaces that come into use together connect together. */
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

  /** There is no connection, or less than one: try again when that makes sense, or give up. `over`: nobody is to come back. */
  function failed(cause: Error, over = false): void {
    const error = DoramiError.is(cause) ? cause : passing("NETWORK", cause.message);
    let ms = 0;
    if (!over && renewable && refusals < TOKENS && OF_TOKEN.test(error.code)) {
      fresh = true;
      if (refusals++) ms = backoff(failures++);
      soon(); // what the others are told of the same token is no news
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

  /** Take the connection for dead, whatever it looks like. */
  const drop = () => manager?._close();

  // --- tokens ---

  /** Exchange the token before it runs out in `left` ms, each client at another moment. */
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
      if (DoramiError.is(error, "FORBIDDEN")) drop(); // it is somebody else's: come back as them
      else if ((error as DoramiError).retryable !== false) renewBefore(10_000);
    } // else the gateway ends the sockets when it is time, and says why
  }

  // --- asking ---

  async function request<D>(namespace: NamespaceName, event: string, payload: unknown, ms = answerWithin): Promise<{ data: D; ts: number }> {
    if (!use(namespace)) throw passing("OFFLINE");
    let stop = stopDue;
    const answer = await Promise.race([
      wires.get(namespace)!.timeout(ms).emitWithAck(event, payload) as Promise<Answer<D>>,
      // socket.io-client fails an ack at the disconnect, too, but not that of what it has buffered.
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
    // We try again ourselves: when to come back is the gateway's to say.
    manager ??= new Wires(options.url, { transports: ["websocket", "polling"], tryAllTransports: true, ...options, autoConnect: false, reconnection: false });
    const wire = manager.socket(name, { auth: (send: (auth: object) => void) => send(auth) });
    wires.set(name, wire);
    let farewell: Partial<Farewell> = {}; // what the gateway said before it ended the socket
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
        said ??= JSON.parse(context!.responseText); // of a 503 to the handshake
      } catch {
        // there was no answer, or none of the gateway
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
      // Any answer will do: whatever was sent to us before it has come.
      request(namespace, "auth:refresh", { token: auth.token ?? "-" }, AWAKE).catch(({ code }: DoramiError) => {
        if (code === "NO_ANSWER") drop();
        else if (OF_TOKEN.test(code)) void renew();
      });
    },
    ask: async (namespace, event, payload) => (await request<any>(namespace, event, payload)).data,
    greeting: () => greeting,
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
