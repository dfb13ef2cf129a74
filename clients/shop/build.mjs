// Builds the shop page into gateway/web/shop with the esbuild of clients/js: `node build.mjs`. Run by `make`.
// `node build.mjs --size` prints what the page adds to @dorami/client, in bytes gzip by file, as JSON.

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const { build } = createRequire(new URL("../js/package.json", import.meta.url))("esbuild");
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const OUT = at("../../gateway/web/shop/");
const options = {
  entryPoints: { shop: at("src/main.ts"), style: at("src/style.css") },
  outdir: OUT, bundle: true, minify: true, format: "esm", target: "es2022", logLevel: "warning",
};

if (process.argv.includes("--size")) {
  const { outputFiles } = await build({ ...options, external: ["@dorami/client"], write: false });
  const sizes = outputFiles.map(({ path, contents }) => [path.slice(OUT.length), gzipSync(contents, { level: 9 }).length]);
  sizes.push(["index.html", gzipSync(readFileSync(at("index.html")), { level: 9 }).length]);
  console.log(JSON.stringify(Object.fromEntries(sizes)));
} else {
  mkdirSync(OUT, { recursive: true });
  await build({ ...options, alias: { "@dorami/client": at("../js/src/index.ts") } });
  for (const file of ["index.html", "icon.svg"]) copyFileSync(at(file), OUT + file);
}
