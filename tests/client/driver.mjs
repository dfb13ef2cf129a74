// The official client behind a pipe: commands in on stdin, everything it hears out on stdout, one JSON object a line.
// Spoken to by tests/client/client.py. It decides nothing and waits for nothing; what to expect is the tests' business.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const LIFECYCLE = ["connect", "connect_error", "disconnect"];
const sockets = new Map();

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const describe = {
  connect: (socket) => ({
    id: socket.id,
    pid: socket._pid ?? null,
    recovered: socket.recovered ?? false,
    transport: socket.io.engine.transport.name,
  }),
  connect_error: (_, error) => ({ message: error.message, data: error.data ?? null }),
  disconnect: (_, reason) => ({ reason }),
};

const commands = {
  // A socket on a connection of its own, or on the connection of the socket named `beside`.
  open({ name, url, namespace, options, beside }) {
    const socket = beside
      ? sockets.get(beside).io.socket(namespace, options)
      : io(url + namespace, { forceNew: true, reconnection: false, autoConnect: false, ...options });
    sockets.set(name, socket);
    for (const word of LIFECYCLE) {
      socket.on(word, (...args) => say({ socket: name, lifecycle: word, ...describe[word](socket, ...args) }));
    }
    socket.onAny((event, ...args) => say({ socket: name, event, args }));
    socket.io.on("open", () => {
      socket.io.engine.on("upgrade", (transport) => say({ socket: name, lifecycle: "upgrade", transport: transport.name }));
      socket.io.engine.on("close", () => say({ socket: name, lifecycle: "closed" }));
    });
    socket.connect();
  },
  emit({ name, args }) {
    sockets.get(name).emit(...args);
  },
  // Answers by `call` with what the server gave the ack, or never: the caller has the clock.
  call({ name, args, call }) {
    sockets.get(name).emit(...args, (...answer) => say({ call, answer }));
  },
  // Bytes, which JSON cannot carry.
  emitBytes({ name, event, size }) {
    sockets.get(name).emit(event, Buffer.alloc(size));
  },
  connect({ name, auth, url }) {
    const socket = sockets.get(name);
    if (auth) socket.auth = auth;
    if (url) socket.io.uri = url;
    socket.connect();
  },
  // What the next connection will come with, whoever makes it.
  auth({ name, auth }) {
    sockets.get(name).auth = auth;
  },
  disconnect({ name }) {
    sockets.get(name).disconnect();
  },
  // The tunnel: the network goes away without a word.
  drop({ name }) {
    const { transport } = sockets.get(name).io.engine;
    if (transport.name === "websocket") transport.ws.terminate();
    else transport.onError("dropped by the test");
  },
  forget({ name }) {
    const socket = sockets.get(name);
    if (!sockets.delete(name)) return;
    socket.offAny();
    socket.io.reconnection(false);
    socket.disconnect();
    socket.io.engine?.close();
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on("close", () => process.exit(0));
