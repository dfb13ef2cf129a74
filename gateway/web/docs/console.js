// The events console: connect, send, see what comes. Loaded by console.html; reads the AsyncAPI document.

import { copyable } from "./copy.js";
import { element } from "./dom.js";
import { io } from "./socket.io.js";

const KEPT = 200; // entries of the log
const SEEDS = ["viewer1", "viewer2", "viewer3", "host", "admin"];
const ANSWER_WITHIN = 10_000; // ms

const who = document.getElementById("who");
const ask = document.getElementById("ask");
const state = document.getElementById("state");
const log = document.getElementById("log");
let socket = null;
let requests = new Map(); // namespace → [{event, example}]

const read = async (name) => (await fetch(`/api/docs/${name}.json`)).json();
const follow = (ref, root) => ref.slice(2).split("/").reduce((part, key) => part[key], root);

/** Add an entry to the log, the newest first. */
function note(kind, name, value) {
  const time = element("time", {}, new Date().toISOString().slice(11, 23));
  const body = value === undefined ? "" : copyable(element("pre", { class: "example" }, JSON.stringify(value, null, 2)));
  log.prepend(element("li", { class: kind }, time, element("span", { class: `badge ${kind}` }, kind.toUpperCase()), element("code", {}, name), body));
  while (log.childElementCount > KEPT) log.lastElementChild.remove();
}

async function call(path, body) {
  const response = await fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    credentials: "omit", // who is tried here is nobody's session
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.errorCode}: ${answer.message}`);
  return answer.accessToken;
}

const tokenOf = {
  guest: () => call("/auth/guest", {}),
  account: () => call("/auth/login", { email: who.email.value, password: who.password.value }),
  token: async () => who.token.value.trim(),
};

function say(text) {
  state.textContent = text;
  ask.querySelector("button").disabled = !socket?.connected;
}

async function connect() {
  socket?.disconnect();
  say("connecting …");
  try {
    const token = await tokenOf[who.who.value]();
    const namespace = who.namespace.value;
    socket = io(namespace === "/" ? location.origin : location.origin + namespace, { auth: { token }, forceNew: true, transports: ["websocket", "polling"] });
  } catch (error) {
    note("error", error.message);
    return say("not connected");
  }
  socket.on("connect", () => {
    note("info", socket.recovered ? "connected, recovered" : "connected", { id: socket.id });
    say(`connected to ${who.namespace.value}`);
  });
  socket.on("disconnect", (reason) => {
    note("info", "disconnected", { reason });
    say("not connected");
  });
  socket.on("connect_error", (error) => {
    note("error", "connect_error", { message: error.message, data: error.data });
    say("not connected");
  });
  socket.onAny((event, ...values) => note("hear", event, values.length > 1 ? values : values[0]));
}

async function send() {
  let payload;
  try {
    payload = JSON.parse(ask.payload.value || "{}");
  } catch (error) {
    return note("error", `The payload is no JSON: ${error.message}`);
  }
  const event = ask.event.value;
  note("send", event, payload);
  if (!ask.ack.checked) return socket.emit(event, payload);
  try {
    const answer = await socket.timeout(ANSWER_WITHIN).emitWithAck(event, payload);
    note(answer.ok ? "ack" : "error", event, answer);
  } catch (error) {
    note("error", `${event}: ${error.message}`);
  }
}

function offer() {
  ask.event.replaceChildren(...(requests.get(who.namespace.value) ?? []).map(({ event }) => new Option(event)));
  fill();
}

function fill() {
  const found = requests.get(who.namespace.value)?.find(({ event }) => event === ask.event.value);
  ask.payload.value = JSON.stringify(found?.example ?? {}, null, 2);
}

function showFields() {
  for (const label of who.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== who.who.value;
}

const [document_, config] = await Promise.all([read("asyncapi"), read("config")]);
for (const channel of Object.values(document_.channels)) requests.set(channel.address, []);
for (const told of Object.values(document_.operations)) {
  if (told.action !== "receive") continue;
  const [message] = told.messages.map(({ $ref }) => follow($ref, document_));
  requests.get(follow(told.channel.$ref, document_).address).push({ event: told.title, example: message.examples[0].payload });
}
for (const events of requests.values()) events.push(events.shift()); // auth:refresh comes first in each
document.getElementById("off").hidden = config.try;
who.hidden = ask.hidden = !config.try;
if (config.seeds) { // of `make dev`
  document.getElementById("seeds").append(...SEEDS.map((name) => new Option("", `${name}@example.com`)));
  who.who.value = "account";
  who.email.value = "viewer1@example.com";
  who.password.value = "dorami-dev";
}

who.who.addEventListener("change", showFields);
who.namespace.addEventListener("change", () => {
  socket?.disconnect();
  offer();
});
ask.event.addEventListener("change", fill);
who.addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
ask.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
document.getElementById("clear").addEventListener("click", () => log.replaceChildren());

/** `#/chat chat:send-message` from the reference chooses the event. */
function choose() {
  const [namespace, event] = decodeURIComponent(location.hash.slice(1)).split(" ");
  if (!requests.has(namespace)) return;
  who.namespace.value = namespace;
  offer();
  if (event) ask.event.value = event;
  fill();
}
offer();
showFields();
choose();
addEventListener("hashchange", choose);
document.body.dataset.state = "ready";
