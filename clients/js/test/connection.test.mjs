// The connection: connecting, refusals, reconnecting, tokens.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { DoramiError } from "../dist/esm/index.js";
import { Gateway, pass } from "./gateway.mjs";

let gateway;
beforeEach(() => {
  gateway = new Gateway();
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("used namespaces connect together with one token", async () => {
  const token = mock.fn(() => ({ token: "t1" }));
  const dorami = gateway.client({ token });
  dorami.chat("demo").retain();
  dorami.products("demo").retain();
  dorami.connect();
  await pass();
  assert.deepEqual(gateway.knocks, [{ name: "/chat", token: "t1" }, { name: "/", token: "t1" }]);
  assert.equal(token.mock.callCount(), 1);
  assert.deepEqual(dorami.statuses, ["connecting", "connected"]);
});

test("nothing connects before connect(), and only / if no namespace is in use", async () => {
  const dorami = gateway.client();
  dorami.chat("demo");
  await pass(1000);
  assert.equal(dorami.status.get().state, "idle");
  assert.equal(gateway.url, undefined);
  dorami.connect();
  await pass();
  assert.deepEqual(gateway.knocks.map(({ name }) => name), ["/"]);
});

test("a namespace that is used later connects without a status change", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  dorami.chat("demo").retain();
  await pass();
  assert.deepEqual(gateway.knocks.map(({ name }) => name), ["/", "/chat"]);
  assert.deepEqual(dorami.statuses, ["connecting", "connected"]);
  await pass(60_000);
  assert.equal(gateway.dropped, undefined);
});

test("a permanent refusal is reported once and ends reconnecting", async () => {
  gateway.admit = (socket) => setTimeout(() => socket.active && socket.refuse("BANNED", "You are banned"), 5);
  const dorami = gateway.client({ token: () => ({ token: "t" }) });
  dorami.chat("demo").retain();
  dorami.viewers("demo").retain();
  dorami.connect();
  await pass(60_000);
  assert.deepEqual(dorami.statuses, ["connecting", "refused BANNED"]);
  assert.equal(dorami.status.get().error.message, "You are banned");
  assert.equal(gateway.knocks.length, 2);
});

test("connect() works again after a refusal", async () => {
  gateway.admit = (socket) => socket.refuse("BANNED");
  const dorami = gateway.client();
  dorami.connect();
  await pass(1000);
  gateway.admit = (socket) => socket.welcome();
  dorami.connect();
  await pass();
  assert.deepEqual(dorami.statuses, ["connecting", "refused BANNED", "connecting", "connected"]);
});

test("an expired token is renewed once for all namespaces", async () => {
  gateway.admit = (socket) => (gateway.knocks.at(-1).token === "old" ? setTimeout(() => socket.refuse("TOKEN_EXPIRED"), 5) : socket.welcome());
  const token = mock.fn(({ fresh }) => ({ token: fresh ? "new" : "old" }));
  const dorami = gateway.client({ token });
  for (const room of [dorami.chat("demo"), dorami.products("demo"), dorami.viewers("demo")]) room.retain();
  dorami.connect();
  await pass(2000);
  assert.equal(dorami.status.get().state, "connected");
  assert.deepEqual(token.mock.calls.map(({ arguments: [{ fresh }] }) => fresh).filter(Boolean), [true]);
});

test("repeated refusals of new tokens end reconnecting", async () => {
  gateway.admit = (socket) => socket.refuse("TOKEN_EXPIRED");
  const dorami = gateway.client({ token: () => ({ token: "always the same" }) });
  dorami.connect();
  await pass(60_000);
  assert.equal(dorami.statuses.at(-1), "refused TOKEN_EXPIRED");
  assert.equal(gateway.knocks.length, 3);
});

test("a token given as a string is not renewed", async () => {
  gateway.admit = (socket) => socket.refuse("TOKEN_EXPIRED");
  const dorami = gateway.client();
  dorami.connect();
  await pass(1000);
  assert.deepEqual(dorami.statuses, ["connecting", "refused TOKEN_EXPIRED"]);
});

test("reconnect delays double up to 5 s and start over after a connection", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  gateway.admit = (socket) => socket.fail();
  const times = [];
  gateway.knock = (socket) => {
    times.push(Date.now());
    gateway.admit(socket);
  };
  let last = Date.now();
  gateway.cut();
  await pass(20_000);
  const waits = times.map((time) => {
    const wait = time - last;
    last = time;
    return wait;
  });
  assert.deepEqual(waits.slice(0, 6), [500, 1000, 2000, 4000, 5000, 5000]);
  gateway.admit = (socket) => socket.welcome();
  await pass(5000);
  assert.deepEqual(dorami.statuses, ["connecting", "connected", "recovering NETWORK", "connected"]);
  last = Date.now();
  gateway.cut();
  await pass(500);
  assert.equal(times.at(-1) - last, 500);
});

