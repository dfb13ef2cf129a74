// A fake gateway for unit tests: tests control its sockets and the time. No I/O.

import { mock } from "node:test";
import { Dorami } from "../dist/esm/index.js";

const settle = () => new Promise((done) => setImmediate(done)); // all promises that need nothing else

/** Advance the time by so many ms and run due timers, with steps in which promises continue. */
export async function pass(ms = 0) {
  await settle();
  for (let left = ms; left > 0; left -= Math.min(left, 250)) {
    mock.timers.tick(Math.min(left, 250));
    await settle();
  }
  mock.timers.tick(0);
  await settle();
}

class FakeSocket {
  connected = false;
  recovered = false;
  active = false;
  #listeners = new Map();
  #any = [];

  constructor(gateway, name, { auth }) {
    this.gateway = gateway;
    this.name = name;
    this.readAuth = auth;
  }

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  onAny(listener) {
    this.#any.push(listener);
  }

  connect() {
    this.active = true;
    this.readAuth((auth) => this.gateway.knock(this, auth));
  }

  disconnect() {
    if (!this.active) return;
    this.active = false;
    if (this.connected) this.lose("io client disconnect");
  }

  timeout(ms) {
    return {
      emitWithAck: (event, payload) =>
        new Promise((resolve, reject) => {
          const request = {
            namespace: this.name, event, payload: JSON.parse(JSON.stringify(payload)),
            answer: (data) => resolve({ ok: true, data, ts: Date.now() }),
            refuse: (code, more = {}) => resolve({ ok: false, error: { code, message: code, retryable: false, ...more }, requestId: "r", ts: Date.now() }),
            lose: () => reject(new Error("socket has been disconnected")),
          };
          setTimeout(() => reject(new Error("operation has timed out")), ms);
          this.gateway.ask(request);
        }),
    };
  }

  #tell(event, payload) {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload);
  }

  // --- the gateway's side ---

  welcome({ recovered = false } = {}) {
    this.connected = true;
    this.recovered = recovered;
    this.#tell("connect");
    if (!recovered) this.hears("connected", this.gateway.greeting());
  }

  /** A CONNECT_ERROR, after which the library does not reconnect. */
  refuse(code, message = code) {
    this.active = false;
    this.#tell("connect_error", Object.assign(new Error(message), { data: { code, retryable: false } }));
  }

  /** The handshake failed. */
  fail(answer) {
    const context = answer && { responseText: JSON.stringify(answer) };
    this.#tell("connect_error", Object.assign(new Error("xhr poll error"), { context }));
  }

  hears(event, payload) {
    for (const listener of this.#any) listener(event, payload);
  }

  lose(reason = "transport close") {
    const was = this.connected;
    this.connected = false;
    if (reason === "io server disconnect") this.active = false;
    this.#tell("disconnect", reason);
    if (was) for (const request of this.gateway.requests.filter(({ namespace }) => namespace === this.name)) request.lose();
  }
}

/** The gateway of a client. By default it accepts everybody, and requests wait for an answer in `requests`. */
export class Gateway {
  sockets = new Map();
  requests = [];
  /** The `auth` of clients, in order. */
  knocks = [];
  lifetime = 900_000; // ms of an access token
  clock = 0; // ms by which this clock differs from the client's
  knock = (socket, auth) => {
    this.knocks.push({ name: socket.name, ...auth });
    this.admit(socket);
  };
  admit = (socket) => socket.welcome();
  /** Immediate answers, by event. */
  answers = { "auth:refresh": () => ({ userId: "u1", role: "USER", expiresAt: new Date(Date.now() + this.lifetime).toISOString() }) };

  constructor() {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
    const gateway = this;
    this.Manager = class {
      constructor(url, options) {
        Object.assign(gateway, { url, options });
      }
      socket(name, options) {
        const socket = new FakeSocket(gateway, name, options);
        gateway.sockets.set(name, socket);
        return socket;
      }
      _close() {
        gateway.dropped = (gateway.dropped ?? 0) + 1;
        gateway.cut("forced close");
      }
    };
  }

  greeting() {
    const now = Date.now() + this.clock;
    return { userId: "u1", role: "USER", serverTime: new Date(now).toISOString(), expiresAt: new Date(now + this.lifetime).toISOString() };
  }

  ask(request) {
    const answer = this.answers[request.event];
    this.requests.push(request);
    if (answer) request.answer(answer(request.payload));
  }

  /** Lose the connection: every socket gets `disconnect`, also one that is not connected yet. */
  cut(reason) {
    for (const socket of this.sockets.values()) if (socket.active) socket.lose(reason);
  }

  client(options = {}) {
    const dorami = new Dorami({ url: "http://gateway", token: "t", manager: this.Manager, ...options });
    const statuses = [];
    dorami.status.subscribe(({ state, error }) => statuses.push(error ? `${state} ${error.code}` : state));
    return Object.assign(dorami, { statuses });
  }

  /** The requests of an event so far. */
  asked(event) {
    return this.requests.filter((request) => request.event === event);
  }
}

export const EPOCH = "e1";

/** A logged event of a room as it comes. */
export const logged = (type, data, seq, room = "live:demo", epoch = EPOCH) => ({ type, data, room, seq, epoch, at: "2026-11-30T12:00:00.000Z" });
export const message = (seq, more = {}) => ({ id: `m${seq}`, seq, liveId: "demo", userId: "u2", username: "mina", role: "USER", message: `text ${seq}`, clientMessageId: null, timestamp: "", ...more });
export const said = (seq, more) => logged("chat:message", message(seq, more), seq);
export const joined = (seq, { history = [], epoch = EPOCH, ...more } = {}) => ({
  roomName: "live:demo", members: 1, history, pinned: [], settings: { slowModeSeconds: 0, frozen: false, guestsAllowed: false },
  you: { userId: "u1", username: "ann", role: "USER", canSend: true, mutedUntil: null, moderator: false },
  cursor: { epoch, seq }, recovered: false, ...more,
});
