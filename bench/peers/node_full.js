// The gateway's whole chat path on Node: what each message and each connection costs there. Started by bench/run.py.
//
// Token check, revocations and account at connect; for each message shape, room, sliding-window limit in Redis, one
// INSERT statement in PostgreSQL, broadcast after the commit over Redis to all nodes, ack. The statement and the script
// are the gateway's own as of the first version; the tables are the gateway's. With --group the messages and the charges
// that come while others are under way are one call: the gateway's own statement, and one script for all of them.
//   node node_full.js --port 8001 --redis unix:///…?db=0 --postgres postgresql://postgres@/name?host=/folder [--group]
'use strict';
const http = require('http');
const fs = require('fs');
const { randomUUID } = require('crypto');
const { PerformanceObserver } = require('perf_hooks');
const jwt = require('jsonwebtoken');
const { Pool } = require('pg');
const { createClient } = require('redis');
const { createAdapter } = require('@socket.io/redis-adapter');
const { Server } = require('socket.io');

const option = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const LIMIT = Number(process.env.CHAT_LIMIT); // messages of one user in WINDOW
const WINDOW = Number(process.env.CHAT_WINDOW) * 1e6; // µs
const GROUP = process.argv.includes('--group');
const BATCH = 200; // messages in one statement
const LANES = 2; // statements at the same time, of different rooms
const ACCOUNT_TTL = 5000; // ms that an account is remembered

// The times at which a user has sent, in a sorted set for each user.
const CHARGE = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[2])
local limit = tonumber(ARGV[1])
local answers = {}
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local count = redis.call('ZCARD', key)
  answers[i] = 0
  if count < limit then
    redis.call('ZADD', key, now, string.format('%.0f:%d', now, count))
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
    answers[i] = 1
  end
