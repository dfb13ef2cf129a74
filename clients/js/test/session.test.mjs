// HttpSession: concurrent requests exchange tokens once, and the requests over HTTP.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { HttpSession } from "../dist/esm/index.js";
import { pass } from "./gateway.mjs";

let calls, answers;
const ann = { id: "u1", username: "ann", role: "USER" };
const tokens = (number, user = ann) => ({ accessToken: `a${number}`, refreshToken: `r${number}`, expiresIn: 900, tokenType: "Bearer", user });
const error = (status, errorCode, more = {}, headers = {}) => ({ status, headers, body: { statusCode: status, errorCode, message: errorCode, retryable: status >= 500, requestId: "r", ...more } });

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => this.kept.set(key, value);
  removeItem = (key) => this.kept.delete(key);
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  calls = [];
  answers = {};
  mock.method(globalThis, "fetch", async (url, { method, headers, body, credentials }) => {
    assert.equal(credentials, "omit");
    const path = url.replace("http://gateway/api/v1", "");
    calls.push({ method, path, body: body && JSON.parse(body), token: headers.Authorization, key: headers["Idempotency-Key"] });
    const answer = answers[path];
    const { status = 200, headers: sent = {}, body: said } = (await (typeof answer === "function" ? answer(calls.at(-1)) : answer)) ?? {};
    return { ok: status < 400, status, headers: { get: (name) => sent[name] ?? null }, json: async () => (said === undefined ? JSON.parse("") : said) };
  });
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

async function loggedIn(storage) {
  answers["/auth/login"] = { body: tokens(1) };
  const session = new HttpSession("http://gateway", storage);
  await session.login("ann@example.com", "secret");
  return session;
}
const refreshes = () => calls.filter(({ path }) => path === "/auth/refresh");

test("a token exists only after login", async () => {
  await assert.rejects(new HttpSession("http://gateway").token(), { code: "AUTH_REQUIRED", retryable: false });
  const session = await loggedIn();
  assert.equal(session.user.username, "ann");
  assert.deepEqual(await session.token(), { token: "a1" });
});

test("concurrent calls renew an expiring token once", async () => {
  const session = await loggedIn();
  answers["/auth/refresh"] = { body: tokens(2) };
  mock.timers.tick(880_000);
  assert.deepEqual(await Promise.all([session.token(), session.token(), session.token({ fresh: true })]), Array(3).fill({ token: "a2" }));
  assert.deepEqual(refreshes().map(({ body }) => body), [{ refreshToken: "r1" }]);
});

test("tokens that another tab renewed are used", async () => {
  const storage = new Storage();
  const session = await loggedIn(storage);
  storage.setItem("dorami.session", JSON.stringify({ ...tokens(7), renewAt: Date.now() + 900_000 }));
  assert.deepEqual(await session.token({ fresh: true }), { token: "a7" });
  assert.equal(refreshes().length, 0);
});

test("a refused renewal ends the session, a failed one does not", async () => {
  const storage = new Storage();
  const session = await loggedIn(storage);
  answers["/auth/refresh"] = error(503, "SERVICE_UNAVAILABLE", {}, { "Retry-After": "2" });
  await assert.rejects(session.token({ fresh: true }), { code: "SERVICE_UNAVAILABLE", retryable: true, retryAfterMs: 2000 });
  assert.equal(session.user.id, "u1");
  answers["/auth/refresh"] = error(401, "TOKEN_REVOKED");
  await assert.rejects(session.token({ fresh: true }), { code: "TOKEN_REVOKED", retryable: false });
  assert.deepEqual([session.user, storage.kept.size], [undefined, 0]);
});

test("requests time out", async () => {
  const session = await loggedIn();
  answers["/auth/refresh"] = () => new Promise(() => {});
  const late = assert.rejects(session.token({ fresh: true }), { code: "NETWORK", retryable: true });
  await pass(16_000);
  await late;
  answers["/auth/refresh"] = { body: tokens(2) };
  assert.deepEqual(await session.token({ fresh: true }), { token: "a2" });
});

test("a stored session can be restored", async () => {
  const storage = new Storage();
  await loggedIn(storage);
  const session = new HttpSession("http://gateway", storage);
  assert.equal((await session.restore()).username, "ann");
  assert.deepEqual(await session.token(), { token: "a1" });
  await session.logout();
  assert.deepEqual([calls.at(-1).body, await new HttpSession("http://gateway", storage).restore()], [{ refreshToken: "r1" }, undefined]);
});

test("a logout during a renewal is final", async () => {
  const session = await loggedIn();
  let answer;
  answers["/auth/refresh"] = () => new Promise((done) => (answer = done));
  const token = assert.rejects(session.token({ fresh: true }), { code: "AUTH_REQUIRED" });
  await pass();
  await session.logout();
  answer({ body: tokens(2) });
  await token;
  assert.equal(session.user, undefined);
});

test("a guest keeps the session, a member does not become a guest by it", async () => {
  const session = new HttpSession("http://gateway");
  answers["/auth/guest"] = { body: tokens(1, { id: "g1", role: "GUEST" }) };
  await session.guest("device_0123456789ab");
  await session.guest();
  assert.deepEqual(calls.map(({ body }) => body), [{ deviceId: "device_0123456789ab" }, { refreshToken: "r1" }]);
  const member = await loggedIn();
  await member.guest();
  assert.deepEqual(calls.at(-1).body, {});
});

test("a call is repeated once with a new token", async () => {
  const session = await loggedIn();
  answers["/auth/refresh"] = { body: tokens(2) };
  answers["/orders"] = ({ token }) => (token === "Bearer a1" ? error(401, "TOKEN_EXPIRED") : { body: { id: "o1" } });
  assert.deepEqual(await session.call("POST", "/orders", { items: [] }, { idempotencyKey: "k1" }), { id: "o1" });
  assert.deepEqual(calls.filter(({ path }) => path === "/orders").map(({ token, key }) => [token, key]), [["Bearer a1", "k1"], ["Bearer a2", "k1"]]);
});

test("errors of gateway, balancer and network become DoramiErrors", async () => {
  const session = await loggedIn();
  answers["/orders"] = error(409, "PRICE_CHANGED", { details: [{ productId: "1" }] });
  await assert.rejects(session.call("POST", "/orders", {}), { code: "PRICE_CHANGED", retryable: false, details: [{ productId: "1" }], requestId: "r" });
  answers["/orders"] = { status: 502 }; // of a balancer
  await assert.rejects(session.call("POST", "/orders", {}), { code: "SERVICE_UNAVAILABLE", retryable: true });
  mock.method(globalThis, "fetch", async () => {
    throw new TypeError("fetch failed");
  });
  await assert.rejects(session.call("GET", "/orders"), { code: "NETWORK", retryable: true });
});
