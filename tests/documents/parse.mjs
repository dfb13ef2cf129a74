// Parses the AsyncAPI document on stdin with the reference parser, and compiles every pattern in it as browsers do.
// Prints what is wrong as JSON: [{severity, path, message}].

import { Parser } from "@asyncapi/parser";
import { text } from "node:stream/consumers";

const document = await text(process.stdin);
const { diagnostics } = await new Parser().parse(document);
const problems = diagnostics.map(({ severity, path, message, code }) => ({ severity, path: path.join("/"), message, code }));

JSON.parse(document, (name, value) => {
  if (name !== "pattern" || typeof value !== "string") return value;
  try {
    new RegExp(value, "u");
  } catch (error) {
    problems.push({ severity: 0, path: value, message: error.message, code: "pattern" });
  }
  return value;
});
process.stdout.write(JSON.stringify(problems));
