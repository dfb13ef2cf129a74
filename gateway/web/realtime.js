// The three namespaces over one connection: connecting, being refused, coming back, asking. Used by room.js and main.js.

import { Manager } from "./vendor/socket.io.js";
import { Refusal } from "./session.js";

const NAMESPACES = ["/", "/chat", "/streaming"];
const ANSWER_WITHIN = 10_000; // ms; the gateway's own deadline for a handler
const RECONNECT_AFTER = 500; // ms before the first try to come back; doubles up to MAX, with jitter
const RECONNECT_MAX = 5_000;

/**
 * The live side of a session. Dispatches `state` (detail: {state, reason}), where state is one of
 * connecting, connected, recovering (it comes back by itself), refused (it does not), offline.
 */
export class Realtime extends EventTarget {
  #session;
  #manager;
  #sockets;
  #state = "offline";
  #wasConnected = false;
  #retry;

  constructor(session) {
    super();
    this.#session = session;
    this.#manager = new Manager({
      autoConnect: false,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: RECONNECT_AFTER,
      reconnectionDelayMax: RECONNECT_MAX,
    });
    const auth = (send) => send({ token: session.token });
    this.#sockets = new Map(NAMESPACES.map((name) => [name, this.#manager.socket(name, { auth })]));
    for (const socket of this.#sockets.values()) this.#watch(socket);
    session.addEventListener("renewed", () => this.#renew());
  }

  open() {
    this.#wasConnected = false;
    this.#show("connecting");
    this.#connect();
  }

  close() {
    this.#stop();
    this.#show("offline");
  }

  /** Hear an event of a namespace; `connect` and `disconnect` are among them. */
  on(namespace, event, handler) {
    this.#sockets.get(namespace).on(event, handler);
  }

  isConnected(namespace) {
    return this.#sockets.get(namespace).connected;
  }

  /** Send a request and wait for its answer; throws Refusal. */
  async request(namespace, event, payload) {
    const socket = this.#sockets.get(namespace);
    if (!socket.connected) throw new Refusal({ code: "OFFLINE", message: "Not connected", retryable: true });
    let answer;
    try {
      answer = await socket.timeout(ANSWER_WITHIN).emitWithAck(event, payload);
    } catch {
      throw new Refusal({ code: "NO_ANSWER", message: "The gateway did not answer", retryable: true });
    }
    if (!answer.ok) throw new Refusal(answer.error);
    return answer.data;
  }

  #watch(socket) {
    let farewell = null; // what the server said before it ended this socket
    socket.on("connect", () => {
      farewell = null;
      this.#manager.reconnectionDelay(RECONNECT_AFTER);
      if ([...this.#sockets.values()].every((each) => each.connected)) {
        this.#wasConnected = true;
        this.#show("connected");
      }
    });
    socket.on("connect_error", (error) => {
      if (socket.active) this.#show(this.#wasConnected ? "recovering" : "connecting", "The gateway cannot be reached");
      else this.#refused(error.message, error.data ?? {});
    });
    socket.on("disconnect", (reason) => {
      if (reason === "io server disconnect") this.#refused(farewell?.reason ?? "The gateway ended the connection", farewell ?? {});
      else if (socket.active) this.#show("recovering", "The connection was lost");
    });
    const told = (reason) => (data) => (farewell = { reason, retryable: data.reconnect, ...data });
    socket.on("auth:expired", told("Token expired"));
    socket.on("auth:revoked", (data) => told(data.code === "BANNED" ? "You are banned" : "Token has been revoked")(data));
    // From a room: whoever comes back is told so by the room, and stays in the others. From everywhere: auth:revoked follows.
    socket.on("chat:banned", () => told("You are banned from a chat")({ reconnect: true }));
    socket.on("server:shutdown", (data) => {
      told("Server is draining")(data);
      this.#manager.reconnectionDelay(data.retryAfterMs ?? RECONNECT_AFTER);
    });
  }

  /** The server said no: come back when it makes sense, with a fresh token if that was the reason. */
  #refused(reason, { code, retryable, retryAfterMs }) {
    if (code === "TOKEN_EXPIRED") this.#again(reason, 0, true);
    else if (retryable) this.#again(reason, retryAfterMs ?? 1000, false);
    else {
      this.#stop();
      this.#show("refused", reason);
    }
  }

  #again(reason, delay, renew) {
    this.#show("recovering", reason);
    this.#retry ??= setTimeout(async () => {
      this.#retry = undefined;
      try {
        if (renew) await this.#session.renew();
      } catch (error) {
        if (error.retryable) this.#again(error.message, error.retryAfterMs ?? 1000, true);
        return; // else the session has ended, and said so
      }
      this.#connect();
    }, delay);
  }

  #connect() {
    for (const socket of this.#sockets.values()) if (!socket.active) socket.connect();
  }

  #stop() {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (const socket of this.#sockets.values()) socket.disconnect();
  }

  /** Hand the fresh token to the live sockets: they keep their rooms. One that fails is refused later, by the server. */
  #renew() {
    const payload = { token: this.#session.token };
    for (const name of NAMESPACES) this.request(name, "auth:refresh", payload).catch(() => {});
  }

  #show(state, reason = "") {
    if (state === this.#state && !reason) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, reason } }));
  }
}