end
return answers
`;

const INSERT = {
  name: 'insert',
  text: `
    WITH place AS (
        UPDATE rooms SET seq = seq + 1 WHERE name = $1 RETURNING seq, stream_key
    ), message AS (
        INSERT INTO messages
            (stream_key, seq, id, sender_id, user_id, username, role, text, client_message_id, created_at)
        SELECT stream_key, seq, $2::uuid, $3, $4::uuid, $5, $6, $7, $8, $9::timestamptz FROM place
    )
    INSERT INTO room_events (room, seq, event, payload, created_at)
    SELECT $1, seq, $10, jsonb_set($11::text::jsonb, '{data,seq}', to_jsonb(seq)), $9::timestamptz FROM place
    RETURNING seq`,
};

const STORE = { name: 'store', text: 'SELECT place, seq, refusal FROM store_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)' };

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const url = new URL(option('redis'));
const redis = createClient({ socket: { path: decodeURIComponent(url.pathname) }, database: Number(url.searchParams.get('db')) });
const pool = new Pool({ connectionString: option('postgres'), max: 10 });
const accounts = new Map();
const stored = { messages: 0, statements: 0 };
let script = '';

// Answers each request with what `work` returns for it; those that come meanwhile are the next batch.
class Batcher {
  constructor(work) {
    this.work = work;
    this.waiting = [];
    this.busy = false;
  }

  call(ask) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ ask, resolve, reject });
      if (!this.busy) this.run();
    });
  }

  async run() {
    this.busy = true;
    await null; // with all that this tick brings
    while (this.waiting.length) {
      const batch = this.waiting.splice(0, BATCH);
      try {
        const answers = await this.work(batch.map((each) => each.ask));
        batch.forEach((each, n) => each.resolve(answers[n]));
      } catch (error) {
        batch.forEach((each) => each.reject(error));
      }
    }
    this.busy = false;
  }
}

const chargeAll = (keys) => redis.evalSha(script, { keys, arguments: [`${LIMIT}`, `${WINDOW}`] });
const charges = new Batcher(chargeAll);

// `rows` are the values of INSERT; returns their places, undefined for a room that is not there.
async function storeAll(rows) {
  const columns = [0, 1, 2, 4, 5, 6, 7, 8, 10].map((column) => rows.map((row) => row[column]));
  const found = await pool.query({ ...STORE, values: ['chat:message', ...columns] });
  stored.messages += rows.length;
  stored.statements += 1;
  const places = new Array(rows.length);
  for (const row of found.rows) {
    if (row.refusal) throw new Refused(row.refusal, 'Refused');
    places[row.place - 1] = row.seq;
  }
  return places;
}
const lanes = Array.from({ length: LANES }, () => new Batcher(storeAll));
const rooms = new Map(); // which lane is a room's

function lane(room) {
  if (!rooms.has(room)) rooms.set(room, lanes[rooms.size % LANES]);
  return rooms.get(room);
}

async function storeOne(row) {
  const stored = await pool.query({ ...INSERT, values: row });
  return stored.rows[0]?.seq;
}

async function account(id) {
  const known = accounts.get(id);
  if (known && known.until > Date.now()) return known;
  const found = await pool.query({
    name: 'account',
    text: 'SELECT username, role, status FROM users WHERE id = $1',
    values: [id],
  });
  if (!found.rows.length) throw new Refused('AUTH_REQUIRED', 'Invalid token');
  if (found.rows[0].status === 'SUSPENDED') throw new Refused('FORBIDDEN', 'Account is suspended');
  const fresh = { ...found.rows[0], until: Date.now() + ACCOUNT_TTL };
  accounts.set(id, fresh);
  return fresh;
}

async function authenticate(socket, next) {
  try {
    const claims = jwt.verify(socket.handshake.auth.token, process.env.JWT_SECRET, {
      algorithms: ['HS256'],
      issuer: 'dorami',
      audience: 'dorami-clients',
    });
    const { sub, sid, jti } = claims;
    const revoked = await redis.mGet([`revoked:${sub}:jti:${jti}`, `revoked:${sub}:sid:${sid}`, `revoked:${sub}:sub`]);
    if (revoked.some((mark) => mark !== null)) throw new Refused('TOKEN_REVOKED', 'Token has been revoked');
    const { username, role } = await account(sub);
    socket.data = { id: sub, username, role };
    next();
  } catch (error) {
    next(error instanceof Refused ? error : new Error('Invalid token'));
  }
}

async function join(socket, ask) {
  const found = await pool.query({ name: 'stream', text: 'SELECT 1 FROM streams WHERE key = $1', values: [ask.liveId] });
  if (!found.rows.length) throw new Refused('NOT_FOUND', 'There is no such stream');
  await socket.join(`live:${ask.liveId}`);
  return { roomName: `live:${ask.liveId}` };
}

async function send(chat, socket, ask) {
  if (typeof ask?.liveId !== 'string' || typeof ask.message !== 'string') throw new Refused('INVALID_PAYLOAD', 'Shape');
  const text = ask.message.trim();
  if (!text || text.length > 500) throw new Refused('INVALID_MESSAGE', 'Text');
  const room = `live:${ask.liveId}`;
  if (!socket.rooms.has(room)) throw new Refused('NOT_IN_ROOM', 'Join first');
  const { id: userId, username, role } = socket.data;
  const key = `limit:chat:${userId}`;
  const charged = GROUP ? await charges.call(key) : (await chargeAll([key]))[0];
  if (!charged) throw new Refused('RATE_LIMIT_EXCEEDED', 'Too fast');
  const timestamp = new Date().toISOString();
  const clientMessageId = ask.clientMessageId ?? null;
  const data = { id: randomUUID(), seq: 0, liveId: ask.liveId, userId, username, role, message: text, clientMessageId, timestamp };
  const event = { type: 'chat:message', data };
  const values = [
    `/chat ${room}`, data.id, userId, userId, username, role, text, clientMessageId, timestamp, 'chat:message',
    JSON.stringify(event),
  ];
  const seq = GROUP ? await lane(room).call(values) : await storeOne(values);
  if (seq === undefined) throw new Refused('NOT_FOUND', 'There is no such stream');
  data.seq = Number(seq);
  chat.to(room).emit('chat:message', event);
  return { id: data.id, seq: data.seq, timestamp, duplicate: false };
}

async function answer(ack, work) {
  try {
    ack({ ok: true, data: await work, ts: Date.now() });
  } catch (error) {
    const code = error instanceof Refused ? error.code : 'INTERNAL_ERROR';
    if (code === 'INTERNAL_ERROR') console.error(error);
    ack({ ok: false, error: { code, message: error.message, retryable: false }, requestId: randomUUID(), ts: Date.now() });
  }
}

// Each pause of the garbage collector in ms, a line each: see stage.py.
function watchPauses(path) {
  const file = fs.openSync(path, 'a');
  const observer = new PerformanceObserver((list) => {
    fs.writeSync(file, list.getEntries().map((entry) => `${entry.duration}\n`).join(''));
  });
  observer.observe({ entryTypes: ['gc'] });
}

// The two counts of the gateway's metrics that tell the size of its batches.
function counts() {
  return `dorami_event_seconds_count{event="chat:send-message"} ${stored.messages}
dorami_database_seconds_count{call="chat.send"} ${stored.statements}
`;
}

async function main() {
  if (process.env.PAUSES) watchPauses(process.env.PAUSES);
  await redis.connect();
  const publisher = redis.duplicate();
  const subscriber = redis.duplicate();
  await publisher.connect();
  await subscriber.connect();
  script = await redis.scriptLoad(CHARGE);
  const server = http.createServer((_request, response) => response.end(counts()));
  const io = new Server(server, {
    adapter: createAdapter(publisher, subscriber),
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
  });
  const chat = io.of('/chat');
  chat.use(authenticate);
  chat.on('connection', (socket) => {
    const { id: userId, role } = socket.data;
    const hello = { message: 'Connected', userId, role, authenticated: true, timestamp: new Date().toISOString() };
    socket.emit('connection:success', { type: 'connection:success', data: hello });
    socket.on('chat:join-room', (ask, ack) => answer(ack, join(socket, ask)));
    socket.on('chat:send-message', (ask, ack) => answer(ack, send(chat, socket, ask)));
  });
  server.listen({ port: Number(option('port')), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));
}

process.on('SIGTERM', () => process.exit(0));
main();