test("reconnect delays have jitter", async () => {
  const waits = [];
  for (const random of [0, 0.999]) {
    mock.restoreAll();
    mock.method(Math, "random", () => random);
    mock.timers.reset();
    gateway = new Gateway();
    const dorami = gateway.client();
    dorami.connect();
    await pass();
    const lost = Date.now();
    gateway.knock = () => waits.push(Date.now() - lost);
    gateway.cut();
    await pass(1000);
  }
  assert.deepEqual(waits, [250, 750]);
});

test("retryAfterMs of server:shutdown and of a refused handshake is respected", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  const times = [];
  gateway.knock = (socket) => {
    times.push(Date.now());
    socket.fail({ code: "SERVICE_UNAVAILABLE", retryable: true, retryAfterMs: 8000 });
  };
  const start = Date.now();
  gateway.sockets.get("/").hears("server:shutdown", { code: "SERVICE_UNAVAILABLE", reconnect: true, retryAfterMs: 4000 });
  gateway.cut();
  assert.equal(dorami.status.get().error.code, "SERVICE_UNAVAILABLE");
  await pass(20_000);
  assert.deepEqual(times.map((time) => time - start), [4500, 13_500]);
});

test("reconnect: false of the gateway ends reconnecting", async () => {
  const dorami = gateway.client({ token: () => ({ token: "t" }) });
  dorami.chat("demo").retain();
  dorami.products("demo").retain();
  dorami.connect();
  await pass();
  gateway.sockets.get("/chat").hears("auth:revoked", { code: "TOKEN_REVOKED", reconnect: false });
  gateway.sockets.get("/chat").lose("io server disconnect");
  await pass(60_000);
  assert.deepEqual(dorami.statuses, ["connecting", "connected", "refused TOKEN_REVOKED"]);
  assert.equal(gateway.sockets.get("/").connected, false);
});

test("a socket that the gateway ended without a farewell reconnects", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  gateway.sockets.get("/").hears("chat:banned", { liveId: "demo", until: "", reason: null });
  gateway.sockets.get("/").lose("io server disconnect");
  await pass(1000);
  assert.deepEqual(dorami.statuses, ["connecting", "connected", "recovering NETWORK", "connected"]);
});

test("auth:expired leads to a reconnection with a new token", async () => {
  const token = mock.fn(({ fresh }) => ({ token: fresh ? "new" : "old" }));
  const dorami = gateway.client({ token });
  dorami.connect();
  await pass();
  gateway.sockets.get("/").hears("auth:expired", { code: "TOKEN_EXPIRED", reconnect: true });
  gateway.cut();
  await pass(1000);
  assert.deepEqual(gateway.knocks.map(({ token }) => token), ["old", "new"]);
});

test("an attempt that takes more than 20 s is replaced by another", async () => {
  const dorami = gateway.client();
  gateway.admit = () => {};
  dorami.connect();
  await pass(19_000);
  assert.equal(gateway.dropped, undefined);
  await pass(3000);
  assert.equal(gateway.dropped, 1);
  assert.equal(gateway.knocks.length, 2);
});

// --- tokens ---

test("a token is renewed before it expires, by the gateway's clock", async () => {
  gateway.clock = 3_600_000; // the client's clock is an hour slow
  const token = mock.fn(({ fresh }) => ({ token: fresh ? "new" : "old" }));
  const dorami = gateway.client({ token });
  dorami.connect();
  await pass(700_000);
  assert.equal(token.mock.callCount(), 1);
  await pass(150_000);
  assert.deepEqual(gateway.asked("auth:refresh").map(({ payload }) => payload), [{ token: "new" }]);
  await pass(840_000);
  assert.equal(gateway.asked("auth:refresh").length, 2);
});

test("a short-lived token is renewed halfway", async () => {
  gateway.lifetime = 12_000;
  const dorami = gateway.client({ token: () => ({ token: "t" }) });
  dorami.connect();
  await pass(20_000);
  assert.equal(gateway.asked("auth:refresh").length, 3);
});

test("auth:expiring renews the token", async () => {
  const dorami = gateway.client({ token: ({ fresh }) => ({ token: fresh ? "new" : "old" }) });
  dorami.connect();
  await pass();
  gateway.sockets.get("/").hears("auth:expiring", { expiresAt: "2026-11-30T12:01:00.000Z" });
  await pass();
  assert.deepEqual(gateway.asked("auth:refresh").map(({ payload }) => payload), [{ token: "new" }]);
});

