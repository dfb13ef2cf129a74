// People of the console's tests beside those in the tabs: their accounts, and viewers who write. Used by console.mjs and console_walks.mjs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { io } = createRequire(new URL("../client/package.json", import.meta.url))("socket.io-client");
const PASSWORD = "dorami-dev"; // of the seeds
const LIMIT = 20_000 * Number(process.env.TEST_TIME_SCALE ?? 1); // ms that something may take

/** Ask the gateway. Fails unless the answer is a success. */
async function ask(url, method, path, body, token) {
  const answer = await fetch(`${url}api/v1${path}`, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer;
}

/** Log in; the session in an answer. */
const logIn = async (url, email) => (await ask(url, "POST", "/auth/login", { email, password: PASSWORD })).json();

export const tokenOf = async (url, email) => (await logIn(url, email)).accessToken;

/** Make an account as an administrator; the answer has the link by which its password is chosen, unless that is given. */
export const account = async (url, token, body) => (await ask(url, "POST", "/users", body, token)).json();

/** Sign somebody in in a profile of the browser, as the page of signing in would: the tests of that page use its form. */
export async function signedIn(profile, url, email) {
  await profile.addInitScript(() => localStorage.setItem("dorami.signed-in", "1"));
  const answer = await profile.request.post(`${url}api/v1/auth/login`, { data: { email, password: PASSWORD } });
  assert.ok(answer.ok(), `${email}: ${answer.status()}`);
}

/** Wait until `condition()` is true. */
async function until(condition, what) {
  const end = Date.now() + LIMIT;
  while (!condition()) {
    assert.ok(Date.now() < end, what);
    await new Promise((waited) => setTimeout(waited, 20));
  }
}

/** Viewers in the demo's chat. */
export async function crowd(url, emails = ["viewer1@example.com", "viewer2@example.com", "viewer3@example.com"]) {
  const sockets = [];
  const names = [];
  for (const email of emails) {
    const { accessToken, user } = await logIn(url, email);
    const socket = io(`${url}chat`, { auth: { token: accessToken }, transports: ["websocket"], forceNew: true });
    await new Promise((connected) => socket.on("connect", connected));
    const join = () => socket.emitWithAck("chat:join-room", { liveId: "demo" });
    socket.joined = join();
    socket.on("connect", () => void (socket.joined = join()));
    assert.ok((await socket.joined).ok);
    sockets.push(socket);
    names.push(user.username);
  }
  const send = async (socket, message) => {
    await socket.joined;
    return socket.timeout(LIMIT).emitWithAck("chat:send-message", { liveId: "demo", message });
  };
  return {
    names,
    /** Write as many messages; returns when all are stored. */
    async say(text, count = 1) {
      await until(() => sockets.every(({ connected }) => connected), "the crowd is connected");
      const sent = Array.from({ length: count }, (_, each) => send(sockets[each % sockets.length], count > 1 ? `${text} ${each + 1}` : text));
      for (const answer of await Promise.all(sent)) assert.ok(answer.ok, answer.error?.code);
    },
    /** Write `rate` messages a second until `stop`; each `every`th is spam of the person at the place `spammer`. */
    flow(rate, every, spammer) {
      const honest = sockets.filter((_, place) => place !== spammer);
      const refusals = new Set();
      const began = performance.now();
      let sent = 0;
      const timer = setInterval(() => {
        for (; sent < ((performance.now() - began) / 1000) * rate; sent++) {
          const spam = sent % every === 0;
          const socket = spam ? sockets[spammer] : honest[sent % honest.length];
          const text = spam ? `cheap followers here ${sent}` : `is it blue? ${sent}`;
          send(socket, text).then((answer) => void (answer.ok || refusals.add(answer.error.code)), () => {}); // who is banned gets no answer
        }
      }, 10);
      return {
        sent: () => sent,
        until: (count) => until(() => sent >= count, `${count} messages`),
        /** Wait until somebody was refused for this reason. */
        refused: (code) => until(() => refusals.has(code), `somebody is refused: ${code}`),
        stop: () => clearInterval(timer),
      };
    },
    leave: () => sockets.forEach((socket) => socket.disconnect()),
  };
}
