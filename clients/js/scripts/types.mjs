// Generates src/protocol.ts from the gateway's documents: node scripts/types.mjs asyncapi.json openapi.json > src/protocol.ts
// Run by `python -m gateway.dev.client_types`, which writes the documents first.

import { compile } from "json-schema-to-typescript";
import { readFileSync } from "node:fs";

const [events, http] = process.argv.slice(2, 4).map((path) => JSON.parse(readFileSync(path, "utf8")));
const at = (reference) => reference.slice(2).split("/").reduce((part, key) => part[key], events);
const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);
/** A name, or several types whose fields are combined. */
const typeOf = ({ $ref, allOf }) => ($ref ? nameOf($ref) : allOf.map(typeOf).join(" & "));
const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** Drop the titles of fields, each of which would become a type of its own, and refer to `$defs`. */
function plain(node, inProperties = false) {
  if (Array.isArray(node)) return node.map((each) => plain(each));
  if (!node || typeof node !== "object") return node;
  const copy = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "title" && !inProperties) continue;
    copy[key] = key === "$ref" ? `#/$defs/${nameOf(value)}` : plain(value, key === "properties" && !inProperties);
  }
  return copy;
}

async function shapes() {
  const schemas = { ...http.components.schemas, ...events.components.schemas };
  const $defs = {};
  for (const name of Object.keys(schemas).sort()) {
    $defs[name] = { ...plain(schemas[name]), title: name };
    if ($defs[name].properties) $defs[name].additionalProperties = false; // types need no index signature: unknown fields are ignored
  }
  const properties = Object.fromEntries(Object.keys($defs).map((name) => [name, { $ref: `#/$defs/${name}` }]));
  const all = { title: "All", type: "object", additionalProperties: false, $defs, properties };
  const source = await compile(all, "All", { bannerComment: "", additionalProperties: false, style: { printWidth: 120 } });
  return source.replace(/export interface All \{[\s\S]*?\n\}\n/, "");
}

/** The type of a message's payload: a name or `{type, data}`, and the types merged into it. */
function payload({ payload }) {
  if (payload.$ref) return nameOf(payload.$ref);
  const { properties, required = [] } = payload;
  const { type, data } = properties;
  const whole = type?.const !== undefined && data ? `Typed<${JSON.stringify(type.const)}, ${typeOf(data)}>` : payload.title;
  const stamp = properties.epoch && (required.includes("epoch") ? "Stamp" : "Partial<Stamp>");
  return [whole, properties.streamTime && "StreamTime", stamp].filter(Boolean).join(" & ");
}

function namespace(id, { address }) {
  const operations = Object.values(events.operations).filter(
    ({ channel, title }) => nameOf(channel.$ref) === id && title !== "connect_error", // which the library types
  );
  const said = ({ summary, ...operation }) => (summary ? `  /** ${summary}${operation["x-to"] ? ` To ${operation["x-to"]}.` : ""} */\n` : "");
  const lines = (action, line) => operations.filter((each) => each.action === action).map((each) => said(each) + line(each)).join("");
  const heard = (operation) => {
    const message = at(operation.messages[0].$ref);
    const offset = operation["x-logged"] ? ", offset?: string" : "";
    return `  ${JSON.stringify(operation.title)}: (payload: ${payload(message)}${offset}) => void;\n`;
  };
  const asked = (operation) => {
    const request = nameOf(at(operation.messages[0].$ref).payload.$ref);
    const data = nameOf(at(operation.reply.messages[0].$ref).payload.properties.data.$ref);
    return `  ${JSON.stringify(operation.title)}: (request: ${request}, ack: (answer: Answer<${data}>) => void) => void;\n`;
  };
  const refused = (operation) => `  ${JSON.stringify(operation.title)}: ${operation["x-errors"].map((code) => JSON.stringify(code)).join(" | ")};\n`;
  const name = capital(id);
  return `
/** What the gateway sends on \`${address}\`. */
export interface ${name}ServerToClientEvents {
${lines("send", heard)}}

/** What clients send on \`${address}\`. */
export interface ${name}ClientToServerEvents {
${lines("receive", asked)}}

/** What requests on \`${address}\` may be refused with. */
export interface ${name}Errors {
${lines("receive", refused)}}
`;
}

const channels = Object.entries(events.channels);
const table = channels.map(([id, { address }]) => {
  const name = capital(id);
  return `  ${JSON.stringify(address)}: { hears: ${name}ServerToClientEvents; sends: ${name}ClientToServerEvents; errors: ${name}Errors };\n`;
});
process.stdout.write(`// Made by \`python -m gateway.dev.client_types\` from the gateway's AsyncAPI and OpenAPI documents. Do not edit.

${(await shapes()).trim()}

/** The codes of all errors, over sockets and HTTP. */
export type ErrorCode = ${events["x-errors"].map(({ code }) => JSON.stringify(code)).join(" | ")};

/** What every request is answered with. */
export type Answer<T> = { ok: true; data: T; ts: number } | Failure;

/** The envelope of most events. */
export type Typed<N extends string, T> = { type: N; data: T };
${channels.map(([id, channel]) => namespace(id, channel)).join("")}
/** The events of all namespaces. */
export interface Namespaces {
${table.join("")}}
`);
