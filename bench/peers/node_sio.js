// Socket.IO on Node, as a user would write it: the reference of the benchmark. Started by bench/run.py.
//   node node_sio.js --port 8001 [--engine ws|uws] [--redis unix:///…?db=0 --adapter classic|sharded]
'use strict';
const http = require('http');
const jwt = require('jsonwebtoken');
const { Server } = require('socket.io');
const { createClient } = require('redis');
const { createAdapter, createShardedAdapter } = require('@socket.io/redis-adapter');

const option = (name, fallback) => {
  const place = process.argv.indexOf(`--${name}`);
  return place < 0 ? fallback : process.argv[place + 1];
};
const port = Number(option('port'));
const host = process.env.HOST;
const engine = option('engine', 'ws');
const redis = option('redis');
const adapter = option('adapter', 'classic');

const AUTHOR = { id: 'u00000', name: 'viewer_00000', color: '#7fb2ff' };
let sequence = 0;
const message = (ask) => ({
  id: `m-${++sequence}`,
  streamKey: ask.streamKey,
  user: ask.user ?? AUTHOR,
  text: ask.text,
  kind: 'text',
  createdAt: '2026-11-21T00:00:00Z',
  ts: ask.ts ?? 0,
});

function authenticate(socket, next) {
  try {
    jwt.verify(socket.handshake.auth.token, process.env.JWT_SECRET, {
      algorithms: ['HS256'],
      issuer: 'dorami',
      audience: 'dorami-clients',
    });
    next();
  } catch {
    next(new Error('Invalid token'));
  }
}

async function redisAdapter() {
  const url = new URL(redis);
  const publisher = createClient({ socket: { path: decodeURIComponent(url.pathname) } });
  const subscriber = publisher.duplicate();
  await publisher.connect();
  await subscriber.connect();
  return adapter === 'sharded'
    ? createShardedAdapter(publisher, subscriber, { subscriptionMode: 'dynamic' })
    : createAdapter(publisher, subscriber);
}

async function main() {
  const options = { serveClient: false, perMessageDeflate: false, httpCompression: false };
  if (redis) options.adapter = await redisAdapter();
  const io = new Server(options);
  for (const name of ['/', '/streaming']) io.of(name).use(authenticate);
  const chat = io.of('/chat');
  chat.use(authenticate);
  chat.on('connection', (socket) => {
    socket.on('chat:join-room', (ask, ack) => {
      socket.join(ask.streamKey);
      ack({ ok: true });
    });
    socket.on('chat:send-message', (ask, ack) => {
      const stored = message(ask);
      chat.to(ask.streamKey).emit('chat:message', stored);
      ack({ ok: true, id: stored.id });
    });
    socket.on('bench:burst', async (ask, ack) => {
      for (let i = 0; i < ask.n; i++) {
        chat.to(ask.streamKey).emit('chat:message', message(ask));
        await new Promise(setImmediate); // each in a tick of its own, as messages come
      }
      ack({ ok: true });
    });
  });
  if (engine === 'uws') {
    const app = require('@trufflesuite/uws-js-unofficial').App();
    io.attachApp(app, options);
    app.listen(host, port, (listening) => console.log(listening ? 'ready' : 'failed'));
  } else {
    const server = http.createServer();
    io.attach(server, options);
    server.listen({ port, host, backlog: 4096 }, () => console.log('ready'));
  }
}

process.on('SIGTERM', () => process.exit(0));
main();
