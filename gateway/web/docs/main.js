// The page of documents: reads the OpenAPI and the AsyncAPI document and lists what is in them. Loaded by index.html.

import { copyable, copyButton } from "./copy.js";
import { element, prose } from "./dom.js";
import { shape } from "./shape.js";

const sections = document.getElementById("sections");
const contents = document.getElementById("contents");
const taken = new Set(); // ids of entries

/** Follow a `$ref` within a document. */
const follow = (ref, root) => ref.slice(2).split("/").reduce((part, key) => part[key], root);

const json = (value) => copyable(element("pre", { class: "example" }, JSON.stringify(value, null, 2)));

/** A titled part of what is said of one operation; nothing if there is nothing to say. */
const part = (title, ...content) => content.length ? [element("h4", {}, title), ...content] : [];

const chips = (texts, kind = "") => element("p", { class: "chips" }, ...texts.map((text) => element("code", { class: kind }, text)));

/** Payload with its shape and an example beside it. */
const payload = (schema, example, root) =>
  element("div", { class: "payload" }, shape(schema, root), example === undefined ? "" : json(example));

/** The id of an entry: its name if that is not taken, so that `#chat:send-message` leads to it. */
function idOf(name, within, badge) {
  const free = [name, `${within}/${name}`, `${within}/${name}/${badge.toLowerCase()}`].find((id) => !taken.has(id));
  taken.add(free);
  return free;
}

function entry(id, badge, name, summary, facts, ...body) {
  const link = element("a", { class: "here", href: `#${id}`, "aria-label": `Link to ${name}` }, "#");
  return element("details", { class: "entry", id },
    element("summary", {},
      element("span", { class: `badge ${badge.toLowerCase()}` }, badge),
      element("code", {}, name),
      element("span", { class: "summary" }, ...prose(summary)),
      link,
    ),
    element("div", { class: "body" }, copyButton(() => name, "Copy name"), facts.length ? element("p", { class: "facts" }, facts.join(" · ")) : "", ...body),
  );
}

function section(id, title, about, entries) {
  contents.append(element("a", { href: `#${id}` }, title, element("small", {}, entries.length ? `${entries.length}` : "")));
  sections.append(element("section", { id }, element("h2", {}, title), about ? element("p", {}, ...prose(about)) : "", ...entries));
}

// --- HTTP ------------------------------------------------------------------------------------------------------------

function operation(method, path, described, root) {
  const facts = [described.security ? described.description : "No token needed"];
  const parameters = (described.parameters ?? []).map((parameter) => [parameter.name, {
    ...parameter.schema,
    description: `in the ${parameter.in}`,
  }]);
  const required = (described.parameters ?? []).filter((parameter) => parameter.required).map((parameter) => parameter.name);
  const body = described.requestBody?.content["application/json"];
  const responses = Object.entries(described.responses);
  const answers = responses.filter(([status]) => status < 400);
  const refusals = responses.filter(([status]) => status >= 400).map(([status, { description }]) =>
    element("li", {}, element("code", {}, status), " ", ...prose(description)));
  return entry(idOf(described.operationId, "http", method), method.toUpperCase(), path, described.summary, facts,
    ...part("Parameters", ...(parameters.length ? [shape({ type: "object", properties: Object.fromEntries(parameters), required }, root)] : [])),
    ...part("Body", ...(body ? [payload(body.schema, body.example, root)] : [])),
    ...answers.flatMap(([status, answer]) => {
      const content = answer.content?.["application/json"];
      return part(`Answer ${status}`, content ? payload(content.schema, content.example, root) : element("p", {}, "Without content."));
    }),
    ...part("Refused with", element("ul", { class: "refusals" }, ...refusals)),
  );
}

function http(root) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(root.paths)) {
    const group = path.split("/")[3];
    for (const [method, described] of Object.entries(methods)) {
      groups.set(group, [...(groups.get(group) ?? []), operation(method, path, described, root)]);
    }
  }
  for (const [group, entries] of groups) section(`http-${group}`, `HTTP: ${group}`, "", entries);
}

