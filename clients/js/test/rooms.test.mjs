// Rooms: joining, events during a join, missing events, leaving; chat, products, viewers, orders and notifications.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { keepUnsent } from "../dist/esm/index.js";
import { EPOCH, Gateway, joined, logged, message, pass, said } from "./gateway.mjs";

let gateway, dorami, chat, heard;
beforeEach(async () => {
  gateway = new Gateway();
  mock.method(Math, "random", () => 0.5);
  dorami = gateway.client();
  chat = dorami.chat("demo");
  heard = [];
  chat.on("chat:message", ({ seq }) => heard.push(seq));
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const wire = (namespace = "/chat") => gateway.sockets.get(namespace);
const joins = () => gateway.asked("chat:join-room");
const shown = () => chat.state.get().messages.map(({ seq }) => seq);

/** Join with everything up to `seq` seen; returns the function that releases the chat. */
async function enter(seq = 10, more) {
  const release = chat.retain();
  dorami.connect();
  await pass();
  joins().at(-1).answer(joined(seq, { history: [message(seq)], ...more }));
  await pass();
  return release;
}

async function lose(recovered = false) {
  gateway.admit = (socket) => socket.welcome({ recovered });
  gateway.cut();
  await pass(1000);
}

test("the first join shows the snapshot and emits later events", async () => {
  await enter(10, { history: [message(9), message(10)] });
  assert.deepEqual(joins()[0].payload, { liveId: "demo" });
  assert.deepEqual([shown(), heard, chat.state.get().status], [[9, 10], [], "joined"]);
  wire().hears("chat:message", said(11));
  assert.deepEqual([shown(), heard], [[9, 10, 11], [11]]);
  assert.deepEqual(chat.cursor, { epoch: EPOCH, seq: 11 });
});

test("events before the ack of a join are applied after it, once", async () => {
  chat.retain();
  dorami.connect();
  await pass();
  for (const seq of [9, 10, 11]) wire().hears("chat:message", said(seq));
  joins()[0].answer(joined(10, { history: [message(10)] }));
  await pass();
  assert.deepEqual([shown(), heard], [[10, 11], [11]]);
});

test("repeated events are dropped", async () => {
  await enter(10);
  for (const seq of [10, 11, 11, 10, 12]) wire().hears("chat:message", said(seq));
  assert.deepEqual(heard, [11, 12]);
});

test("a join after a lost connection applies missed events", async () => {
  await enter(10);
  await lose();
  assert.deepEqual(joins()[1].payload, { liveId: "demo", since: { epoch: EPOCH, seq: 10 } });
  assert.equal(chat.state.get().status, "joining");
  wire().hears("chat:message", said(13));
  const events = [11, 12].map((seq) => ({ event: "chat:message", payload: said(seq), seq }));
  joins()[1].answer(joined(12, { recovered: true, events }));
  await pass();
  assert.deepEqual([heard, shown(), chat.state.get().status], [[11, 12, 13], [10, 11, 12, 13], "joined"]);
});

test("a recovered socket stays in the room", async () => {
  await enter(10);
  await lose(true);
  wire().hears("chat:message", said(11));
  assert.deepEqual([joins().length, heard, chat.state.get().status], [1, [11], "joined"]);
});

test("a socket that was lost before the ack of its join joins again", async () => {
  chat.retain();
  dorami.connect();
  await pass();
  await lose(true);
  assert.equal(joins().length, 2);
});

test("a gap in the log leads to a join, also after a recovery", async () => {
  await enter(10);
  await lose(true);
  wire().hears("chat:message", said(11));
  wire().hears("chat:message", said(13));
  wire().hears("chat:message", said(14));
  await pass();
  assert.deepEqual([heard, joins()[1].payload.since.seq], [[11], 11]);
  joins()[1].answer(joined(14, { recovered: true, events: [12, 13, 14].map((seq) => ({ event: "chat:message", payload: said(seq), seq })) }));
  await pass();
  assert.deepEqual(heard, [11, 12, 13, 14]);
});

test("places without content cause only one join", async () => {
  await enter(10);
  wire().hears("chat:message", said(12));
  await pass();
  joins()[1].answer(joined(12, { recovered: true, events: [{ event: "chat:message", payload: said(12), seq: 12 }] }));
  await pass(10_000);
  assert.deepEqual([heard, joins().length], [[12], 2]);
});

test("another epoch starts from a snapshot", async () => {
  await enter(10);
  wire().hears("chat:message", logged("chat:message", message(3), 3, "live:demo", "e2"));
  await pass();
  joins()[1].answer(joined(3, { epoch: "e2", history: [message(1), message(3)] }));
  await pass();
  wire().hears("chat:message", logged("chat:message", message(4), 4, "live:demo", "e2"));
  assert.deepEqual([shown(), heard], [[1, 3, 4], [4]]);
});

test("missing places in a sampled room cause no join", async () => {
  await enter(10);
  wire().hears("chat:sampled", { type: "chat:sampled", data: { liveId: "demo", fromSeq: 11, toSeq: 20, shown: 1, total: 10 } });
  wire().hears("chat:message", said(15));
  wire().hears("chat:message", said(40));
  await pass();
  assert.deepEqual([heard, joins().length], [[15, 40], 1]);
});

test("events of two streams do not mix", async () => {
  await enter(10);
  const other = dorami.chat("other");
  other.retain();
  await pass();
  joins()[1].answer(joined(5, { cursor: { epoch: "o", seq: 5 } }));
  await pass();
  wire().hears("chat:message", logged("chat:message", message(6, { liveId: "other" }), 6, "live:other", "o"));
  wire().hears("chat:message", said(11));
  wire().hears("chat:room-state", { type: "chat:room-state", data: { liveId: "other", members: 77 } });
  wire().hears("chat:you", { type: "chat:you", data: { liveId: "other", canSend: false } });
  assert.deepEqual([shown(), other.state.get().messages.map(({ seq }) => seq)], [[10, 11], [6]]);
  assert.deepEqual([chat.state.get().members, other.state.get().members], [1, 77]);
  assert.deepEqual([chat, other].map((each) => each.state.get().you.canSend), [true, false]);
});

// --- more than an answer has ---

const pages = (first, last) =>
  (gateway.answers["chat:history"] = ({ before }) => {
    const end = before ? Number(before.slice(1)) : last + 1;
    const begin = Math.max(first, end - 100);
    const messages = Array.from({ length: end - begin }, (_, index) => message(begin + index));
    return { messages, nextBefore: begin > first ? messages[0].id : null };
  });
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

test("missed messages beyond the snapshot are fetched in pages", async () => {
  await enter(10);
  await lose();
  pages(1, 2010);
  wire().hears("chat:message", said(2011));
  joins()[1].answer(joined(2010, { history: range(1911, 2010).map((seq) => message(seq)) }));
  await pass();
  assert.deepEqual(heard, range(11, 2011));
  assert.equal(gateway.asked("chat:history").length, 19);
  assert.deepEqual([shown().length, chat.state.get().gap], [500, undefined]);
});

test("a gap is reported beyond the limit, and cleared by the next snapshot", async () => {
  await enter(10);
  await lose();
  pages(1, 9000);
  joins()[1].answer(joined(9000, { history: range(8901, 9000).map((seq) => message(seq)) }));
  await pass();
  assert.deepEqual(chat.state.get().gap, { fromSeq: 11, toSeq: 6000 });
  assert.deepEqual(heard, range(6001, 9000));
  await lose();
  joins()[2].answer(joined(9000, { history: [message(9000)] }));
  await pass();
  assert.equal(chat.state.get().gap, undefined);
});

test("a lost connection during paging starts over without repetitions", async () => {
  await enter(10);
  await lose();
  joins()[1].answer(joined(400, { history: range(301, 400).map((seq) => message(seq)) }));
  await pass();
  await lose();
  assert.deepEqual([heard, joins()[2].payload.since.seq], [[], 10]);
  pages(1, 400);
  joins()[2].answer(joined(400, { history: range(301, 400).map((seq) => message(seq)) }));
  await pass();
  assert.deepEqual(heard, range(11, 400));
});

test("a saved cursor continues an earlier visit", async () => {
  const later = dorami.chat("later", { cursor: { epoch: EPOCH, seq: 7 } });
  later.retain();
  dorami.connect();
  await pass();
  assert.deepEqual(joins()[0].payload, { liveId: "later", since: { epoch: EPOCH, seq: 7 } });
});

// --- coming and going ---

test("a room is joined once for many callers and left after the last one", async () => {
  const release = await enter();
  const other = chat.retain();
  release();
  release();
  await pass(1000);
  assert.equal(gateway.asked("chat:leave-room").length, 0);
  other();
  await pass(1000);
  assert.deepEqual([joins().length, gateway.asked("chat:leave-room").length], [1, 1]);
  wire().hears("chat:message", said(11));
  assert.deepEqual(heard, []);
  chat.retain();
  await pass();
  assert.deepEqual(joins()[1].payload, { liveId: "demo" });
});

test("releasing and retaining at once changes nothing", async () => {
  const release = await enter();
  release();
  chat.retain();
  await pass(1000);
  assert.deepEqual([joins().length, gateway.asked("chat:leave-room").length], [1, 0]);
});

test("a room that was released offline is left after a recovery", async () => {
  const release = await enter();
  gateway.admit = () => {};
  gateway.cut();
  release();
  await pass(600);
  gateway.cut();
  gateway.admit = (socket) => socket.welcome({ recovered: true });
  await pass(5000);
  assert.deepEqual([joins().length, gateway.asked("chat:leave-room").length], [1, 1]);
});

test("a join is repeated after passing errors and fails after others", async () => {
  chat.retain();
  dorami.connect();
  await pass();
  joins()[0].refuse("SERVICE_UNAVAILABLE", { retryable: true, retryAfterMs: 2000 });
  await pass(2500);
  joins()[1].refuse("BANNED");
  await pass(60_000);
  assert.deepEqual([joins().length, chat.state.get().status, chat.state.get().error.code], [2, "failed", "BANNED"]);
  await lose();
  joins()[2].answer(joined(3));
  await pass();
  assert.deepEqual([chat.state.get().status, chat.state.get().error], ["joined", undefined]);
});

// --- sending ---

const sends = () => gateway.asked("chat:send-message");
const stored = (request, seq, more) => request.answer({ id: `m${seq}`, seq, message: request.payload.message, clientMessageId: request.payload.clientMessageId, timestamp: "", duplicate: false, ...more });
const pending = () => chat.state.get().pending.map(({ message }) => message);

test("messages wait for the room and are sent one at a time", async () => {
  const first = chat.send("one");
  const second = chat.send("two");
  assert.deepEqual(pending(), ["one", "two"]);
  await enter(10);
  assert.deepEqual(sends().map(({ payload }) => payload.message), ["one"]);
  stored(sends()[0], 11);
  assert.equal((await first).seq, 11);
  assert.deepEqual(sends().map(({ payload }) => payload.message), ["one", "two"]);
  stored(sends()[1], 12);
  assert.equal((await second).seq, 12);
  assert.deepEqual(pending(), ["one", "two"]); // stored, but not received yet
  wire().hears("chat:message", said(11));
  assert.deepEqual(pending(), ["two"]);
  wire().hears("chat:message", said(12));
  assert.deepEqual(pending(), []);
});

test("a message whose ack was lost is sent again with the same id", async () => {
  await enter(10);
  const sent = chat.send("one");
  await pass();
  await lose(true);
  assert.equal(sends().length, 2);
  assert.equal(sends()[1].payload.clientMessageId, sends()[0].payload.clientMessageId);
  stored(sends()[1], 11, { duplicate: true });
  assert.equal((await sent).duplicate, true);
});

test("slow mode delays messages and keeps their order", async () => {
  await enter(10);
  const sent = [chat.send("one"), chat.send("two")];
  await pass();
  sends()[0].refuse("SLOW_MODE", { retryable: true, retryAfterMs: 4000 });
  await pass(3900);
  assert.equal(sends().length, 1);
  await pass(1000);
  assert.deepEqual(sends().map(({ payload }) => payload.message), ["one", "one"]);
  stored(sends()[1], 11);
  await pass();
  stored(sends()[2], 12);
  assert.deepEqual((await Promise.all(sent)).map(({ seq }) => seq), [11, 12]);
});

test("a refused message does not affect the next one", async () => {
  await enter(10);
  const refused = assert.rejects(chat.send("spam"), { code: "INVALID_MESSAGE" });
  const sent = chat.send("ham");
  await pass();
  sends()[0].refuse("INVALID_MESSAGE");
  await refused;
  await pass();
  stored(sends()[1], 11);
  await sent;
});

test("NOT_IN_ROOM leads to a join and another attempt", async () => {
  await enter(10);
  const sent = chat.send("one");
  await pass();
  sends()[0].refuse("NOT_IN_ROOM");
  await pass();
  joins()[1].answer(joined(10, { recovered: true, events: [] }));
  await pass();
  stored(sends()[1], 11);
  await sent;
});

test("an unsent message can be aborted", async () => {
  const controller = new AbortController();
  const sent = assert.rejects(chat.send("one", { signal: controller.signal }), { name: "AbortError" });
  controller.abort();
  await sent;
  await assert.rejects(chat.send("two", { signal: controller.signal }), { name: "AbortError" });
  assert.deepEqual(pending(), []);
  await enter(10);
  assert.equal(sends().length, 0);
});

test("close() and refusals fail unsent messages", async () => {
  await enter(10);
  const closed = assert.rejects(chat.send("one"), { code: "CLOSED" });
  dorami.close();
  await closed;
  dorami.connect();
  await pass();
  const refused = assert.rejects(chat.send("two"), { code: "TOKEN_REVOKED" });
  wire().hears("auth:revoked", { code: "TOKEN_REVOKED", reconnect: false });
  gateway.cut("io server disconnect");
  await refused;
  assert.deepEqual(pending(), []);
});

test("unsent messages are saved for the next run of the same user", async () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  keepUnsent(chat, storage);
  await enter(10);
  chat.send("one").catch(() => {});
  await pass();
  gateway.cut();
  const name = sends()[0].payload.clientMessageId;
  assert.deepEqual(JSON.parse(kept.get("dorami.unsent.u1.demo")), [{ clientMessageId: name, message: "one" }]);
  mock.timers.reset();
  gateway = new Gateway(); // the application was ended and started again
  dorami = gateway.client();
  chat = dorami.chat("demo");
  const unsent = [];
  keepUnsent(chat, storage, (draft, error) => unsent.push([draft.message, error.code]));
  await enter(10);
  assert.deepEqual(sends().map(({ payload }) => payload.clientMessageId), [name]);
  sends()[0].refuse("MUTED");
  await pass();
  assert.deepEqual([unsent, kept.size], [[["one", "MUTED"]], 0]);
});

// --- what happens in a chat ---

test("deleted and cleared messages disappear, restored ones come back", async () => {
  await enter(10, { history: [message(7), message(8, { userId: "u9" }), message(9), message(10)] });
  wire().hears("chat:message-deleted", logged("chat:message-deleted", { messageId: "m7", seq: 11, liveId: "demo" }, 11));
  wire().hears("chat:cleared", logged("chat:cleared", { liveId: "demo", userId: "u9", fromSeq: 1, beforeSeq: 11, clearId: "1" }, 12));
  assert.deepEqual(shown(), [9, 10]);
  wire().hears("chat:restored", logged("chat:restored", { liveId: "demo", clearId: "1", fromSeq: 8, toSeq: 8, restored: 1, messages: [message(8)] }, 13));
  assert.deepEqual(shown(), [8, 9, 10]);
  wire().hears("chat:cleared", logged("chat:cleared", { liveId: "demo", fromSeq: 1, beforeSeq: 10, clearId: "2" }, 14));
  assert.deepEqual(shown(), [10]);
  wire().hears("chat:restored", logged("chat:restored", { liveId: "demo", clearId: "2", fromSeq: 8, toSeq: 9, restored: 200, messages: null }, 15));
  assert.deepEqual(joins()[1].payload, { liveId: "demo" });
  joins()[1].answer(joined(16, { history: [8, 9, 10, 16].map((seq) => message(seq)) }));
  await pass();
  assert.deepEqual([shown(), heard], [[8, 9, 10, 16], [16]]);
});

test("announcements are among the messages", async () => {
  const announced = [];
  chat.on("chat:announcement", ({ seq }) => announced.push(seq));
  await enter(10);
  wire().hears("chat:announcement", logged("chat:announcement", { seq: 11, liveId: "demo", userId: "u9", username: "host", role: "HOST", message: "sale", timestamp: "" }, 11));
  const { id, kind } = chat.state.get().messages.at(-1);
  assert.deepEqual([id, kind, announced], ["announcement-11", "announcement", [11]]);
  await lose();
  joins()[1].answer(joined(13, { history: [message(12, { kind: "announcement" }), message(13)] }));
  await pass();
  assert.deepEqual([announced, heard], [[11, 12], [13]]);
});

test("pins, settings, rights and member counts follow events", async () => {
  await enter(10);
  const pin = { ...message(3), pinnedBy: "u9", pinnedAt: "", pinnedUntil: null };
  wire().hears("chat:pinned", logged("chat:pinned", pin, 11));
  wire().hears("chat:pinned", logged("chat:pinned", pin, 12));
  assert.equal(chat.state.get().pinned.length, 1);
  wire().hears("chat:unpinned", logged("chat:unpinned", { liveId: "demo", messageId: "m3", cause: "unpinned" }, 13));
  wire().hears("chat:settings", logged("chat:settings", { liveId: "demo", slowModeSeconds: 5, frozen: true, guestsAllowed: false }, 14));
  wire().hears("chat:you", { type: "chat:you", data: { liveId: "demo", canSend: false, mutedUntil: "2999-01-01T00:00:00.000Z" } });
  wire().hears("chat:user-joined", { type: "chat:user-joined", data: { userId: "u1", liveId: "demo" } });
  wire().hears("chat:user-joined", { type: "chat:user-joined", data: { userId: "u2", liveId: "demo" } });
  const { pinned, settings, you, members } = chat.state.get();
  assert.deepEqual([pinned, settings.slowModeSeconds, you.canSend, members], [[], 5, false, 2]);
  wire().hears("chat:you", { type: "chat:you", data: { liveId: "demo", canSend: true, mutedUntil: null } });
  wire().hears("chat:user-left", { type: "chat:user-left", data: { userId: "u2", liveId: "demo" } });
  assert.deepEqual([chat.state.get().you.canSend, chat.state.get().members], [true, 1]);
});

test("an exception of a chat listener does not affect others", async () => {
  mock.method(console, "error", () => {});
  chat.on("chat:message", () => {
    throw new Error("of the application");
  });
  await enter(10);
  wire().hears("chat:message", said(11));
  wire().hears("chat:message", said(12));
  assert.deepEqual([heard, shown()], [[11, 12], [10, 11, 12]]);
});

// --- products, viewers, orders, notifications ---

const product = (id, version, more = {}) => ({ id, version, name: `product ${id}`, stock: 3, status: "AVAILABLE", sortOrder: 0, ...more });
const onShelf = (type, data, seq) => logged(type, data, seq, "stream:demo", "p1");

test("products are shown in their newest version and in order", async () => {
  const products = dorami.products("demo");
  products.retain();
  dorami.connect();
  await pass();
  const shelf = { room: "stream:demo", products: [product("2", 1), product("10", 5)], featured: product("2", 1), cursor: { epoch: "p1", seq: 4 }, recovered: false };
  gateway.requests.at(-1).answer(shelf);
  await pass();
  const versions = () => [...products.state.get().products.values()].map(({ id, version }) => `${id}@${version}`);
  assert.deepEqual([versions(), products.state.get().featured], [["2@1", "10@5"], "2"]);
  wire("/").hears("live:product:updated", onShelf("live:product:updated", product("10", 4), 5));
  wire("/").hears("live:product:added", onShelf("live:product:added", product("3", 1, { sortOrder: -1 }), 6));
  wire("/").hears("live:product:soldout", onShelf("live:product:soldout", { productId: "2", version: 2 }, 7));
  assert.deepEqual(versions(), ["3@1", "2@2", "10@5"]);
  const sold = products.state.get().products.get("2");
  assert.deepEqual([sold.stock, sold.status], [0, "SOLD_OUT"]);
  wire("/").hears("live:product:deleted", onShelf("live:product:deleted", { productId: "3", version: 2 }, 8));
  wire("/").hears("stream:featured-product:updated", { streamKey: "demo", productId: "10", product: product("10", 6), room: "stream:demo", seq: 9, epoch: "p1", at: "" });
  assert.deepEqual([versions(), products.state.get().featured], [["2@2", "10@6"], "10"]);
  // The ack of a join has all products, perhaps read before events that were received.
  await lose();
  gateway.asked("join:stream").at(-1).answer({ ...shelf, products: [product("10", 5), product("4", 1)], featured: null, cursor: { epoch: "p1", seq: 9 }, recovered: true, events: [] });
  await pass();
  assert.deepEqual([versions(), products.state.get().featured], [["4@1", "10@6"], null]);
});

test("viewer counts are read again after a recovery", async () => {
  const viewers = dorami.viewers("demo");
  viewers.retain();
  dorami.connect();
  await pass();
  const answer = { streamKey: "demo", viewerCount: 4, peakViewers: 9, totalViewers: 20, live: true, cursor: { epoch: "v", seq: 2 }, recovered: false };
  gateway.requests.at(-1).answer(answer);
  await pass();
  wire("/streaming").hears("stream:viewer:update", { type: "stream:viewer:update", data: { streamKey: "demo", viewerCount: 11 } });
  wire("/streaming").hears("auth:expiring", { expiresAt: "2030-01-01T00:00:00.000Z" });
  wire("/streaming").hears("stream:newer", { type: "stream:newer", data: { streamKey: "demo" } });
  assert.equal(viewers.state.get().live, true, "events that say nothing about it do not end a stream");
  wire("/streaming").hears("stream:ended", { streamKey: "demo", room: "stream:demo", seq: 3, epoch: "v", at: "" });
  assert.deepEqual({ ...viewers.state.get() }, { status: "joined", error: undefined, viewers: 11, peak: 11, live: false });
  await lose(true);
  gateway.asked("stream:viewer:join").at(-1).answer({ ...answer, viewerCount: 5, peakViewers: 12, live: false, recovered: true, events: [], cursor: { epoch: "v", seq: 3 } });
  await pass();
  assert.deepEqual([viewers.state.get().viewers, viewers.state.get().peak], [5, 12]);
});

test("orders follow the log for an ADMIN and events without a log for others", async () => {
  const orders = dorami.orders({ cursor: { epoch: "o", seq: 3 } });
  orders.retain();
  const changes = [];
  for (const event of ["order:new", "order:paid", "order:expired"]) orders.on(event, ({ id }) => changes.push(`${event} ${id}`));
  dorami.connect();
  await pass();
  assert.deepEqual(gateway.requests.at(-1).payload, { since: { epoch: "o", seq: 3 } });
  const order = (id, status) => ({ id, status });
  gateway.requests.at(-1).answer({ room: "admins", cursor: { epoch: "o", seq: 4 }, recovered: true, events: [{ event: "order:new", payload: logged("order:new", order("1", "PENDING"), 4, "admins", "o"), seq: 4 }] });
  await pass();
  wire("/").hears("order:paid", logged("order:paid", order("1", "PAID"), 5, "admins", "o"));
  wire("/").hears("notification:new", { type: "notification:new", data: { id: "n1" } });
  assert.deepEqual([changes, [...orders.state.get().orders.values()].map(({ status }) => status)], [["order:new 1", "order:paid 1"], ["PAID"]]);
  await lose();
  gateway.requests.at(-1).refuse("FORBIDDEN"); // they are no longer an ADMIN
  await pass();
  wire("/").hears("order:expired", { type: "order:expired", data: order("2", "EXPIRED") });
  assert.deepEqual([orders.state.get().status, changes.at(-1)], ["joined", "order:expired 2"]);
});

test("a notification that is delivered twice is emitted once", async () => {
  const notifications = dorami.notifications();
  const told = [];
  notifications.on("notification:new", ({ id }) => told.push(id));
  notifications.retain();
  notifications.retain();
  dorami.connect();
  await pass();
  for (const id of ["n1", "n2", "n1"]) wire("/").hears("notification:new", { type: "notification:new", data: { id } });
  wire("/").hears("job:update", { type: "job:update", data: { id: "j1", progress: 10 } });
  wire("/").hears("job:update", { type: "job:update", data: { id: "j1", progress: 90 } });
  assert.deepEqual([told, notifications.state.get().jobs.get("j1").progress], [["n1", "n2"], 90]);
});

test("a message is reported to the staff, whose numbers are heard", async () => {
  await enter(10);
  const numbers = [];
  chat.on("chat:reports", (data) => numbers.push(data));
  gateway.answers["chat:report"] = ({ messageId }) => ({ messageId, duplicate: false });
  assert.deepEqual(await chat.report("m7", "SPAM", "look"), { messageId: "m7", duplicate: false });
  await chat.report("m8", "ABUSE");
  const asked = gateway.asked("chat:report").map(({ payload }) => payload);
  assert.deepEqual(asked[0], { liveId: "demo", messageId: "m7", reason: "SPAM", note: "look" });
  assert.equal(asked[1].note, undefined);
  const open = { liveId: "demo", open: 1, hidden: 0, reports: 2 };
  wire().hears("chat:reports", { type: "chat:reports", data: open });
  assert.deepEqual(numbers, [open]);
});
