// @dorami/client behind a pipe: commands in on stdin, what the clients hear out on stdout, one JSON object a line.
// Spoken to by tests/cluster/package_clients.py. It decides nothing; what to expect is the tests' business.

import { createInterface } from "node:readline";
import { Manager } from "socket.io-client";
import { Dorami, DoramiError, HttpSession } from "../../clients/js/dist/esm/index.js";

const people = new Map();
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const realNow = Date.now;
let talking = false;

function follow(name, dorami, key) {
  const chat = dorami.chat(key);
  chat.on("chat:message", ({ seq, clientMessageId }) => say({ client: name, key, heard: [seq, clientMessageId] }));
  const others = [dorami.products(key), dorami.viewers(key)];
  return [chat, ...others].map((room) => room.retain());
}

const commands = {
  async open({ name, url, email, password, keys, recovers = true, options = {} }) {
    const session = new HttpSession(url);
    for (let tries = 0; !session.user; tries++) {
      try {
        await (email ? session.login(email, password) : session.guest());
      } catch (error) {
        if (!error.retryable || tries > 50) throw error;
        await new Promise((done) => setTimeout(done, 200));
      }
    }
    let calls = 0;
    const token = (how) => {
      calls++;
      return session.token(how);
    };
    const dorami = new Dorami({ url, token, ...(recovers ? {} : { manager: ForgetfulManager }), ...options });
    dorami.status.subscribe(({ state, error }) => say({ client: name, status: state, code: error?.code ?? null }));
    const released = keys.map((key) => follow(name, dorami, key)).flat();
    people.set(name, { session, dorami, keys, released, calls: () => calls, sent: 0 });
    dorami.connect();
  },
  close: ({ name }) => people.get(name).dorami.close(),
  connect: ({ name }) => people.get(name).dorami.connect(),
  wake: ({ name }) => people.get(name).dorami.wake(),
  // Everybody says something each `every` ms, in each room in turn, until told to stop.
  talk({ names, every, run }) {
    talking = true;
    for (const name of names) {
      const person = people.get(name);
      const next = () => {
        if (!talking) return;
        const key = person.keys[person.sent % person.keys.length];
        send(name, key, `${run}-${name}-${person.sent++}`);
        setTimeout(next, every);
      };
      next();
    }
  },
  quiet({ id }) {
    talking = false;
    say({ call: id, data: null });
  },
  send: ({ name, key, id }) => send(name, key, id),
  flood({ name, key, run, count }) {
    for (let number = 0; number < count; number++) send(name, key, `${run}-${name}-flood-${number}`);
  },
  ask({ name, id, namespace, event, request }) {
    people.get(name).dorami.ask(namespace, event, request).then(
      (data) => say({ call: id, data }),
      (error) => say({ call: id, error: error.code }),
    );
  },
  call({ name, id, method, path, body }) {
    people.get(name).session.call(method, path, body).then(
      (data) => say({ call: id, data }),
      (error) => say({ call: id, error: error.code }),
    );
  },
  clock({ ms }) {
    Date.now = () => realNow() + ms;
  },
  state({ name, id }) {
    if (!people.has(name)) return say({ call: id, data: { status: "absent", rooms: {} } });
    const { session, dorami, keys, calls } = people.get(name);
    const rooms = Object.fromEntries(
      keys.map((key) => {
        const { status, error, messages, pending, gap } = dorami.chat(key).state.get();
        const shelf = dorami.products(key).state.get();
        const audience = dorami.viewers(key).state.get();
        return [key, {
          status, error: error?.code, gap, pending: pending.length, shown: messages.map(({ seq }) => seq),
          products: Object.fromEntries([...shelf.products].map(([product, { version }]) => [product, version])),
          viewers: audience.viewers,
          statuses: [status, shelf.status, audience.status],
        }];
      }),
    );
    const me = session.user?.id;
    say({ call: id, data: { me, status: dorami.status.get().state, rooms, calls: calls() } });
  },
};

function send(name, key, id) {
  say({ client: name, key, asked: id });
  people.get(name).dorami.chat(key).send(`message ${id}`, { clientMessageId: id }).then(
    ({ seq }) => say({ client: name, key, stored: [seq, id] }),
    (error) => say({ client: name, key, refused: [error.code ?? String(error), id] }),
  );
}

// As if the gateway had no connection state recovery: the library forgets what it would come back with.
class ForgetfulManager extends Manager {
  socket(name, options) {
    const socket = super.socket(name, options);
    socket.on("disconnect", () => {
      socket._pid = undefined;
    });
    return socket;
  }
}

process.on("unhandledRejection", (error) => say({ trouble: String(error?.stack ?? error), code: DoramiError.is(error) ? error.code : null }));

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const command = JSON.parse(line);
    try {
      await commands[command.do](command);
    } catch (error) {
      say({ trouble: `${command.do}: ${error.stack}` });
    }
  })
  .on("close", () => process.exit(0));