// --- events ----------------------------------------------------------------------------------------------------------

function received(within, described, root) {
  const [ask] = described.messages.map((message) => follow(message.$ref, root));
  const [ack] = described.reply.messages.map((message) => follow(message.$ref, root));
  const { name, requests, seconds } = described["x-limit"];
  const facts = [`${requests} per ${seconds} s (limit “${name}”)`, `for ${described["x-roles"]?.join(", ") ?? "everybody"}`];
  if (described["x-room"]) facts.push("after joining the room");
  const attempt = element("a", { href: `/api/docs/console#${encodeURIComponent(`${within} ${described.title}`)}` }, "Try it in the console");
  return entry(idOf(described.title, within, "send"), "SEND", described.title, described.summary, facts,
    ...part("Payload", payload(ask.payload, ask.examples[0].payload, root)),
    ...part("Ack", element("p", {}, ...prose(`${ack.summary} Without an ack: \`${described["x-success-event"]}\`.`)),
      payload(ack.payload, ack.examples[0].payload, root)),
    ...part("Refused with", chips(described["x-errors"], "code")),
    element("p", { class: "try" }, attempt),
  );
}

function sent(within, described, root) {
  const [message] = described.messages.map((reference) => follow(reference.$ref, root));
  const facts = [`to ${described["x-to"]}`];
  if (described["x-logged"]) facts.push("logged: comes in order, and again after a lost connection");
  return entry(idOf(described.title, within, "hear"), "HEAR", described.title, described.summary, facts,
    ...part("Payload", payload(message.payload, message.examples[0].payload, root)));
}

function events(root) {
  for (const [key, channel] of Object.entries(root.channels)) {
    const entries = Object.values(root.operations)
      .filter((described) => described.channel.$ref === `#/channels/${key}` && !described["x-success-of"])
      .map((described) => (described.action === "receive" ? received : sent)(channel.address, described, root));
    section(`events-${key}`, `Events: ${channel.address}`, channel.description, entries);
  }
  const rows = root["x-errors"].map(({ code, status, retryable, message }) =>
    element("tr", {}, element("td", {}, element("code", {}, code)), element("td", {}, `${status}`),
      element("td", {}, retryable ? "yes" : "no"), element("td", {}, message)));
  const head = element("tr", {}, ...["Code", "HTTP", "Try again", "Meaning"].map((title) => element("th", { scope: "col" }, title)));
  sections.append(element("section", { id: "errors" }, element("h2", {}, "Error codes"), element("table", {}, head, ...rows)));
  contents.append(element("a", { href: "#errors" }, "Error codes", element("small", {}, `${rows.length}`)));
}

// --- finding ---------------------------------------------------------------------------------------------------------

function filter(words) {
  for (const found of document.querySelectorAll(".entry")) {
    const text = found.textContent.toLowerCase();
    found.hidden = !words.every((word) => text.includes(word));
  }
  for (const list of document.querySelectorAll("section")) {
    list.hidden = words.length > 0 && !list.querySelector(".entry:not([hidden])");
  }
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches(".entry")) named.open = true;
  named?.scrollIntoView();
}

async function read(name) {
  const response = await fetch(`/api/docs/${name}.json`);
  if (!response.ok) throw new Error(`${name}.json: ${response.status}`);
  return response.json();
}

try {
  const [openapi, asyncapi] = await Promise.all([read("openapi"), read("asyncapi")]);
  document.getElementById("version").textContent = openapi.info.version;
  document.getElementById("loading").remove();
  section("about", "How events work", asyncapi.info.description, []);
  events(asyncapi);
  http(openapi);
  const input = document.getElementById("filter");
  input.addEventListener("input", () => filter(input.value.toLowerCase().split(/\s+/).filter(Boolean)));
  addEventListener("hashchange", openNamed);
  openNamed();
  document.body.dataset.state = "ready";
} catch (error) {
  document.getElementById("loading").textContent = `The documents could not be read: ${error.message}`;
}
