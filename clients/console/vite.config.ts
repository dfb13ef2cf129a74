// Builds the console into gateway/console/, which the gateway serves at /console. Run by `npm run build`.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const OUT = join(import.meta.dirname, "../../gateway/console");

/** Write `.gz` and `.br` beside each asset: the gateway sends them as they are. */
const precompress: Plugin = {
  name: "precompress",
  closeBundle() {
    const folder = join(OUT, "assets");
    for (const name of readdirSync(folder)) {
      const file = join(folder, name);
      const bytes = readFileSync(file);
      writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
      writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
    }
  },
};

export default defineConfig({
  base: "/console/",
  logLevel: "warn",
  plugins: [react(), precompress],
  resolve: {
    // The client package is built from its sources, with the console's own copy of socket.io-client.
    alias: { "@dorami/client": join(import.meta.dirname, "../js/src/index.ts") },
    dedupe: ["socket.io-client"],
  },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0, // the content policy allows no data: scripts or styles
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600, // kB before compression; a test measures what a first view loads
  },
  server: { proxy: { "/api": "http://localhost:3001", "/socket.io": { target: "http://localhost:3001", ws: true } } },
});