test("a token of another user leads to a new connection", async () => {
  let who = "ann";
  const dorami = gateway.client({ token: () => ({ token: who }) });
  dorami.connect();
  await pass();
  who = "bob";
  delete gateway.answers["auth:refresh"];
  gateway.sockets.get("/").hears("auth:expiring", { expiresAt: "" });
  await pass();
  gateway.asked("auth:refresh")[0].refuse("FORBIDDEN");
  await pass(1000);
  assert.deepEqual(gateway.knocks.map(({ token }) => token), ["ann", "bob"]);
});

test("a failing token provider is called again unless its error is permanent", async () => {
  const errors = [new TypeError("fetch failed"), new DoramiError({ code: "NETWORK", retryable: true, retryAfterMs: 3000 })];
  const token = mock.fn(() => {
    if (errors.length) throw errors.shift();
    return { token: "t" };
  });
  const dorami = gateway.client({ token });
  dorami.connect();
  await pass(10_000);
  assert.deepEqual(dorami.statuses, ["connecting", "connecting NETWORK", "connected"]);
  const other = gateway.client({ token: async () => { throw new DoramiError({ code: "FORBIDDEN" }); } });
  other.connect();
  await pass();
  assert.deepEqual(other.statuses, ["connecting", "refused FORBIDDEN"]);
});

test("a token provider that hangs is called again", async () => {
  let calls = 0;
  const dorami = gateway.client({ token: () => (calls++ ? { token: "t" } : new Promise(() => {})) });
  dorami.connect();
  await pass(25_000);
  assert.deepEqual(dorami.statuses, ["connecting", "connecting NETWORK", "connected"]);
});

// --- waking up, asking, closing ---

test("wake() detects a dead connection", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  dorami.wake();
  await pass(5000);
  assert.equal(gateway.dropped, undefined); // it answered
  delete gateway.answers["auth:refresh"];
  dorami.wake();
  await pass(5000);
  assert.equal(gateway.dropped, 1);
  assert.deepEqual(dorami.statuses, ["connecting", "connected", "recovering NETWORK", "connected"]);
});

test("wake() reconnects at once", async () => {
  gateway.admit = (socket) => socket.fail();
  const dorami = gateway.client();
  dorami.connect();
  await pass(8000);
  gateway.admit = (socket) => socket.welcome();
  dorami.wake();
  await pass();
  assert.equal(dorami.status.get().state, "connected");
});

test("wake() renews an expired token", async () => {
  const token = mock.fn(({ fresh }) => ({ token: fresh ? "new" : "old" }));
  const dorami = gateway.client({ token });
  dorami.connect();
  await pass();
  delete gateway.answers["auth:refresh"];
  dorami.wake();
  await pass();
  gateway.asked("auth:refresh")[0].refuse("TOKEN_EXPIRED");
  await pass();
  assert.deepEqual(gateway.asked("auth:refresh").map(({ payload }) => payload.token), ["old", "new"]);
});

test("a request fails at once without a connection and when the connection is lost", async () => {
  const dorami = gateway.client();
  await assert.rejects(dorami.ask("/", "join:stream", { streamId: "demo" }), { code: "OFFLINE", retryable: true });
  dorami.connect();
  await pass();
  const asked = dorami.ask("/", "join:stream", { streamId: "demo" });
  gateway.cut();
  await assert.rejects(asked, { code: "NO_ANSWER", retryable: true });
});

test("a request fails after 10 s without an ack, and with the error of a failed ack", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  const late = assert.rejects(dorami.ask("/", "join:stream", { streamId: "demo" }), { code: "NO_ANSWER" });
  await pass(10_000);
  await late;
  const refused = assert.rejects(dorami.ask("/", "join:stream", { streamId: "none" }), { code: "NOT_FOUND", retryable: false, requestId: "r" });
  gateway.requests.at(-1).refuse("NOT_FOUND");
  await refused;
});

test("close() fails pending requests with CLOSED", async () => {
  const dorami = gateway.client();
  dorami.connect();
  await pass();
  const asked = assert.rejects(dorami.ask("/", "join:stream", { streamId: "demo" }), { code: "CLOSED" });
  dorami.close();
  await asked;
  assert.equal(dorami.status.get().state, "idle");
  await pass(60_000);
  assert.equal(gateway.knocks.length, 1);
});

test("an exception of a listener does not affect others", async () => {
  const reported = mock.method(console, "error", () => {});
  const dorami = gateway.client();
  dorami.status.subscribe(() => {
    throw new Error("of the application");
  });
  const after = mock.fn();
  dorami.status.subscribe(after);
  dorami.connect();
  await pass();
  assert.equal(dorami.status.get().state, "connected");
  assert.equal(after.mock.callCount(), 2);
  assert.equal(reported.mock.callCount(), 2);
});
