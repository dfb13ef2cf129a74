// Prints by how many bytes (gzip, without socket.io-client) a bundle of parts of src/ enlarges an application, as JSON.
// Run by tests/integration/test_js_client.py.

import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const PARTS = {
  core: 'export { Dorami, DoramiError, HttpSession } from "./src/index.ts"',
  chat: 'export { chat, connection } from "./src/index.ts"',
};

async function size(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ".", loader: "ts" },
    bundle: true, minify: true, format: "esm", target: "es2022", external: ["socket.io-client"], write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const sizes = await Promise.all(Object.entries(PARTS).map(async ([part, contents]) => [part, await size(contents)]));
console.log(JSON.stringify(Object.fromEntries(sizes)));
