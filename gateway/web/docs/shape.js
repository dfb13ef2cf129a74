// Shows a JSON schema: a line for each field with its type and what holds for it. Used by main.

import { element, prose } from "./dom.js";

const DEEP = 4; // levels that are unfolded

/** A schema with its `$ref` and a null beside it taken away: `[schema, nullable]`. */
function bare(schema, root, nullable = false) {
  if (schema.$ref) return bare(schema.$ref.slice(2).split("/").reduce((part, key) => part[key], root), root, nullable);
  const choices = schema.anyOf ?? schema.oneOf;
  if (!choices) return [schema, nullable];
  const real = choices.filter((choice) => choice.type !== "null");
  if (real.length > 1) return [{ ...schema, several: real }, nullable];
  const { anyOf, oneOf, ...outer } = schema;
  const [inner] = bare(real[0], root);
  return [{ ...inner, ...outer, title: undefined }, choices.length > 1 || nullable];
}

function typeName(schema, root) {
  const [own, nullable] = bare(schema, root);
  const name = own.several ? own.several.map((choice) => typeName(choice, root)).join(" or ")
    : own.const !== undefined ? JSON.stringify(own.const)
    : own.enum ? own.enum.map((value) => JSON.stringify(value)).join(" | ")
    : own.type === "array" ? `list of ${typeName(own.items ?? {}, root)}`
    : own.format ?? own.type ?? "any";
  return nullable ? `${name} or null` : name;
}

const RULES = [
  ["minLength", (n) => `at least ${n} characters`, (n) => n > 1],
  ["maxLength", (n) => `at most ${n} characters`],
  ["minItems", (n) => `at least ${n}`],
  ["maxItems", (n) => `at most ${n}`],
  ["minimum", (n) => `≥ ${n}`],
  ["maximum", (n) => `≤ ${n}`],
  ["pattern", (text) => `matches ${text}`],
  ["default", (value) => `${JSON.stringify(value)} unless given`, (value) => value !== null],
];

function rules(schema) {
  return RULES.filter(([key, , matters]) => schema[key] !== undefined && (matters?.(schema[key]) ?? true))
    .map(([key, say]) => say(schema[key]))
    .join(", ");
}

function fields(schema, root, depth) {
  const required = new Set(schema.required ?? []);
  return element("ul", { class: "fields" }, ...Object.entries(schema.properties).map(([name, described]) => {
    const [own] = bare(described, root);
    const line = [
      element("code", { class: "field" }, required.has(name) ? name : `${name}?`), " ",
      element("span", { class: "type" }, typeName(described, root)), " ",
      element("span", { class: "rules" }, rules(own)),
    ];
    if (own.description && !own.properties) line.push(element("span", { class: "rules" }, " ", ...prose(own.description)));
    const inside = bare(own.type === "array" ? own.items ?? {} : own, root)[0];
    return element("li", {}, ...line, inside.properties && depth < DEEP ? fields(inside, root, depth + 1) : "");
  }));
}

/** A list of the fields of an object, or the name of what is none. */
export function shape(schema, root) {
  const [own] = bare(schema, root);
  return own.properties ? fields(own, root, 0) : element("p", { class: "type" }, typeName(own, root));
}
