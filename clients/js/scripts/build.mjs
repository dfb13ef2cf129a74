// Builds dist/ from src/: the same modules twice, for `import` and for `require`. Run by `npm run build`.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
const tsc = (...options) => execFileSync("node", ["node_modules/typescript/bin/tsc", ...options], { stdio: "inherit" });
tsc();
tsc("--outDir", "dist/cjs", "--module", "commonjs", "--moduleResolution", "bundler", "--verbatimModuleSyntax", "false");
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
